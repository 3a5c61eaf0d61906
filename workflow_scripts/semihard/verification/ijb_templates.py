"""A model on a benchmark of templates: IJB's 1:1 protocol as insightface runs it (N1, D1, F1 of its eval_ijbc.py)."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from semihard.errors import InputError
from semihard.storage import schemas
from semihard.storage.artifacts import read_artifact, write_artifact
from semihard.storage.faceset import FaceSet
from semihard.storage.provenance import Provenance
from semihard.verification.protocol import d_prime, tar_at_far

FALSE_ACCEPT_RATES = (1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 1e-1)
PAIRS_AT_ONCE = 1 << 14


def verify_templates(
    faces: FaceSet,
    features: Iterator[tuple[slice, Tensor]],
    pairs_path: Path | str,
    output: Path | str,
    device: torch.device,
    provenance: Provenance | None = None,
    attrs: dict | None = None,
) -> None:
    """Write the artifact "template_verification": the cosine of every pair of templates, and true accept rates.

    Attributes: templates, how many; d_prime; tar_at_far_1e-06 … tar_at_far_0.1, NaN where one impostor pair is more.
    faces: with columns template, media and score; features: (rows, raw features `[n, D]`) of all its images, in order;
    pairs_path: artifact "template_pairs". Memory holds the templates and the pairs, not the images' features.
    Raises InputError where a pair names a template without images.
    """
    pairs = read_artifact(pairs_path, schemas.TEMPLATE_PAIRS)
    template = faces.column("template")
    names = np.unique(template)
    first, second = (_rows(names, pairs[side], pairs_path) for side in ("first", "second"))  # before the long work
    unit, _ = template_features(features, template, faces.column("media"), faces.column("score"))
    cosine = pair_cosines(unit.float().to(device), first, second)
    tar = tar_at_far(-cosine, pairs["same"], FALSE_ACCEPT_RATES)
    data = {"cosine": cosine, "same": pairs["same"], "false_accept_rate": FALSE_ACCEPT_RATES, "true_accept_rate": tar}
    attrs = {"templates": len(names), "d_prime": d_prime(cosine[pairs["same"]], cosine[~pairs["same"]])} | (attrs or {})
    attrs |= {f"tar_at_far_{far:g}": float(rate) for far, rate in zip(FALSE_ACCEPT_RATES, tar, strict=True)}
    write_artifact(output, schemas.TEMPLATE_VERIFICATION, data, provenance, attrs)


def template_features(
    features: Iterator[tuple[slice, Tensor]], template: np.ndarray, media: np.ndarray, score: np.ndarray
) -> tuple[Tensor, np.ndarray]:
    """Unit features of every template, float64 `[T, D]`, and their ids in ascending order, int64 `[T]`.

    features: (rows, raw features `[n, D]`) in blocks; template, media: int `[N]`; score: float `[N]`, of the detector.
    A template is the sum over its media of the mean over a medium's images of feature times score. The feature keeps
    its norm: it says how clear a face is. That is one weighted sum over images, so no feature is kept.
    """
    names, of_template = np.unique(template, return_inverse=True)
    _, of_medium, size = np.unique(np.stack([of_template, media]), axis=1, return_inverse=True, return_counts=True)
    weight, row = torch.from_numpy(score / size[of_medium]), torch.from_numpy(of_template)
    total: Tensor | None = None
    for rows, block in features:
        if total is None:
            total = torch.zeros(len(names), block.shape[1], dtype=torch.float64)
        total.index_add_(0, row[rows], block.double() * weight[rows, None])
    if len(empty := (total == 0).all(1).nonzero()):
        raise InputError(
            f"template {names[int(empty[0])]} has no features: the detector's scores of its images are 0, or its media cancel out"
        )
    return nn.functional.normalize(total), names


def pair_cosines(unit: Tensor, first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Cosines, float32 `[P]`, of the rows `first` and `second`, int64 `[P]`, of unit features float32 `[T, D]`."""
    cosine = torch.empty(len(first), dtype=torch.float32)
    sides = torch.from_numpy(first), torch.from_numpy(second)
    for start in range(0, len(first), PAIRS_AT_ONCE):
        a, b = (unit[side[start : start + PAIRS_AT_ONCE].to(unit.device)] for side in sides)
        cosine[start : start + PAIRS_AT_ONCE] = torch.linalg.vecdot(a, b)
    return cosine.numpy()


def _rows(names: np.ndarray, wanted: np.ndarray, path: Path | str) -> np.ndarray:
    """The row of each wanted template id among the sorted `names`."""
    rows = np.minimum(np.searchsorted(names, wanted), len(names) - 1)
    unknown = wanted[names[rows] != wanted]
    if len(unknown):
        raise InputError(f"{path}: template {unknown[0]} has no image in the face set; import the benchmark again")
    return rows
