"""Rendered faces as face sets and as verification benchmarks."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from semihard.compute.progress import progress
from semihard.compute.seeds import seed_for
from semihard.similarity.mixup import draw_partners
from semihard.sources.rendered import attributes, identity_name
from semihard.sources.rendered.factors import hold
from semihard.sources.rendered.morphable import draw_identities, mix_identities
from semihard.sources.rendered.nuisance import draw_nuisance
from semihard.sources.rendered.renderer import render
from semihard.sources.rendered.stream import Batch, rendered_faces
from semihard.sources.settings import RenderedBenchmark, RenderedFaces
from semihard.storage import schemas
from semihard.storage.artifacts import write_artifact
from semihard.storage.faceset import FaceSetWriter
from semihard.storage.provenance import Provenance

LICENCE = "CC0-1.0 (rendered by semihard)"
BATCH = 64
Faces = Iterator[tuple[Batch, dict[str, np.ndarray]]]  # a batch and its further columns


def render_faces(settings: RenderedFaces, output: Path | str, provenance: Provenance) -> None:
    """Render a face set; columns: index, alpha, theta (degrees), `attribute_…` (0/1), and partner and phi where mixed.

    With identity mixup (SynFace, ICCV 2021, Sec. 3.3) image i of an identity shows φ α + (1 − φ) α' of it and a partner.
    """
    batches = _mixed_faces(settings) if settings.identity_mixup else _plain_faces(settings, settings.per_identity)
    _write(batches, settings, settings.identities * settings.per_identity, output, provenance)


def render_benchmark(
    settings: RenderedBenchmark, output_faces: Path | str, output_pairs: Path | str, provenance: Provenance
) -> None:
    """Render verification pairs: half genuine, folds of equal size, every identity in one fold only.

    No image occurs in two pairs.
    """
    per_fold = settings.pairs // settings.folds // 2
    groups = np.array_split(np.arange(settings.identities), settings.folds)
    random = np.random.default_rng(seed_for(settings.seed, "benchmark"))
    genuine, impostor = [], []
    for group in groups:
        rounds = -(-per_fold // len(group))
        people = np.concatenate([random.permutation(group) for _ in range(rounds)])
        shift = np.repeat(random.integers(1, len(group), rounds), len(group))  # one a round: all occur equally often
        others = group[(people - group[0] + shift) % len(group)]
        genuine.append(np.stack([people, people], 1)[:per_fold])
        impostor.append(np.stack([people, others], 1)[:per_fold])
    identity = np.stack([np.stack([g, i]) for g, i in zip(genuine, impostor, strict=True)]).reshape(-1)
    index = _occurrence(identity)
    per_identity = int(index.max()) + 1
    _write(_plain_faces(settings, per_identity), settings, settings.identities * per_identity, output_faces, provenance)
    image = (identity * per_identity + index).reshape(-1, 2)
    same = np.tile(np.repeat([True, False], per_fold), settings.folds)
    fold = np.repeat(np.arange(settings.folds), 2 * per_fold)
    write_artifact(
        output_pairs,
        schemas.BENCHMARK,
        {"first": image[:, 0], "second": image[:, 1], "same": same, "fold": fold},
        provenance,
    )


def _occurrence(values: np.ndarray) -> np.ndarray:
    """How often each value has occurred before: [5, 7, 5, 5] → [0, 0, 1, 2]."""
    order = np.argsort(values, kind="stable")
    ordered = values[order]
    out = np.empty(len(values), np.int64)
    out[order] = np.arange(len(values)) - np.searchsorted(ordered, ordered)
    return out


def _plain_faces(settings: RenderedFaces | RenderedBenchmark, per_identity: int) -> Faces:
    wanted = (settings.identities, per_identity, settings.seed, settings.first_identity, settings.image_size, BATCH)
    vary = settings.vary if isinstance(settings, RenderedFaces) else ()
    return ((batch, {}) for batch in rendered_faces(*wanted, vary))


def _mixed_faces(settings: RenderedFaces) -> Faces:
    own = draw_identities(np.arange(settings.identities) + settings.first_identity, settings.seed)
    for identity in range(settings.identities):
        partner, phi = draw_partners(settings.seed, identity, settings.per_identity, settings.identities)
        identities, index = np.full(settings.per_identity, identity), np.arange(settings.per_identity)
        alpha = mix_identities(own[identities], own[partner], phi)
        nuisance = hold(draw_nuisance(settings.seed, identities + settings.first_identity, index), settings.vary)
        images, degrees = render(alpha, nuisance, settings.image_size), np.degrees(nuisance.theta)
        batch = Batch(images, identities, index, alpha, degrees, attributes(alpha, nuisance))
        yield batch, {"partner": partner, "phi": phi}


def _write(
    batches: Faces,
    settings: RenderedFaces | RenderedBenchmark,
    total: int,
    output: Path | str,
    provenance: Provenance,
) -> None:
    size = (settings.image_size, settings.image_size)
    attrs = {"source": "rendered", "licence": LICENCE, "alignment": "arcface"}
    with (
        FaceSetWriter(output, size, "jpeg", provenance, attrs) as writer,
        progress(f"render {Path(output).stem}", total, "images") as advance,
    ):
        for batch, further in batches:
            names = [identity_name(settings.seed, settings.first_identity + k) for k in batch.identity]
            columns = {"index": batch.index, "alpha": batch.alpha, "theta": batch.theta, **further}
            columns |= {f"attribute_{name}": values for name, values in batch.attributes.items()}
            writer.add(batch.images, names, columns)
            advance(len(batch.images))
