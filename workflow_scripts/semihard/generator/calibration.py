"""Requested m → achieved similarity: what a generator makes of the similarities asked for.

CemiFace's own sets show why this has to be looked at: made at m = 0, their mean similarity to the inquiry is 0.29
(Table 7). An embedder that the generator was trained against may be pleased too easily, so others measure as well.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import torch
from torch import nn

from semihard.compute.device import autocast, best_device
from semihard.compute.progress import progress
from semihard.errors import InputError
from semihard.generator.inquiries import one_per_identity, read_inquiry_images, read_unit_embeddings
from semihard.generator.method import SimilarityMethod, method_named, settings_named
from semihard.generator.model_file import GeneratorSpec, load_generator
from semihard.generator.network import Denoiser
from semihard.generator.samplers import denoise, draw_noise
from semihard.generator.settings import Diffusion
from semihard.similarity.embedders import load_embedder
from semihard.storage import schemas
from semihard.storage.artifacts import write_artifact
from semihard.storage.checkpoint import Resume
from semihard.storage.faceset import FaceSet
from semihard.storage.provenance import Provenance

VALUES = 21  # of m
INQUIRIES, PER_INQUIRY = 32, 2
LADDER_ROWS = 6
SAMPLER, STEPS = "dpmsolver++", 10  # nearer to its limit than DDIM in 20 (docs/results.md), at half the cost
LOSS = "loss"  # the name of the embedder that the generator was trained with
BIN_EDGES = np.array([-1, 0, 0.1, 0.2, 0.3, 0.4, 0.5, 1])  # CemiFace Table 7, and what lies below 0


def calibrate_similarity(
    settings: Diffusion,
    generator_path: Path | str,
    embedder_model_path: Path | str,
    faces_path: Path | str,
    embeddings_path: Path | str,
    output: Path | str,
    provenance: Provenance,
    other_models: Mapping[str, Path | str] | None = None,
) -> None:
    """Write the artifact "calibration": 32 inquiries of different identities, two images of each for 21 values of m,
    evenly spread over what the generator was trained on.

    An image's noise is a function of (seed, inquiry, k) and the same at every m, so that m alone moves it. Similarity is
    measured by the embedder of the loss, called "loss", and by `other_models`, name → model file; to each its own
    embedding of the inquiry, for the others from the inquiry image as stored. Statistics are those of `statistics`.
    Interrupted, the next call goes on with the value of m that was under way.
    Raises InputError where the generator's method takes no similarity, or generator, embedder and embeddings do
    not belong together.
    """
    other_models = other_models or {}
    device = best_device()
    network, spec = load_generator(generator_path, device)
    if not settings_named(spec.method).takes_similarity:
        raise InputError(f"{generator_path}: a {spec.method} generator takes no m; calibrate one of method cemiface")
    method: SimilarityMethod = method_named(spec.method)
    if LOSS in other_models:
        raise InputError(f"{other_models[LOSS]}: {LOSS!r} is the embedder of the loss; give this one another name")
    embedders = {LOSS: load_embedder(embedder_model_path, device)}
    spec.check_embedder(embedder_model_path, embedders[LOSS].embedding_dim)
    faces = FaceSet(faces_path)
    chosen = one_per_identity(faces, settings.seed)[:INQUIRIES]
    C_id = {LOSS: torch.from_numpy(read_unit_embeddings(embeddings_path, chosen, len(faces))).to(device)}
    if C_id[LOSS].shape[1] != spec.embedding_dim:
        raise InputError(
            f"{embeddings_path}: {C_id[LOSS].shape[1]}-d embeddings, "
            f"the generator was trained with {spec.embedding_dim}-d ones; embed the faces with its embedder"
        )
    inquiry_images = torch.from_numpy(faces.images(chosen)).permute(0, 3, 1, 2)
    for name, path in other_models.items():
        embedders[name] = load_embedder(path, device)
        C_id[name] = nn.functional.normalize(embedders[name].embed(inquiry_images))
    C_id = {name: unit.repeat_interleave(PER_INQUIRY, 0) for name, unit in C_id.items()}
    inquiry, k = np.repeat(chosen, PER_INQUIRY), np.tile(np.arange(PER_INQUIRY), len(chosen))
    noise = draw_noise(settings.seed, inquiry, k, spec.image_size).to(device)

    m_values = method.similarities(spec, VALUES)
    inputs = [generator_path, embedder_model_path, faces_path, embeddings_path, *other_models.values()]
    resume = Resume(output, provenance, inputs)
    done = resume.load() or {"cosines": [], "ladder": []}
    left = m_values[len(done["cosines"]) :]
    with (
        progress("calibrate", len(m_values), "values of m", len(m_values) - len(left)) as advance,
        torch.inference_mode(),
    ):
        for images in drawn_at(left, method, network, spec, C_id[LOSS], noise, settings.precision):
            measured = [
                nn.functional.cosine_similarity(embedder.embed(images), C_id[name])
                for name, embedder in embedders.items()
            ]
            done["cosines"].append(torch.stack(measured).cpu())
            done["ladder"].append(images[::PER_INQUIRY][:LADDER_ROWS].permute(0, 2, 3, 1).cpu())
            resume.save(done)
            advance(1)
    cosines, ladder = (torch.stack(done[name], at).numpy() for name, at in (("cosines", 1), ("ladder", 0)))
    similarity = cosines.reshape(len(embedders), len(m_values), len(chosen), PER_INQUIRY)
    data = {
        "m": m_values,
        "embedder": list(embedders),
        "similarity": similarity,
        **statistics(m_values, similarity),
        "images": ladder,
        "inquiry_images": read_inquiry_images(faces, chosen[:LADDER_ROWS], spec.image_size),
    }
    write_artifact(output, schemas.CALIBRATION, data, provenance)
    resume.discard()


def drawn_at(
    m_values: np.ndarray,
    method: SimilarityMethod,
    network: Denoiser,
    spec: GeneratorSpec,
    C_id: torch.Tensor,
    noise: torch.Tensor,
    precision: str,
) -> Iterator[torch.Tensor]:
    """Images uint8 `[n, 3, s, s]` at each m of `m_values`: of identities C_id, unit `[n, D]`, from noise `[n, 3, s, s]`, the
    same at every m, in 10 steps of DPM-Solver++."""
    for m in m_values:
        asked = torch.full((len(noise),), float(m), device=noise.device)
        with autocast(noise.device, precision):
            predict = method.condition_similarity(network, C_id, asked)
            images = denoise(predict, spec, noise, SAMPLER, min(STEPS, spec.timesteps))
        yield images


def statistics(m: np.ndarray, similarity: np.ndarray) -> dict[str, np.ndarray]:
    """What there is to say of requested m `[M]` and achieved similarity `[E, M, I, K]` of embedders, inquiries, images.

    `[E]` each: pearson_r over all single images; pearson_r_mean of the mean over images per m; pearson_r_within, the
    mean over noises (inquiry, k) of r of that noise's own images, 0 where m does not change them; monotonicity, the
    share of neighbouring values of m whose mean rises. NaN where there is one m only or no similarity varies.
    counts, int64 `[E, M, B]`: inquiries per bin of their images' mean similarity (CemiFace Table 7), a bin with its low
    edge and without its high one; bin_edges `[B + 1]`, the outer bins open.
    """
    similarity = similarity.astype(np.float64)
    embedders, values = similarity.shape[:2]
    series = np.moveaxis(similarity, 1, 0).reshape(values, embedders, -1)  # [M, E, I K]
    single = series.transpose(0, 2, 1).reshape(-1, embedders)  # [M I K, E]
    mean = series.mean(2)
    undefined = np.full(embedders, np.nan)
    bins = np.digitize(similarity.mean(3), BIN_EDGES[1:-1])
    return {
        "pearson_r": pearson_r(np.repeat(m, series.shape[2]), single),
        "pearson_r_mean": pearson_r(m, mean),
        "pearson_r_within": np.nan_to_num(pearson_r(m, series)).mean(1) if values > 1 else undefined,
        "monotonicity": (np.diff(mean, axis=0) > 0).mean(0) if values > 1 else undefined,
        "bin_edges": BIN_EDGES,
        "counts": (bins[..., None] == np.arange(len(BIN_EDGES) - 1)).sum(2),
    }


def pearson_r(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Pearson's r of x `[n]` with each column of y `[n, …]`, of the shape of a row of y; NaN where one does not vary."""
    varies = (np.ptp(x) > 0) & (np.ptp(y, 0) > 0)  # asked first: rounding would make up an r of a constant
    dx, dy = x - x.mean(), y - y.mean(0)
    spread = np.sqrt((dx**2).sum() * (dy**2).sum(0))
    return np.tensordot(dx, dy, 1) / np.where(varies, spread, np.nan)


def model_name(path: Path | str) -> str:
    """What a model file of the results folder is called: embedders/casia/… casia, recognizers/tiny/real/seed0/…
    tiny-real-seed0."""
    folders = Path(path).parts[:-1]
    return "-".join(folders[-3:]) if folders[-4:-3] == ("recognizers",) else folders[-1]
