"""The verification protocol against insightface's published outcome, naive loops and scikit-learn."""

from math import comb

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

from semihard.errors import InputError
from semihard.recognizer.backbone import build_backbone
from semihard.recognizer.model_file import EmbedderSpec, save_model
from semihard.storage import schemas
from semihard.storage.artifacts import read_artifact, read_attributes, write_artifact
from semihard.storage.faceset import FaceSet, FaceSetWriter
from semihard.verification.model import measures, verify_faces
from semihard.verification.protocol import (
    auc,
    d_prime,
    equal_error_rate,
    mcnemar,
    roc,
    squared_distances,
    tar_at_far,
    verify,
    wilson_interval,
)

# (pairs, dimensions, a) → insightface's accuracy, standard deviation and threshold of each fold
REFERENCE = [
    ((6000, 512, 0.1), 0.8991666667, 0.0114321671, [1.89] * 10),
    ((6000, 512, 0.08), 0.8420000000, 0.0129056405, [1.91] * 10),
    ((7000, 512, 0.1), 0.8911428571, 0.0158410472, [1.89] * 7 + [1.88, 1.89, 1.88]),
    ((6000, 128, 0.2), 0.9170000000, 0.0115421931, [1.75, 1.76, 1.76, 1.76, 1.73, 1.76, 1.76, 1.76, 1.76, 1.75]),
    ((600, 16, 0.3), 0.8133333333, 0.0631576511, [1.59, 1.57] + [1.59] * 8),
    ((6000, 512, 0.5), 0.9998333333, 0.0005000000, [0.77, 0.77, 0.74] + [0.77] * 7),
]

EXACT = [0.898000, 0.841500, 0.893571, 0.917167, 0.8, 0.999833]  # the same with every distance as a threshold


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


def reference_distances(n: int, d: int, a: float) -> tuple[np.ndarray, np.ndarray]:
    embedding, same = reference_pairs(n, d, a)
    return squared_distances(embedding, np.arange(0, 2 * n, 2), np.arange(1, 2 * n, 2)), same


@pytest.mark.parametrize(("given_", "accuracy", "deviation", "thresholds"), REFERENCE)
def test_equals_insightface(given_, accuracy, deviation, thresholds):
    distance, same = reference_distances(*given_)
    result = verify(distance, same, folds_of(len(same)))
    assert result.accuracy.mean() == pytest.approx(accuracy, abs=1e-10)
    assert result.accuracy.std() == pytest.approx(deviation, abs=1e-10)
    assert result.threshold.tolist() == pytest.approx(thresholds, abs=1e-10)


@pytest.mark.parametrize(("row", "accuracy"), list(zip(REFERENCE, EXACT, strict=True)))
def test_every_distance_as_a_threshold(row, accuracy):
    distance, same = reference_distances(*row[0])
    assert verify(distance, same, folds_of(len(same)), "exact").accuracy.mean() == pytest.approx(accuracy, abs=6e-7)


def test_first_reference_fold_by_fold():
    embedding, _ = reference_pairs(6000, 512, 0.1)
    unit = embedding / np.linalg.norm(embedding, axis=1, keepdims=True)
    assert unit[0, :3] == pytest.approx([0.0055017626, -0.0057807073, 0.028023918], abs=1e-9)
    assert unit[1, :3] == pytest.approx([-0.0207070547, -0.003588103, 0.0166098682], abs=1e-9)
    distance, same = reference_distances(6000, 512, 0.1)
    expected = [0.918333, 0.915, 0.898333, 0.89, 0.886667, 0.908333, 0.896667, 0.893333, 0.903333, 0.881667]
    assert verify(distance, same, folds_of(6000)).accuracy.tolist() == pytest.approx(expected, abs=1e-6)


def test_distances_are_those_of_unit_embeddings():
    random = np.random.default_rng(0)
    embedding = random.standard_normal((40, 8)).astype(np.float32) * random.uniform(1, 50, (40, 1)).astype(np.float32)
    embedding[7] = 0
    first, second = random.integers(0, 40, (2, 1000))
    cosine = np.array(
        [
            embedding[a].astype(float) @ embedding[b] / np.prod(np.linalg.norm(embedding[[a, b]].astype(float), axis=1))
            if 7 not in (a, b)
            else np.nan
            for a, b in zip(first, second, strict=True)
        ]
    )
    assert squared_distances(embedding, first, second) == pytest.approx(2 - 2 * cosine, abs=1e-12, nan_ok=True)


def test_an_image_lies_at_distance_zero_from_itself_and_four_from_its_opposite():
    embedding = np.random.default_rng(1).standard_normal((300, 64)).astype(np.float32)
    every = np.arange(300)
    assert (squared_distances(embedding, every, every) == 0).all()
    assert (squared_distances(np.r_[embedding, -embedding], every, every + 300) == 4).all()


def naive(distance, same, fold, thresholds):
    """The protocol as written: every threshold, every fold, every pair."""
    accuracy, chosen = [], []
    for k in range(fold.max() + 1):
        rates = [np.mean((distance[fold != k] < t) == same[fold != k]) for t in thresholds]
        best = thresholds[int(np.argmax(rates))]
        accuracy.append(np.mean((distance[fold == k] < best) == same[fold == k]))
        chosen.append(best)
    return np.array(accuracy), np.array(chosen)


@given(st.integers(0, 2**32 - 1), st.integers(2, 5), st.booleans(), st.sampled_from(["grid", "exact"]))
def test_equals_a_loop_over_thresholds(seed, folds, on_the_grid, thresholds):
    random = np.random.default_rng(seed)
    n = folds * 6
    distance = random.uniform(0, 4, n)
    if on_the_grid:  # distance equal to a threshold is not below it
        distance = np.arange(0, 4, 0.01)[random.integers(0, 400, n)]
    same, fold = random.random(n) < 0.5, random.permutation(np.arange(n) % folds)
    result = verify(distance, same, fold, thresholds)
    candidates = np.arange(0, 4, 0.01) if thresholds == "grid" else np.sort([0, *np.nextafter(distance, 5)])
    accuracy, threshold = naive(distance, same, fold, candidates)
    assert np.array_equal(result.accuracy, accuracy) and np.array_equal(result.threshold, threshold)


@given(st.integers(0, 2**32 - 1), st.sampled_from(["grid", "exact"]))
def test_a_folds_threshold_knows_nothing_of_its_own_pairs(seed, thresholds):
    random = np.random.default_rng(seed)
    distance, same, fold = random.uniform(0, 4, 30), random.random(30) < 0.5, np.arange(30) % 3
    others = np.where(fold == 1, random.uniform(0, 4, 30), distance), np.where(fold == 1, ~same, same)
    assert verify(distance, same, fold, thresholds).threshold[1] == verify(*others, fold, thresholds).threshold[1]


def test_folds_must_have_pairs():
    with pytest.raises(InputError, match="two folds or more, found \\[4\\]"):
        verify(np.ones(4), np.ones(4, bool), np.zeros(4, int))
    with pytest.raises(InputError, match="found \\[2, 0, 2\\]"):
        verify(np.ones(4), np.ones(4, bool), np.array([0, 0, 2, 2]))


@pytest.mark.parametrize("thresholds", ["grid", "exact"])
def test_a_pair_without_distance_is_named(thresholds):
    with pytest.raises(InputError, match="pair 2 has no distance: an embedding is zero or not finite"):
        verify(np.array([1, 2, np.nan, 1]), np.ones(4, bool), np.array([0, 0, 1, 1]), thresholds)


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
    rates = [0.1, 0.29, 0.5, 0.57, 1.0]
    for rate, found in zip(rates, tar_at_far(distance, same, rates), strict=True):
        possible = [(distance[same] <= t).mean() for t in [-9.0, *distance] if (distance[~same] <= t).mean() <= rate]
        assert found == max(possible) if rate * (~same).sum() >= 1 else np.isnan(found)
    assert 0 <= equal_error_rate(distance, same) <= 1


def test_equal_error_rate_of_known_curves():
    same = np.repeat([True, False], 4)
    assert equal_error_rate(np.array([1, 2, 3, 4, 5, 6, 7, 8.0]), same) == 0
    assert equal_error_rate(np.array([1, 2, 3, 6, 5, 7, 8, 9.0]), same) == pytest.approx(0.25)
    assert equal_error_rate(np.array([5, 6, 7, 8, 1, 2, 3, 4.0]), same) == 1
    with pytest.raises(InputError, match="genuine and impostor"):
        roc(np.ones(3), np.ones(3, bool))


def test_accept_rates_of_a_hundred_impostors():
    distance = np.r_[np.arange(1, 101), np.arange(1, 101) - 0.5]  # impostors 1 … 100, each just above a genuine pair
    same = np.repeat([False, True], 100)
    rates = [0.001, 0.01, 0.07, 0.29, 0.57, 1.0]  # 0.29 and 0.57 times 100 are below 29 and 57 in floating point
    assert tar_at_far(distance, same, rates) == pytest.approx([np.nan, 0.02, 0.08, 0.30, 0.58, 1.0], nan_ok=True)
    tied = np.where(same, distance, np.maximum(distance, 30))  # the 30 nearest impostors come all or not at all
    assert tar_at_far(tied, same, [0.1, 0.29, 0.3]).tolist() == [0.30, 0.30, 0.31]
    for kind in (np.zeros(3, bool), np.ones(3, bool)):
        with pytest.raises(InputError, match="found only one kind"):
            tar_at_far(np.ones(3), kind, [0.1])


def test_d_prime_is_the_same_of_distances_and_cosines():
    random = np.random.default_rng(0)
    genuine, impostor = random.normal(0.5, 0.3, 200_000), random.normal(0.1, 0.1, 200_000)
    found = d_prime(genuine, impostor)
    assert found == pytest.approx(0.4 / np.sqrt((0.09 + 0.01) / 2), abs=0.01)
    assert d_prime(2 - 2 * genuine, 2 - 2 * impostor) == pytest.approx(found, rel=1e-12)
    assert d_prime(genuine.astype(np.float32), impostor.astype(np.float32)) == pytest.approx(found, rel=1e-6)
    assert np.isnan(d_prime(genuine, impostor[:0]))


def test_wilson_interval_is_the_score_tests():
    """Its ends are the shares from which what was seen is z standard deviations away; Newcombe 1998, Table I."""
    assert wilson_interval(81, 263) == pytest.approx((0.2553, 0.3662), abs=5e-5)
    assert wilson_interval(15, 148) == pytest.approx((0.0624, 0.1605), abs=5e-5)
    assert wilson_interval(0, 20) == pytest.approx((0, 0.1611), abs=5e-5)
    assert wilson_interval(1, 29) == pytest.approx((0.0061, 0.1718), abs=5e-5)
    low, high = wilson_interval(5640, 6000, level=0.9)
    for end in (low, high):
        assert abs(0.94 - end) / np.sqrt(end * (1 - end) / 6000) == pytest.approx(1.6448536, abs=1e-6)


def test_mcnemar_is_a_sign_test_of_the_pairs_that_differ():
    a = np.array([True] * 10 + [False] * 2 + [True] * 50 + [False] * 5)
    b = np.array([False] * 10 + [True] * 2 + [True] * 50 + [False] * 5)
    result = mcnemar(a, b)
    assert (result.only_a, result.only_b) == (10, 2)
    assert result.p == pytest.approx(2 * sum(comb(12, k) for k in range(3)) / 2**12)
    assert mcnemar(b, a).p == result.p
    assert mcnemar(a, a).p == 1
    assert mcnemar(a[9:12], b[9:12]).p == 1
    with pytest.raises(ValueError, match="the same pairs, found 3 and 4"):
        mcnemar(a[:3], b[:4])


# ── a model on a benchmark ──


@pytest.fixture
def benchmark(tmp_path, small_faceset):
    """20 pairs of the 40 images, neighbours and so of one identity or, over its border, of two; a model of 32 pixels."""
    torch.manual_seed(1)
    backbone = build_backbone("tiny", (32, 32), 16)
    backbone(torch.randn(8, 3, 32, 32))
    save_model(tmp_path / "model", backbone.eval(), EmbedderSpec("tiny", (32, 32), 16))
    first, second = np.r_[0:40:4, 0:40:4], np.r_[1:40:4, 2:40:4]
    pairs = {"first": first, "second": second, "same": first // 5 == second // 5, "fold": np.arange(20) % 2}
    write_artifact(tmp_path / "pairs.h5", schemas.BENCHMARK, pairs)
    return small_faceset, tmp_path / "pairs.h5", tmp_path / "model"


@pytest.mark.parametrize("thresholds", ["grid", "exact"])
def test_what_a_verification_says_of_its_pairs(tmp_path, benchmark, thresholds):
    verify_faces(*benchmark, tmp_path / "v.h5", thresholds=thresholds)
    found, says = (
        read_artifact(tmp_path / "v.h5", schemas.VERIFICATION),
        read_attributes(tmp_path / "v.h5", schemas.VERIFICATION),
    )
    distance, same = found["distance"], found["same"]
    expected = verify(distance, same, found["fold"], thresholds)
    assert np.array_equal(found["threshold"], expected.threshold) and says["thresholds"] == thresholds
    assert (says["accuracy_mean"], says["accuracy_std"]) == (expected.accuracy.mean(), expected.accuracy.std())
    right = round(20 * expected.accuracy.mean())
    assert (says["accuracy_low"], says["accuracy_high"]) == wilson_interval(right, 20)
    assert says["auc"] == auc(distance, same) and says["d_prime"] == d_prime(distance[same], distance[~same])
    assert says["equal_error_rate"] == equal_error_rate(distance, same)
    assert 1 < np.count_nonzero(~same) < 10 and np.isnan(says["tar_at_far_0.1"])  # a tenth is less than one pair


def test_people_that_were_trained_on_are_counted_and_said(tmp_path, benchmark, caplog):
    faces, pairs, _ = benchmark
    backbone, names = build_backbone("tiny", (32, 32), 16), ["person 3", "person 5", "somebody"]
    save_model(tmp_path / "trained", backbone, EmbedderSpec("tiny", (32, 32), 16), torch.zeros(3, 16), names)
    verify_faces(faces, pairs, tmp_path / "trained", tmp_path / "v.h5")
    assert read_attributes(tmp_path / "v.h5", schemas.VERIFICATION)["shared_identities"] == 2
    assert "2 of its 8 identities ('person 3' for one) are in the training set of" in caplog.text


def test_true_accept_rates_as_far_as_impostors_resolve_them():
    random = np.random.default_rng(0)
    same, fold = np.repeat([True, False], 500), np.arange(1000) % 10
    distance = random.normal(np.where(same, 1, 2), 0.4)
    found = measures(distance, same, fold, *vars(verify(distance, same, fold)).values())
    rates = {name: value for name, value in found.items() if name.startswith("tar_at_far")}
    assert list(rates) == ["tar_at_far_0.1", "tar_at_far_0.01", "tar_at_far_0.001", "tar_at_far_0.0001"]
    assert list(rates.values())[:2] == tar_at_far(distance, same, [0.1, 0.01]).tolist()
    assert 0.5 < rates["tar_at_far_0.01"] < rates["tar_at_far_0.1"] and np.isnan(rates["tar_at_far_0.001"])


def test_images_of_other_proportions_than_the_networks_are_refused(tmp_path, benchmark):
    faces, pairs, model = benchmark
    with FaceSetWriter(tmp_path / "narrow.h5", (112, 96), "png") as writer:
        writer.add(np.random.default_rng(0).integers(0, 256, (40, 112, 96, 3), np.uint8), [""] * 40)
    message = r"narrow\.h5 has images of 112x96 pixels \(height x width\), but \S+model was made for 32x32: align"
    with pytest.raises(InputError, match=message):
        verify_faces(tmp_path / "narrow.h5", pairs, model, tmp_path / "v.h5")
    # a network that looks at the middle of a square image takes square images, and such that are that middle already
    spec = EmbedderSpec("tiny", (112, 96), 16, crop_from=(112, 112))
    save_model(tmp_path / "cropping", build_backbone("tiny", (112, 96), 16).eval(), spec)
    verify_faces(faces, pairs, tmp_path / "cropping", tmp_path / "v.h5")
    verify_faces(tmp_path / "narrow.h5", pairs, tmp_path / "cropping", tmp_path / "v.h5")
    with FaceSetWriter(tmp_path / "tall.h5", (112, 90), "png") as writer:
        writer.add(np.zeros((40, 112, 90, 3), np.uint8), [""] * 40)
    with pytest.raises(InputError, match="made for 112x112"):
        verify_faces(tmp_path / "tall.h5", pairs, tmp_path / "cropping", tmp_path / "v.h5")
    save_model(tmp_path / "narrow", build_backbone("tiny", (112, 96), 16).eval(), EmbedderSpec("tiny", (112, 96), 16))
    with pytest.raises(InputError, match="has images of 16x16 pixels"):
        verify_faces(faces, pairs, tmp_path / "narrow", tmp_path / "v.h5")


def test_an_unreadable_image_is_named(tmp_path, benchmark):
    faces, pairs, model = benchmark
    whole = FaceSet(faces)
    with FaceSetWriter(tmp_path / "cut.h5", (16, 16), "png") as writer:
        writer.add([whole.encoded(i)[: 60 if i == 23 else None] for i in range(40)], [""] * 40)
    with pytest.raises(InputError, match=r"cut\.h5: image 23 does not decode"):
        verify_faces(tmp_path / "cut.h5", pairs, model, tmp_path / "v.h5")
