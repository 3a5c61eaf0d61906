"""Face verification by pairs: insightface's 10-fold protocol to the last digit, and measures that need no threshold.

A pair is predicted genuine where the squared Euclidean distance of its unit embeddings lies below a threshold; the
threshold of a fold is chosen on the other folds. Genuine = same identity, impostor = different identities.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy.stats import binomtest

from semihard.errors import InputError

THRESHOLDS = np.arange(0, 4, 0.01)  # insightface recognition/arcface_torch/eval/verification.py
PAIRS_AT_ONCE = 256  # their embeddings stay in a core's cache


@dataclass(frozen=True)
class Verification:
    """accuracy: float64 `[F]`, per fold at the threshold, float64 `[F]`, chosen on the other folds."""

    accuracy: np.ndarray
    threshold: np.ndarray


@dataclass(frozen=True)
class McNemar:
    """Pairs that only one of two models judges rightly, and the two-sided p-value of such a split by chance."""

    only_a: int
    only_b: int
    p: float


def squared_distances(embedding: np.ndarray, first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Squared Euclidean distance, float64 `[P]` in 0 … 4, of the L2-normalised rows `first`, `second` of `[N, D]`.

    As 2 − 2 cos, which spares normalising. NaN where an embedding is zero or not finite. Memory is bounded by
    `PAIRS_AT_ONCE` pairs.
    """
    cosine = np.empty(len(first))
    with np.errstate(invalid="ignore"):
        for start in range(0, len(first), PAIRS_AT_ONCE):
            rows = slice(start, start + PAIRS_AT_ONCE)
            a, b = (embedding[side[rows]].astype(np.float64) for side in (first, second))
            cosine[rows] = np.vecdot(a, b) / np.sqrt(np.vecdot(a, a) * np.vecdot(b, b))
    return np.clip(2 - 2 * cosine, 0, 4)


def verify(
    distance: np.ndarray, same: np.ndarray, fold: np.ndarray, thresholds: Literal["grid", "exact"] = "grid"
) -> Verification:
    """Accuracy of every fold at the threshold that is best on the others, the lowest of equally good ones.

    distance: `[P]` squared distances; same: bool `[P]`; fold: int `[P]`, 0 … F−1. Same is predicted where distance <
    threshold. thresholds: "grid", insightface's 0, 0.01 … 3.99; or "exact", 0 and just above every distance: the two
    differ by up to 0.25 points on 6000 pairs. Raises InputError where there is one fold only, a fold has no pair, or a
    distance is NaN.
    """
    distance, same, fold = np.asarray(distance), np.asarray(same, bool), np.asarray(fold)
    folds = int(fold.max(initial=-1)) + 1
    pairs = np.bincount(fold, minlength=folds)
    if folds < 2 or not pairs.all():
        raise InputError(f"verification needs pairs in two folds or more, found {pairs.tolist()} pairs per fold")
    if np.isnan(distance).any():
        raise InputError(
            f"pair {np.argmax(np.isnan(distance))} has no distance: an embedding is zero or not finite; "
            "check the model's weights"
        )
    candidates = THRESHOLDS if thresholds == "grid" else np.r_[0.0, np.nextafter(np.unique(distance), np.inf)]
    # A pair is predicted genuine from the first threshold above its distance on: count where that is, then accumulate.
    place = np.searchsorted(candidates, distance, side="right")
    shape = (folds, len(candidates) + 1)
    gained = (
        np.bincount(fold * shape[1] + place, np.where(same, 1, -1), shape[0] * shape[1])
        .reshape(shape)[:, :-1]
        .cumsum(1)
    )
    impostors = np.bincount(fold, ~same, folds)
    correct = impostors[:, None] + gained  # [F, T]
    best = np.argmax(correct.sum(0) - correct, axis=1)
    return Verification(correct[np.arange(folds), best] / pairs, candidates[best])


def roc(distance: np.ndarray, same: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """False accept rate, true accept rate and threshold, float64 `[U+1]` each, at every distinct distance, from (0, 0) on.

    Accepted is what lies at or below the threshold. Raises InputError where genuine or impostor pairs are missing.
    """
    distance, same = np.asarray(distance), np.asarray(same, bool)
    _split(distance, same)
    thresholds, inverse = np.unique(distance, return_inverse=True)
    accepted = [np.bincount(inverse, kind, len(thresholds)).cumsum() / kind.sum() for kind in (~same, same)]
    far, tar = (np.r_[0.0, rate] for rate in accepted)
    return far, tar, np.r_[-np.inf, thresholds]


def tar_at_far(distance: np.ndarray, same: np.ndarray, false_accept_rates: Sequence[float]) -> np.ndarray:
    """Greatest true accept rate whose false accept rate is not above each of `false_accept_rates`, float64 `[R]`.

    Over all pairs, by the exact quantiles of the impostor distances; impostors of equal distance are accepted together
    or not at all. NaN for a rate below one impostor pair, which the pairs cannot resolve. Raises InputError where
    genuine or impostor pairs are missing.
    """
    genuine, impostor = _split(distance, same)
    impostor = np.sort(impostor)
    wanted = np.asarray(false_accept_rates, float) * len(impostor)
    allowed = np.floor(wanted * (1 + 1e-12)).astype(int)  # of 0.29 * 100 = 28.999999999999996 pairs, 29
    first_refused = np.r_[impostor, np.inf][np.minimum(allowed, len(impostor))]
    accepted = np.array([np.count_nonzero(genuine < limit) for limit in first_refused])
    return np.where(allowed > 0, accepted / len(genuine), np.nan)


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


def d_prime(genuine: np.ndarray, impostor: np.ndarray) -> float:
    """Distance of the genuine and the impostor mean in units of their pooled deviation: |μ₁ − μ₂| / √((σ₁² + σ₂²) / 2).

    genuine, impostor: `[G]`, `[I]`, cosines or squared distances of unit embeddings, which have the same d′. NaN where
    one is empty.
    """
    if not (len(genuine) and len(impostor)):
        return float("nan")
    spread = np.sqrt((genuine.var(dtype=np.float64) + impostor.var(dtype=np.float64)) / 2)
    return float(abs(genuine.mean(dtype=np.float64) - impostor.mean(dtype=np.float64)) / spread)


def wilson_interval(right: int, total: int, level: float = 0.95) -> tuple[float, float]:
    """Wilson's score interval of a share, `right` of `total` pairs judged rightly: lowest and highest, 0 … 1."""
    interval = binomtest(int(right), int(total)).proportion_ci(level, "wilson")
    return float(interval.low), float(interval.high)


def mcnemar(right_a: np.ndarray, right_b: np.ndarray) -> McNemar:
    """McNemar's exact test of two models on the same pairs: are those that only one judges rightly evenly split?

    right_a, right_b: bool `[P]`, in the same order of pairs. Two-sided binomial p-value; 1 where they never differ.
    Raises ValueError where the numbers of pairs differ.
    """
    right_a, right_b = np.asarray(right_a, bool), np.asarray(right_b, bool)
    if right_a.shape != right_b.shape:
        raise ValueError(f"two models must judge the same pairs, found {len(right_a)} and {len(right_b)}")
    only_a, only_b = int(np.count_nonzero(right_a & ~right_b)), int(np.count_nonzero(right_b & ~right_a))
    p = binomtest(only_a, only_a + only_b).pvalue if only_a + only_b else 1.0
    return McNemar(only_a, only_b, float(p))


def _split(score: np.ndarray, same: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The scores of genuine and of impostor pairs. Raises InputError where there are none of one kind."""
    score, same = np.asarray(score), np.asarray(same, bool)
    if same.all() or not same.any():
        raise InputError("the rates of errors need genuine and impostor pairs, found only one kind")
    return score[same], score[~same]
