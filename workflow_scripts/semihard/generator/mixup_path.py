"""The path over φ between identities that a generator draws."""

from functools import partial
from pathlib import Path

import numpy as np
import torch

from semihard.compute.device import autocast, best_device
from semihard.compute.progress import progress
from semihard.errors import InputError
from semihard.generator.gathering import identity_name
from semihard.generator.method import SimilarityMethod, method_named, settings_named
from semihard.generator.model_file import load_generator
from semihard.generator.samplers import denoise, draw_noise
from semihard.generator.sampling import read_inquiries
from semihard.generator.settings import SyntheticFaces
from semihard.similarity.mixup import mix_conditions
from semihard.similarity.mixup_path import PHI, path_pairs, write_path
from semihard.storage.provenance import Provenance


def synthesize_mixup_path(
    settings: SyntheticFaces,
    generator_path: Path | str,
    inquiries_path: Path | str,
    model: Path | str,
    output: Path | str,
    provenance: Provenance,
) -> None:
    """Write the artifact "mixup_path" of a face set drawn from a generator: conditions φ C_i + (1 − φ) C_j at the set's
    similarity, one noise along each path, that of the identity's first image. Other operators are left out.

    model: of the embedder that measures. Raises InputError where the generator's method takes no similarity, or
    generator and inquiries do not belong together.
    """
    device = best_device()
    network, spec = load_generator(generator_path, device)
    if not settings_named(spec.method).takes_similarity:
        raise InputError(
            f"{generator_path}: a {spec.method} generator mixes no identities; take one of method cemiface"
        )
    method: SimilarityMethod = method_named(spec.method)
    C = torch.from_numpy(read_inquiries(inquiries_path, settings, spec)["embedding"])
    identity, partner = path_pairs(settings.seed, settings.per_identity, settings.identities)
    first, paths = np.zeros(len(PHI), np.int64), []
    with progress("mixup path", len(identity), "paths") as advance, torch.inference_mode():
        for i, j in zip(identity, partner, strict=True):
            along = (settings.seed, np.full(len(PHI), i), first)
            noise = draw_noise(*along, spec.image_size).to(device)
            mixed = mix_conditions(C[i][None], C[j][None], torch.from_numpy(PHI).float()).to(device)
            with autocast(device, settings.precision):
                predict = method.condition_similarity(
                    network, mixed, torch.full((len(PHI),), settings.similarity, device=device)
                )
                fresh = partial(draw_noise, *along, spec.image_size)
                images = denoise(predict, spec, noise, settings.sampler, settings.steps, settings.eta, fresh)
            paths.append(images.permute(0, 2, 3, 1).cpu().numpy())
            advance(1)
    names = ([identity_name(settings.seed, int(k)) for k in numbers] for numbers in (identity, partner))
    write_path(np.stack(paths), *names, model, output, provenance)
