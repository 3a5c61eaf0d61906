"""The verification protocol against insightface's published outcome, naive loops and scikit-learn."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

from semihard.errors import InputError
from semihard.verification import auc, equal_error_rate, roc, squared_distances, tar_at_far, verify

# (pairs, dimensions, a, seed) → insightface's accuracy, standard deviation and threshold of each fold
REFERENCE = [
    ((6000, 512, 0.1), 0.8991666667, 0.0114321671, [1.89] * 10),
    ((6000, 512, 0.08), 0.8420000000, 0.0129056405, [1.91] * 10),
    ((7000, 512, 0.1), 0.8911428571, 0.0158410472, [1.89] * 7 + [1.88, 1.89, 1.88]),
    ((6000, 128, 0.2), 0.9170000000, 0.0115421931, [1.75, 1.76, 1.76, 1.76, 1.73, 1.76, 1.76, 1.76, 1.76, 1.75]),
    ((600, 16, 0.3), 0.8133333333, 0.0631576511, [1.59, 1.57] + [1.59] * 8),
    ((6000, 512, 0.5), 0.9998333333, 0.0005000000, [0.77, 0.77, 0.74] + [0.77] * 7),
]


def reference_pairs(n: int, d: int, a: float) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(0)
    x, y = random.standard_normal((n, d)), random.standard_normal((n, d))
    same = np.tile(np.repeat([True, False], n // 20), 10)
    embedding = np.empty((2 * n, d))
    embedding[0::2], embedding[1::2] = x, np.where(same[:, None], a * x + (1 - a) * y, y)
    return embedding, same


def folds_of(n: int) -> np.ndarray:
    """KFold(10, shuffle=False)."""
    return np.concatenate([np.full(len(part), k) for k, part in enumerate(np.array_split(np.arange(n), 10))])


@pytest.mark.parametrize(("given_", "accuracy", "deviation", "thresholds"), REFERENCE)
def test_equals_insightface(given_, accuracy, deviation, thresholds):
    embedding, same = reference_pairs(*given_)
    n = len(same)
    distance = squared_distances(embedding, np.arange(0, 2 * n, 2), np.arange(1, 2 * n, 2))
    result = verify(distance, same, folds_of(n))
    assert result.accuracy.mean() == pytest.approx(accuracy, abs=1e-10)
    assert result.accuracy.std() == pytest.approx(deviation, abs=1e-10)
    assert result.threshold.tolist() == pytest.approx(thresholds, abs=1e-10)


def test_first_reference_fold_by_fold():
    embedding, same = reference_pairs(6000, 512, 0.1)
    unit = embedding / np.linalg.norm(embedding, axis=1, keepdims=True)
    assert unit[0, :3] == pytest.approx([0.0055017626, -0.0057807073, 0.028023918], abs=1e-9)
    distance = squared_distances(embedding, np.arange(0, 12000, 2), np.arange(1, 12000, 2))
    expected = [0.918333, 0.915, 0.898333, 0.89, 0.886667, 0.908333, 0.896667, 0.893333, 0.903333, 0.881667]
    assert verify(distance, same, folds_of(6000)).accuracy.tolist() == pytest.approx(expected, abs=1e-6)


def naive(distance, same, fold):
    """The protocol as written: every threshold, every fold, every pair."""
    thresholds, accuracy, chosen = np.arange(0, 4, 0.01), [], []
    for k in range(fold.max() + 1):
        rates = [np.mean((distance[fold != k] < t) == same[fold != k]) for t in thresholds]
        best = thresholds[int(np.argmax(rates))]
        accuracy.append(np.mean((distance[fold == k] < best) == same[fold == k]))
        chosen.append(best)
    return np.array(accuracy), np.array(chosen)


@given(st.integers(0, 2**32 - 1), st.integers(2, 5), st.booleans())
def test_equals_a_loop_over_thresholds(seed, folds, on_the_grid):
    random = np.random.default_rng(seed)
    n = folds * 6
    distance = random.uniform(0, 4, n)
    if on_the_grid:  # distance equal to a threshold is not below it
        distance = np.arange(0, 4, 0.01)[random.integers(0, 400, n)]
    same, fold = random.random(n) < 0.5, random.permutation(np.arange(n) % folds)
    result = verify(distance, same, fold)
    accuracy, threshold = naive(distance, same, fold)
    assert np.array_equal(result.accuracy, accuracy) and np.array_equal(result.threshold, threshold)


def test_folds_must_have_pairs():
    with pytest.raises(InputError, match="two folds or more, found \\[4\\]"):
        verify(np.ones(4), np.ones(4, bool), np.zeros(4, int))
    with pytest.raises(InputError, match="found \\[2, 0, 2\\]"):
        verify(np.ones(4), np.ones(4, bool), np.array([0, 0, 2, 2]))


@given(st.integers(0, 2**32 - 1), st.integers(2, 60), st.booleans())
def test_threshold_free_measures(seed, n, ties):
    random = np.random.default_rng(seed)
    same = np.r_[True, False, random.random(n) < 0.5]
    distance = random.uniform(0, 4, n + 2) - same
    distance = distance.round(1) if ties else distance
    assert auc(distance, same) == pytest.approx(roc_auc_score(same, -distance))
    far, tar, threshold = roc(distance, same)
    for f, t, at in zip(far, tar, threshold, strict=True):
        assert (f, t) == ((distance[~same] <= at).mean(), (distance[same] <= at).mean())
    for rate in (0.0, 0.1, 0.5, 1.0):
        possible = [(distance[same] <= t).mean() for t in [-9.0, *distance] if (distance[~same] <= t).mean() <= rate]
        assert tar_at_far(distance, same, rate) == max(possible)
    assert 0 <= equal_error_rate(distance, same) <= 1


def test_equal_error_rate_of_known_curves():
    same = np.repeat([True, False], 4)
    assert equal_error_rate(np.array([1, 2, 3, 4, 5, 6, 7, 8.0]), same) == 0
    assert equal_error_rate(np.array([1, 2, 3, 6, 5, 7, 8, 9.0]), same) == pytest.approx(0.25)
    assert equal_error_rate(np.array([5, 6, 7, 8, 1, 2, 3, 4.0]), same) == 1
    with pytest.raises(InputError, match="genuine and impostor"):
        roc(np.ones(3), np.ones(3, bool))
