"""Fairness of a recognizer: error rates of demographic groups at one threshold, and how far apart they are.

The measures over groups are those of the field, α = 0.5 where two of them are weighted:

    SER    = max (1 − accuracy) / min (1 − accuracy)                          Wang and Deng, CVPR 2020 (RFW)
    SD     = sample standard deviation of the accuracies                      the same
    TO     = mean accuracy − SD                                               FRCSyn, WACV 2024
    FDR    = 1 − (α max |ΔFMR| + (1 − α) max |ΔFNMR|)                         de Freitas Pereira and Marcel, T-BIOM 2021
    IR     = (max FMR / min FMR)^α · (max FNMR / min FNMR)^(1 − α)            Grother, NIST
    G(x)   = n / (n − 1) · Σ_ij |x_i − x_j| / (2 n² mean x)                   Howard et al., 2203.05051
    GARBE  = α G(FMR) + (1 − α) G(FNMR)                                       the same
"""

import numpy as np
from scipy import sparse

ALPHA = 0.5
ENDS = (0.025, 0.975)  # of 95 % intervals
RESAMPLES = 2000
RESAMPLES_AT_ONCE = 32
PAIRS_AT_ONCE = 1 << 15


def false_match_threshold(impostor: np.ndarray, false_match_rate: float) -> tuple[float, float]:
    """The distance below which a pair is called genuine, and the false match rate that it has.

    impostor: `[I]` distances. It is the greatest whose rate is not above `false_match_rate`, or above one pair where that is
    more: what the pairs can resolve. Pairs of equal distance are accepted together or not at all. NaN without pairs.
    """
    ordered = np.sort(impostor)
    if not len(ordered):
        return float("nan"), float("nan")
    allowed = max(1, int(np.floor(false_match_rate * len(ordered) * (1 + 1e-12))))
    threshold = float(np.r_[ordered, np.inf][min(allowed, len(ordered))])
    return threshold, float(np.count_nonzero(ordered < threshold) / len(ordered))


def accuracy_measures(accuracy: np.ndarray) -> dict[str, np.ndarray]:
    """Measures over the last axis, groups, of accuracies `[…, n]`, shares of 1; each of shape `[…]`.

    NaN where a group's is NaN; skewed_error_ratio is ∞ where one group alone has no error, NaN where none has one.
    """
    mean, deviation = accuracy.mean(-1), accuracy.std(-1, ddof=1)
    return {
        "accuracy_mean": mean,
        "accuracy_worst": accuracy.min(-1),
        "accuracy_range": np.ptp(accuracy, -1),
        "accuracy_sd": deviation,
        "skewed_error_ratio": ratio(1 - accuracy),
        "trade_off": mean - deviation,
    }


def error_measures(false_match: np.ndarray, false_non_match: np.ndarray) -> dict[str, np.ndarray]:
    """Measures over the last axis, groups, of false match and false non-match rates `[…, n]`; each of shape `[…]`.

    Ratios are ∞ where one group alone has no error, and with the Ginis NaN where none has one.
    """
    gini_match, gini_non_match = gini(false_match), gini(false_non_match)
    ratio_match, ratio_non_match = ratio(false_match), ratio(false_non_match)
    apart = ALPHA * np.ptp(false_match, -1) + (1 - ALPHA) * np.ptp(false_non_match, -1)
    return {
        "gini_false_match": gini_match,
        "gini_false_non_match": gini_non_match,
        "garbe": ALPHA * gini_match + (1 - ALPHA) * gini_non_match,
        "fairness_discrepancy_rate": 1 - apart,
        "ratio_false_match": ratio_match,
        "ratio_false_non_match": ratio_non_match,
        "inequity_rate": ratio_match**ALPHA * ratio_non_match ** (1 - ALPHA),
    }


def gini(x: np.ndarray) -> np.ndarray:
    """Howard's G over the last axis of `[…, n]` values from 0 on, 0 (equal) … 1 (one group has all); NaN where all are 0."""
    n = x.shape[-1]
    apart = np.abs(x[..., :, None] - x[..., None, :]).sum((-2, -1))
    with np.errstate(invalid="ignore", divide="ignore"):
        return n / (n - 1) * apart / (2 * n**2 * x.mean(-1))


def ratio(x: np.ndarray) -> np.ndarray:
    """Greatest by least over the last axis; ∞ where only the least is 0, NaN where both are."""
    with np.errstate(invalid="ignore", divide="ignore"):
        return x.max(-1) / x.min(-1)


def bootstrap_sums(first: np.ndarray, second: np.ndarray, identities: int, columns: np.ndarray) -> np.ndarray:
    """Sums of `columns` over pairs in resamples of identities, float64 `[RESAMPLES, C]`.

    first, second: int `[P]`, identities 0 … identities−1 of a pair's two people; columns: bool `[P, C]`.
    Identities are drawn with replacement, as many as there are; a pair counts w_i times where it is of one person, and
    w_i · w_j times where it is of two (the pigeonhole bootstrap, Owen, Annals of Applied Statistics 2007). That is on the
    safe side: of people who occur in one impostor pair alone, the interval is up to √3 times too wide.
    """
    random = np.random.default_rng(0)
    blocks = [slice(begin, begin + PAIRS_AT_ONCE) for begin in range(0, len(first), PAIRS_AT_ONCE)]
    indicators = [sparse.csr_array(columns[block].T.astype(np.float64)) for block in blocks]  # a pair has few
    sums = np.zeros((RESAMPLES, columns.shape[1]))
    one_person = first == second
    for start in range(0, RESAMPLES, RESAMPLES_AT_ONCE):
        rows = min(RESAMPLES_AT_ONCE, RESAMPLES - start)
        drawn = random.integers(0, identities, (rows, identities)) + identities * np.arange(rows)[:, None]
        times = np.bincount(drawn.ravel(), minlength=rows * identities).reshape(rows, identities).astype(np.float64)
        for block, indicator in zip(blocks, indicators, strict=True):
            weight = times[:, first[block]]
            weight *= np.where(one_person[block], 1.0, times[:, second[block]])
            sums[start : start + rows] += (indicator @ weight.T).T
    return sums


def percentile_interval(values: np.ndarray) -> np.ndarray:
    """95 % interval, `[…, 2]`, of the replicates on the first axis of `[R, …]`: replicates, not between them, as some can be
    ∞; without those that are NaN, and NaN where these are more than half."""
    ordered, valid = np.sort(values, 0), np.count_nonzero(~np.isnan(values), 0)  # NaN are last
    ends = []
    for share in ENDS:
        place = np.maximum(np.ceil(share * valid).astype(int) - 1, 0)
        ends.append(np.take_along_axis(ordered, place[None], 0)[0])
    return np.where((2 * valid > len(values))[..., None], np.stack(ends, -1), np.nan)


def zero_error_bound(pairs: int) -> float:
    """The upper end of Clopper and Pearson's 95 % interval of a rate with no error in so many pairs."""
    return float(1 - ENDS[0] ** (1 / pairs))
