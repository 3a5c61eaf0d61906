"""Synthesis: a generator and inquiries in, a labelled face set out (CemiFace, NeurIPS 2024, Sec. 3.3 and 4.1).

A batch of images is a face set, a shard is its batches one after the other, the whole is its shards: one function
joins both.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from diffusers import DDIMScheduler
from torch import nn

from semihard.artifacts import read_artifact
from semihard.checkpoint import Resume
from semihard.device import autocast, best_device
from semihard.errors import InputError
from semihard.faceset import ROWS_PER_CHUNK, FaceSet, FaceSetWriter
from semihard.generator.model_file import GeneratorSpec, load_generator
from semihard.generator.network import SimilarityUNet
from semihard.mixup import draw_partners, mix_conditions
from semihard.progress import progress
from semihard.provenance import Provenance
from semihard.seeds import seed_for
from semihard.settings import SyntheticFaces
from semihard.similarity.embedders import load_embedder
from semihard.tensors import to_uint8


def synthesize(
    settings: SyntheticFaces,
    shard: int,
    generator_path: Path | str,
    embedder_model_path: Path | str,
    inquiries_path: Path | str,
    output: Path | str,
    provenance: Provenance,
) -> None:
    """Write shard `shard` of `settings.shards` of a synthetic face set.

    Images are numbered by (identity, index) and denoised in batches of `settings.batch`; a shard is a run of whole
    batches, so the images do not depend on the number of shards. Finished batches survive a kill. Columns: m (asked
    for), similarity (achieved: cosine to its condition), partner (identity number, −1 without mixup), phi, index.
    Raises InputError where generator, embedder and inquiries do not belong together.
    """
    device = best_device()
    network, spec = load_generator(generator_path, device)
    embedder = load_embedder(embedder_model_path, device)
    spec.check_embedder(embedder_model_path, embedder)
    spec.check_similarity(settings.similarity)
    inquiries = torch.from_numpy(read_artifact(inquiries_path, "inquiries")["embedding"])
    if inquiries.shape[1] != spec.embedding_dim or len(inquiries) < settings.identities:
        expected = f"{settings.identities} of {spec.embedding_dim} numbers"
        found = f"{len(inquiries)} embeddings of {inquiries.shape[1]} numbers"
        raise InputError(f"{inquiries_path}: {found}, expected {expected}")
    if settings.identity_mixup and settings.identities < 2:
        raise InputError("identity_mixup needs at least 2 identities")

    batches = shard_batches(settings, shard)
    resume = Resume(output, provenance, [generator_path, embedder_model_path, inquiries_path])
    paths = [resume.directory / f"batch{batch}.h5" for batch in batches]
    missing = [(batch, path) for batch, path in zip(batches, paths, strict=True) if not path.exists()]
    total = settings.identities * settings.per_identity
    with progress("synthesize", len(batches), "batches", len(batches) - len(missing)) as advance:
        for batch, path in missing:
            number = np.arange(batch * settings.batch, min((batch + 1) * settings.batch, total))
            identity, index = np.divmod(number, settings.per_identity)
            partner, phi = partners_of(settings, identity, index)
            condition = inquiries[identity]
            if settings.identity_mixup:
                condition = mix_conditions(condition, inquiries[partner], torch.from_numpy(phi))
            noise = draw_noise(settings.seed, identity, index, spec.image_size)
            m = torch.full((len(number),), settings.similarity)
            with autocast(device, settings.precision), torch.inference_mode():
                images = denoise(network, spec, noise.to(device), condition.to(device), m.to(device), settings.steps)
                embedding = embedder.embed(images).float()
            similarity = nn.functional.cosine_similarity(embedding, condition.to(device)).cpu().numpy()
            columns = {
                "m": m.numpy(),
                "similarity": similarity,
                "partner": partner,
                "phi": phi,
                "index": index.astype(np.int32),
            }
            names = [f"synthetic-{settings.seed}-{i:05d}" for i in identity]
            with FaceSetWriter(
                path, (spec.image_size, spec.image_size), settings.codec, provenance, {"source": "synthesis"}
            ) as writer:
                writer.add(images.permute(0, 2, 3, 1).cpu().numpy(), names, columns)
            advance(1)
    gather_shards(paths, output, provenance)
    resume.discard()


def shard_batches(settings: SyntheticFaces, shard: int) -> range:
    """The batches of one shard: contiguous, and as even as whole batches allow."""
    count = -(-settings.identities * settings.per_identity // settings.batch)
    if settings.shards > count:
        given = f"{settings.shards} shards for {count} batches of {settings.batch} images"
        raise InputError(f"{given}: set shards to {count} at most")
    return range(shard * count // settings.shards, (shard + 1) * count // settings.shards)


def partners_of(settings: SyntheticFaces, identity: np.ndarray, index: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mixup partner int32 `[n]` and φ float32 `[n]` of images (identity, index); −1 and 1 where mixup is off."""
    if not settings.identity_mixup:
        return np.full(len(identity), -1, np.int32), np.ones(len(identity), np.float32)
    sizes = (settings.per_identity, settings.identities)
    drawn = {i: draw_partners(settings.seed, i, *sizes) for i in np.unique(identity).tolist()}
    partner, phi = (np.array([drawn[i][part][k] for i, k in zip(identity, index, strict=True)]) for part in (0, 1))
    return partner, phi


def draw_noise(
    seed: int, identity: Sequence[int] | np.ndarray, index: Sequence[int] | np.ndarray, size: int
) -> torch.Tensor:
    """Initial noise float32 `[n, 3, size, size]` on the CPU, each image's a function of (seed, identity, index) alone."""
    generators = (
        torch.Generator().manual_seed(seed_for(seed, "noise", i, k)) for i, k in zip(identity, index, strict=True)
    )
    return torch.stack([torch.randn(3, size, size, generator=generator) for generator in generators])


def denoise(
    network: SimilarityUNet,
    spec: GeneratorSpec,
    noise: torch.Tensor,
    identity: torch.Tensor,
    m: torch.Tensor,
    steps: int,
) -> torch.Tensor:
    """DDIM (η = 0) from noise `[n, 3, s, s]` to uint8 images `[n, 3, s, s]` in `steps` steps.

    identity: unit conditions `[n, D]`; m: requested similarity `[n]`. The estimate of x0 is clipped to [−1, 1] and ε
    recomputed from it, as in guided diffusion.
    """
    scheduler = DDIMScheduler(spec.timesteps, spec.beta_start, spec.beta_end, "linear")
    scheduler.set_timesteps(steps)
    x_t = noise.contiguous(memory_format=torch.channels_last)
    for t in scheduler.timesteps:
        eps = network(x_t, t.to(noise.device).expand(len(noise)), identity, m).float()
        x_t = scheduler.step(eps, t, x_t, use_clipped_model_output=True).prev_sample
    return to_uint8(x_t)


def gather_shards(shard_paths: Sequence[Path | str], output: Path | str, provenance: Provenance) -> None:
    """Join face sets in the order given: bytes untouched, identities by name, memory that of the columns.

    The file depends on the images alone, not on where they were cut.
    """
    parts = [FaceSet(path) for path in shard_paths]
    ends = np.cumsum([len(part) for part in parts])
    names = np.concatenate([np.array([*part.identity_names, ""], object)[part.identity] for part in parts])
    columns = {name: np.concatenate([part.column(name) for part in parts]) for name in parts[0].column_names}
    inherited = {name: parts[0].attrs[name] for name in ("alignment", "source", "licence")}
    with FaceSetWriter(output, parts[0].image_size, parts[0].codec, provenance, inherited) as writer:
        for start in range(0, len(names), ROWS_PER_CHUNK):
            rows = np.arange(start, min(start + ROWS_PER_CHUNK, len(names)))
            which = np.searchsorted(ends, rows, side="right")
            local = rows - ends[which] + [len(parts[part]) for part in which]
            images = [parts[part].encoded(row) for part, row in zip(which, local, strict=True)]
            writer.add(images, names[rows], {name: values[rows] for name, values in columns.items()})
