"""Requested m → achieved similarity: what a generator makes of the similarities asked for.

CemiFace's own sets show why this has to be looked at: made at m = 0, their mean similarity to the inquiry is 0.29
(Table 7).
"""

from pathlib import Path

import numpy as np
import torch
from torch import nn

from semihard.artifacts import write_artifact
from semihard.device import autocast, best_device
from semihard.errors import InputError
from semihard.faceset import FaceSet
from semihard.generator.inquiries import one_per_identity, read_unit_embeddings
from semihard.generator.model_file import load_generator
from semihard.generator.sampling import denoise, draw_noise
from semihard.progress import progress
from semihard.provenance import Provenance
from semihard.settings import Generator
from semihard.similarity.embedders import load_embedder
from semihard.tensors import resize

M = np.linspace(-1, 1, 11)
INQUIRIES = 32
LADDER_ROWS = 6
STEPS = 20


def calibrate_similarity(
    settings: Generator,
    generator_path: Path | str,
    embedder_model_path: Path | str,
    faces_path: Path | str,
    embeddings_path: Path | str,
    output: Path | str,
    provenance: Provenance,
) -> None:
    """Write the calibration of a generator: 32 inquiries of different identities, one image of each for 11 values of m.

    An inquiry's images come from the same noise at every m, so that m alone moves them. Attributes: `pearson_r` of
    requested and achieved similarity over all images; `monotonicity`, the share of neighbouring values of m whose mean
    achieved similarity rises. Raises InputError where generator, embedder and embeddings do not belong together.
    """
    device = best_device()
    network, spec = load_generator(generator_path, device)
    embedder = load_embedder(embedder_model_path, device)
    spec.check_embedder(embedder_model_path, embedder)
    faces = FaceSet(faces_path)
    chosen = one_per_identity(faces, settings.seed)[:INQUIRIES]
    identity = torch.from_numpy(read_unit_embeddings(embeddings_path, chosen, len(faces)))
    if identity.shape[1] != spec.embedding_dim:
        raise InputError(
            f"{embeddings_path}: {identity.shape[1]}-d embeddings, "
            f"the generator was trained with {spec.embedding_dim}-d ones"
        )
    noise = draw_noise(settings.seed, chosen, np.zeros_like(chosen), spec.image_size).to(device)
    identity = identity.to(device)

    similarity, ladder = [], []
    with (
        progress("calibrate", len(M), "values of m") as advance,
        torch.inference_mode(),
        autocast(device, settings.precision),
    ):
        for m in M:
            images = denoise(network, spec, noise, identity, torch.full((len(chosen),), float(m), device=device), STEPS)
            similarity.append(nn.functional.cosine_similarity(embedder.embed(images).float(), identity).cpu().numpy())
            ladder.append(images[:LADDER_ROWS].permute(0, 2, 3, 1).cpu().numpy())
            advance(1)
    achieved = np.stack(similarity)
    inquiry_images = torch.from_numpy(faces.images(chosen[:LADDER_ROWS])).permute(0, 3, 1, 2)
    inquiry_images = resize(inquiry_images, spec.image_size).permute(0, 2, 3, 1).numpy()
    attrs = {
        "pearson_r": float(np.corrcoef(np.repeat(M, len(chosen)), achieved.ravel())[0, 1]),
        "monotonicity": float((np.diff(achieved.mean(1)) > 0).mean()),
    }
    data = {"m": M, "similarity": achieved, "images": np.stack(ladder), "inquiry_images": inquiry_images}
    write_artifact(output, "calibration", data, provenance, attrs)
