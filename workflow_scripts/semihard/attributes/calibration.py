"""What a classifier's answers are worth, told by people it was not taught: calibration, thresholds, accuracies.

Everything here takes answers of cross-fitting: each image's by the classifier that did not see its identity. Where a
threshold is judged, it was chosen on the other folds.
"""

import numpy as np
import torch
from torch.nn.functional import binary_cross_entropy_with_logits

from semihard.attributes.network import class_weights

FEWEST = 20  # labels of either class behind a threshold: fewer say nothing of 90 %
MEASURES = ("accuracy", "sensitivity", "specificity")


def fit_temperature(logits: torch.Tensor, truth: torch.Tensor) -> torch.Tensor:
    """The divisor of each attribute's logits, `[A]`, of least class-weighted cross-entropy, from a grid of 1/8 … 8.

    logits: float32 `[N, A]`; truth: int8 `[N, A]` of 1, 0, −1.
    """
    grid = torch.logspace(-3, 3, 61, base=2)
    weight, target = class_weights(truth), truth.clamp(min=0).float()
    losses = torch.stack(
        [binary_cross_entropy_with_logits(logits / t, target, weight, reduction="none").sum(0) for t in grid]
    )
    return grid[losses.argmin(0)]


def least_reliability(reliability: np.ndarray, right: np.ndarray, truth: np.ndarray, wanted: float) -> float:
    """The lowest threshold at which the labels kept, those at least so reliable, have the balanced accuracy `wanted`.

    reliability: `[n]`; right: bool `[n]`; truth: `[n]` of 1 and 0. NaN where no threshold that keeps 20 labels of either
    class has it: what the classifier cannot see.
    """
    order = np.argsort(-reliability, kind="stable")
    present = truth[order] == 1
    kept = np.stack([np.cumsum(present), np.cumsum(~present)])
    hits = np.stack([np.cumsum(right[order] & present), np.cumsum(right[order] & ~present)])
    last_of_its_value = np.r_[np.diff(reliability[order]) != 0, True]
    enough = (kept.min(0) >= FEWEST) & last_of_its_value
    accuracy = np.where(enough, (hits / np.maximum(kept, 1)).mean(0), 0)
    reached = np.flatnonzero(accuracy >= wanted)
    return float(reliability[order][reached[-1]]) if len(reached) else float("nan")


def rates(predicted: np.ndarray, truth: np.ndarray, kept: np.ndarray) -> np.ndarray:
    """Balanced accuracy, sensitivity and specificity of the labels kept, float64 `[3]`; NaN where a class is missing.

    predicted, kept: bool `[n]`; truth: `[n]` of 1, 0, −1 (left out).
    """
    sides = []
    for side in (1, 0):
        of_side = kept & (truth == side)
        sides.append((predicted[of_side] == side).mean() if of_side.any() else np.nan)
    return np.array([np.mean(sides), *sides])


def judge(
    logits: np.ndarray, reliability: np.ndarray, truth: np.ndarray, fold: np.ndarray, wanted: float
) -> dict[str, np.ndarray]:
    """What is known of every attribute, `[A]` each.

    logits, reliability: `[N, A]` by cross-fitting; truth: `[N, A]` of 1, 0, −1; fold: `[N]`. Gives `present`, `absent`
    (labels); `accuracy` (balanced), `sensitivity`, `specificity` over all; `threshold`, the least reliability, from
    all folds; `kept`, `reliable_accuracy`, `reliable_sensitivity`, `reliable_specificity` of the labels above a threshold
    chosen on the other folds: what a new face set may hope for.
    """
    count = truth.shape[1]
    found = {name: np.full(count, np.nan) for name in (*MEASURES, "threshold", "kept")}
    found |= {f"reliable_{name}": np.full(count, np.nan) for name in MEASURES}
    for a in range(count):
        defined = truth[:, a] >= 0
        label, sure, part = truth[defined, a], reliability[defined, a], fold[defined]
        predicted = logits[defined, a] > 0
        right = predicted == (label == 1)
        everything = np.ones(len(label), bool)
        for name, value in zip(MEASURES, rates(predicted, label, everything), strict=True):
            found[name][a] = value
        found["threshold"][a] = least_reliability(sure, right, label, wanted)
        kept = np.zeros(len(label), bool)
        for k in np.unique(part):
            others = part != k
            threshold = least_reliability(sure[others], right[others], label[others], wanted)
            kept[~others] = sure[~others] >= threshold  # NaN keeps nothing
        found["kept"][a] = kept.mean() if len(kept) else 0
        for name, value in zip(MEASURES, rates(predicted, label, kept), strict=True):
            found[f"reliable_{name}"][a] = value
    return found | {"present": (truth == 1).sum(0), "absent": (truth == 0).sum(0)}
