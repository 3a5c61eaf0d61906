"""How often nearest images match, and how surely: a threshold, shares with intervals over identities, and exact chances.

A nearest image is a maximum over a whole gallery, so that even unrelated faces often pass a threshold made for single
pairs (no threshold is universal: Otroshi Shahreza and Marcel, "Unveiling Synthetic Faces", arXiv 2410.24015). Every share
is read beside that of unrelated real people, the null; this calibration is the project's own.
"""

import math
from pathlib import Path

import numpy as np
import torch

from semihard.errors import UnmeasurableError
from semihard.similarity.embedding_pairs import draw_pairs, pair_cosines

MATCHES_BEHIND_THRESHOLD = 1000  # false matches that fix the threshold: 3 % standard error of its rate
MOST_PAIRS = 20_000_000
RESAMPLES = 2000
LEVEL = 0.95


def match_threshold(unit: torch.Tensor, identity: np.ndarray, rate: float, path: Path | str) -> float:
    """The cosine that a share `rate` of image pairs of different identities exceeds, over all or up to 20 million pairs.

    unit `[N, D]`, identity int64 `[N]` of the face set at `path`. Raises UnmeasurableError where it has too few pairs.
    """
    first, second = draw_pairs(identity, False, min(math.ceil(MATCHES_BEHIND_THRESHOLD / rate), MOST_PAIRS), seed=0)
    if len(first) * rate < 1:
        raise UnmeasurableError(
            f"{path}: {len(first)} image pairs of different identities cannot tell a false match rate of "
            f"{rate:g}; raise study.leakage.false_match_rate or take a larger set"
        )
    return float(np.quantile(pair_cosines(unit, first, second), 1 - rate, method="higher"))


def share_with_interval(matching: np.ndarray, identity: np.ndarray) -> tuple[float, tuple[float, float]]:
    """The share of images that match, and its 95 % percentile interval over resampled identities: images of one identity
    are not independent. matching: bool `[N]`; identity: int64 `[N]`. (NaN, NaN) where there is one identity only.

    Identities of as many images and matches are the same to a resample, so it draws how many of each kind there are.
    """
    if len(matching) == 0:
        return math.nan, (math.nan, math.nan)
    images, matches = _per_identity(matching, identity)
    if len(images) < 2:
        return float(matching.mean()), (math.nan, math.nan)
    kinds, count = np.unique(np.stack([images, matches]), axis=1, return_counts=True)
    drawn = np.random.default_rng(0).multinomial(count.sum(), count / count.sum(), RESAMPLES)
    low, high = np.quantile(drawn @ kinds[1] / (drawn @ kinds[0]), [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return float(matching.mean()), (float(low), float(high))


def share_of_each_identity(matching: np.ndarray, identity: np.ndarray) -> np.ndarray:
    """The share of each identity's images that match: float64 `[K]`, in ascending order of the identities that occur."""
    images, matches = _per_identity(matching, identity)
    return matches / images


def _per_identity(matching: np.ndarray, identity: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    _, of = np.unique(identity, return_inverse=True)
    return np.bincount(of), np.bincount(of, matching).astype(np.int64)


def area_under_curve(values: np.ndarray, null: np.ndarray) -> float:
    """The chance that one of `values` exceeds one of `null`, ties half: ½ where they are alike (Mann and Whitney, 1947)."""
    ordered = np.sort(null)
    below, up_to = np.searchsorted(ordered, values, "left"), np.searchsorted(ordered, values, "right")
    return float((below + up_to).mean() / (2 * len(null)))


def chance_beyond(beyond: int, images: int, null: int) -> float:
    """The chance that of `images` values and `null` others, all exchangeable, at least `beyond` of the first are greater than
    all of the others: C(images, beyond) / C(images + null, beyond). Exact, of one side."""
    of_images = math.lgamma(images + 1) - math.lgamma(images - beyond + 1)
    of_all = math.lgamma(images + null + 1) - math.lgamma(images + null - beyond + 1)
    return math.exp(of_images - of_all)
