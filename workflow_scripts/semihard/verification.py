"""Face verification by pairs: insightface's 10-fold grid protocol to the last digit, and the threshold-free measures.

A pair is predicted genuine where the squared Euclidean distance of its unit embeddings lies below a threshold; the
threshold of a fold is chosen on the other folds. Genuine = same identity, impostor = different identities.
"""

from dataclasses import dataclass

import numpy as np

from semihard.errors import InputError

THRESHOLDS = np.arange(0, 4, 0.01)  # insightface recognition/arcface_torch/eval/verification.py


@dataclass(frozen=True)
class Verification:
    """accuracy: float64 `[F]`, per fold at the threshold, float64 `[F]`, chosen on the other folds."""

    accuracy: np.ndarray
    threshold: np.ndarray


def squared_distances(embedding: np.ndarray, first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Squared Euclidean distance, float64 `[P]` in 0 … 4, of the L2-normalised rows `first`, `second` of `[N, D]`."""
    unit = np.asarray(embedding, np.float64)
    unit = unit / np.linalg.norm(unit, axis=1, keepdims=True)
    return np.square(unit[first] - unit[second]).sum(1)


def verify(distance: np.ndarray, same: np.ndarray, fold: np.ndarray) -> Verification:
    """Accuracy of every fold at the threshold that is best on the others: insightface's protocol, its grid included.

    distance: `[P]` squared distances; same: bool `[P]`; fold: int `[P]`, 0 … F−1. Same is predicted where
    distance < threshold, thresholds 0, 0.01 … 3.99, the lowest of equally good ones. Raises InputError where there is
    one fold only, or a fold has no pair.
    """
    distance, same, fold = np.asarray(distance), np.asarray(same, bool), np.asarray(fold)
    folds = int(fold.max(initial=-1)) + 1
    pairs = np.bincount(fold, minlength=folds)
    if folds < 2 or not pairs.all():
        raise InputError(f"verification needs pairs in two folds or more, found {pairs.tolist()} pairs per fold")
    # A pair is predicted genuine from the first threshold above its distance on: count where that is, then accumulate.
    place = np.searchsorted(THRESHOLDS, distance, side="right")
    shape = (folds, len(THRESHOLDS) + 1)
    gained = (
        np.bincount(fold * shape[1] + place, np.where(same, 1, -1), shape[0] * shape[1])
        .reshape(shape)[:, :-1]
        .cumsum(1)
    )
    impostors = np.bincount(fold, ~same, folds)
    correct = impostors[:, None] + gained  # [F, T]
    best = np.argmax(correct.sum(0) - correct, axis=1)
    return Verification(correct[np.arange(folds), best] / pairs, THRESHOLDS[best])


def roc(distance: np.ndarray, same: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """False accept rate, true accept rate and threshold, float64 `[U+1]` each, at every distinct distance, from (0, 0) on.

    Accepted is what lies at or below the threshold. Raises InputError where genuine or impostor pairs are missing.
    """
    distance, same = np.asarray(distance), np.asarray(same, bool)
    if same.all() or not same.any():
        raise InputError("a ROC curve needs genuine and impostor pairs, found only one kind")
    thresholds, inverse = np.unique(distance, return_inverse=True)
    accepted = [np.bincount(inverse, kind, len(thresholds)).cumsum() / kind.sum() for kind in (~same, same)]
    far, tar = (np.r_[0.0, rate] for rate in accepted)
    return far, tar, np.r_[-np.inf, thresholds]


def tar_at_far(distance: np.ndarray, same: np.ndarray, false_accept_rate: float) -> float:
    """Greatest true accept rate whose false accept rate is not above `false_accept_rate`."""
    far, tar, _ = roc(distance, same)
    return float(tar[np.searchsorted(far, false_accept_rate, side="right") - 1])


def auc(distance: np.ndarray, same: np.ndarray) -> float:
    """Area under the ROC curve: probability that a genuine pair is nearer than an impostor pair, ties counting half."""
    far, tar, _ = roc(distance, same)
    return float(np.trapezoid(tar, far))


def equal_error_rate(distance: np.ndarray, same: np.ndarray) -> float:
    """Error rate where false accepts and false rejects are equal, on the ROC curve's straight connections."""
    far, tar, _ = roc(distance, same)
    gap = far + tar - 1  # false accepts minus false rejects, ascending from −1 to 1
    after = int(np.argmax(gap >= 0))
    share = -gap[after - 1] / (gap[after] - gap[after - 1])
    return float(far[after - 1] + share * (far[after] - far[after - 1]))
