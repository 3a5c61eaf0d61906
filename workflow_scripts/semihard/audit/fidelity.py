"""How near a face set is to real photographs, and how much of their variety it has: Fréchet distance (Heusel et al.,
NeurIPS 2017), precision and recall (Kynkäänniemi et al., NeurIPS 2019), density and coverage (Naeem et al., ICML 2020).

Each is measured between as many images of the set as of one half of the real one, and beside it stands its null: the
same measure between the two halves of the real set.
"""

import logging
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torchmetrics.image.fid import FrechetInceptionDistance

from semihard.audit.inception import inception_features
from semihard.audit.settings import FidelityAudit
from semihard.similarity.embedding_pairs import embedder_of_all, identity_of_each, unit_embeddings
from semihard.storage import schemas
from semihard.storage.artifacts import write_artifact
from semihard.storage.checkpoint import Resume
from semihard.storage.faceset import FaceSet
from semihard.storage.provenance import Provenance

log = logging.getLogger("semihard")
MEASURES = ("frechet_distance", "precision", "recall", "density", "coverage")
ROWS = 1024  # of distances at once
SEED = 0


def measure_fidelity(
    settings: FidelityAudit,
    real_faces: Path | str,
    real_embeddings: Path | str,
    faces: Path | str,
    embeddings: Path | str,
    output: Path | str,
    provenance: Provenance,
    inception_path: Path | str | None = None,
) -> None:
    """Write the artifact "fidelity" of `faces` against the real set, on unit embeddings and, with `inception_path`, on
    Inception features.

    The real set is halved by identity (an unlabelled image counts as one); of its first half, of its second and of
    `faces` as many images are drawn, at most `settings.images`. Copies of inquiries are left out: they are photographs.
    Where `faces` is the real set itself, its second half stands for it. A Fréchet distance is NaN, and a line says how
    many images it takes, where they are not more than the features are long; the other four where they are not more than
    `settings.nearest`. Raises InputError where embeddings do not belong to their face sets, or the weights are not
    those of FID.
    """
    real, generated = FaceSet(real_faces), FaceSet(faces)
    embedder_of_all([real_embeddings, embeddings])
    first, second = halves(identity_of_each(real))
    is_real = Path(faces).samefile(real_faces)
    rows = second if is_real else np.flatnonzero(generated.is_own())
    count = min(len(first), len(second), len(rows), settings.images)
    drawn = [
        (real, real_embeddings, draw(first, count)),
        (real, real_embeddings, draw(second, count)),
        (generated, embeddings, draw(rows, count)),
    ]

    if inception_path is None:
        log.info("Fréchet distance on Inception features left out: no weights at %s", settings.inception)
    spaces = {"embedding": [unit_embeddings(path, images)[chosen].double() for images, path, chosen in drawn]}
    resume = Resume(output, provenance, [real_faces, faces, *([inception_path] if inception_path else [])])
    if inception_path is not None:
        read = inception_features(inception_path)
        spaces["inception"] = [
            kept(resume.directory / f"{i}.npy", lambda images=images, chosen=chosen: read(images, chosen))
            for i, (images, _, chosen) in enumerate(drawn)
        ]
    values, null = [], []
    for name, (a, b, c) in spaces.items():
        null.append(compare(a, b, settings.nearest, f"{real.path.stem}, its halves, {name}"))
        values.append(null[-1] if is_real else compare(a, c, settings.nearest, f"{generated.path.stem}, {name}"))
    data = {"features": list(spaces), "name": list(MEASURES), "value": np.array(values), "null": np.array(null)}
    write_artifact(
        output, schemas.FIDELITY, data | {"count": [count] * len(spaces)}, provenance, {"real": real.path.stem}
    )
    resume.discard()


def halves(identity: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Rows of the images of one half of the identities, dealt at random, and those of the other, int64."""
    people, of = np.unique(identity, return_inverse=True)
    in_first = (np.random.default_rng(SEED).permutation(len(people)) % 2 == 0)[of]
    return np.flatnonzero(in_first), np.flatnonzero(~in_first)


def draw(rows: np.ndarray, count: int) -> np.ndarray:
    """`count` of `rows`, at random, in order."""
    return np.sort(np.random.default_rng(SEED).permutation(rows)[:count])


def kept(path: Path, make: Callable[[], torch.Tensor]) -> torch.Tensor:
    """What `make` gives, read from `path` where an interrupted run left it."""
    if not path.exists():
        partial = path.with_suffix(".partial.npy")
        np.save(partial, make().numpy())
        partial.rename(path)
    return torch.from_numpy(np.load(path)).double()


def compare(real: torch.Tensor, generated: torch.Tensor, nearest: int, what: str) -> list[float]:
    """`MEASURES` of features `[n, D]` against real ones `[n, D]`, NaN where n is too small for one; `what`: for the log."""
    n, dim = generated.shape
    if n > dim:
        distance = frechet_distance(real, generated)
    else:
        distance = np.nan
        log.warning(
            "%s: no Fréchet distance: a covariance of %d dimensions needs %d images at least, there are %d",
            what, dim, dim + 1, n,
        )  # fmt: skip
    if n > nearest:
        return [distance, *prdc(real, generated, nearest)]
    log.warning("%s: no precision, recall, density, coverage: %d images, more than %d are needed", what, n, nearest)
    return [distance, *[np.nan] * 4]


def frechet_distance(real: torch.Tensor, generated: torch.Tensor) -> float:
    """‖μ − μ′‖² + tr(Σ + Σ′ − 2 (Σ Σ′)^½) of features `[n, D]` and `[n′, D]`, by torchmetrics in float64."""
    metric = FrechetInceptionDistance(feature=_Features(real.shape[1])).set_dtype(torch.float64)
    for features, is_real in ((real, True), (generated, False)):
        for block in features.double().split(ROWS):
            metric.update(block, real=is_real)
    return max(0.0, float(metric.compute()))


class _Features(nn.Module):
    """What torchmetrics calls the feature extractor; it is given features."""

    def __init__(self, num_features: int):
        super().__init__()
        self.num_features = num_features

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        return features


def prdc(real: torch.Tensor, generated: torch.Tensor, nearest: int) -> tuple[float, float, float, float]:
    """Precision, recall, density and coverage with balls of the `nearest`-th neighbour (Naeem et al., Sec. 3).

    real `[n, D]`, made `[n′, D]`; ROWS × n distances are in memory at once.
    """
    radius_real, radius_generated = neighbour_distance(real, nearest), neighbour_distance(generated, nearest)
    in_real = torch.zeros(len(generated), dtype=torch.int64)  # balls of real images that hold each made one
    recalled, covered = [], []
    for rows, radius in zip(real.split(ROWS), radius_real.split(ROWS), strict=True):
        distance = torch.cdist(rows, generated)
        inside = distance < radius[:, None]
        in_real += inside.sum(0)
        recalled.append((distance < radius_generated).any(1))
        covered.append(inside.any(1))
    return (
        (in_real > 0).double().mean().item(),
        torch.cat(recalled).double().mean().item(),
        in_real.double().mean().item() / nearest,
        torch.cat(covered).double().mean().item(),
    )


def neighbour_distance(features: torch.Tensor, nearest: int) -> torch.Tensor:
    """Distance of each row to its `nearest`-th neighbour, itself not counted, `[n]`."""
    return torch.cat([torch.cdist(rows, features).kthvalue(nearest + 1, 1).values for rows in features.split(ROWS)])
