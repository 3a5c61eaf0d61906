"""Fairness: every formula against a loop or a value done by hand, groups and people, and what goes wrong."""

import itertools
import logging

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest

from semihard.audit.fairness import Benchmark, measure_fairness
from semihard.audit.settings import FairnessAudit
from semihard.errors import InputError
from semihard.figures.fairness import plot_fairness
from semihard.storage import schemas
from semihard.storage.artifacts import read_artifact, read_attributes, write_artifact
from semihard.storage.faceset import FaceSet, FaceSetWriter
from semihard.study_table.fairness import BETWEEN, FairnessRow, read_fairness, score_fairness
from semihard.verification.demographic_groups import BY_NAME, BY_PAIRS, divisions, majority, people
from semihard.verification.fairness import (
    RESAMPLES,
    accuracy_measures,
    bootstrap_sums,
    error_measures,
    false_match_threshold,
    gini,
    percentile_interval,
    ratio,
    zero_error_bound,
)
from semihard.verification.protocol import verify
from semihard.workflow.fairness_plan import fairness_inputs, fairness_runs, fairness_settings
from semihard.workflow.figures import pictures
from semihard.workflow.study import Plan
from tests.unit.test_configuration import changed

NAMES = ["Male", "Black", "White", "Smiling"]
FAMILIES = {"ancestry": ("Black", "White", "Asian")}
rates = st.lists(st.floats(0.001, 1), min_size=2, max_size=6)


# ── formulas ─────────────────────────────────────────────────────────────────────────────────────────────────────────


@given(rates)
def test_gini_is_howards_double_sum(x):
    n, mean = len(x), sum(x) / len(x)
    total = sum(abs(a - b) for a in x for b in x)
    assert gini(np.array(x)) == pytest.approx(n / (n - 1) * total / (2 * n**2 * mean))


def test_gini_by_hand():
    assert gini(np.array([0.02, 0.02, 0.02])) == 0
    assert gini(np.array([0, 0, 0.3, 0])) == pytest.approx(1)  # one group has all errors
    assert gini(np.array([0.01, 0.03])) == pytest.approx(0.5)  # 2 · 0.04 / (8 · 0.02)
    assert np.isnan(gini(np.zeros(3)))


def test_measures_of_rfw_by_hand():
    """ArcFace on RFW, as Wang and Deng print it: Caucasian, Indian, Asian, African; SER 1.65."""
    measures = accuracy_measures(np.array([0.9618, 0.9467, 0.9372, 0.9398]))
    assert 100 * measures["accuracy_mean"] == pytest.approx(94.64, abs=0.005)
    assert measures["skewed_error_ratio"] == pytest.approx(6.28 / 3.82)
    deviations = [96.18 - 94.6375, 94.67 - 94.6375, 93.72 - 94.6375, 93.98 - 94.6375]
    assert 100 * measures["accuracy_sd"] == pytest.approx((sum(d * d for d in deviations) / 3) ** 0.5)
    assert measures["trade_off"] == pytest.approx(measures["accuracy_mean"] - measures["accuracy_sd"])
    assert measures["accuracy_worst"] == 0.9372 and measures["accuracy_range"] == pytest.approx(0.0246)


@given(rates, st.randoms())
def test_error_measures_are_their_formulas(match, random):
    non_match = [random.uniform(0.001, 1) for _ in match]
    found = error_measures(np.array(match), np.array(non_match))
    pairs = list(itertools.product(range(len(match)), repeat=2))
    apart = [max(abs(x[i] - x[j]) for i, j in pairs) for x in (match, non_match)]
    assert found["fairness_discrepancy_rate"] == pytest.approx(1 - (0.5 * apart[0] + 0.5 * apart[1]))
    ratios = max(match) / min(match), max(non_match) / min(non_match)
    assert (found["ratio_false_match"], found["ratio_false_non_match"]) == pytest.approx(ratios)
    assert found["inequity_rate"] == pytest.approx((ratios[0] * ratios[1]) ** 0.5)
    assert found["garbe"] == pytest.approx((gini(np.array(match)) + gini(np.array(non_match))) / 2)


def test_ratios_without_errors():
    assert ratio(np.array([0.0, 0.1])) == np.inf and np.isnan(ratio(np.zeros(2)))
    assert accuracy_measures(np.array([1.0, 0.9]))["skewed_error_ratio"] == np.inf


def test_measures_run_over_the_last_axis_alone():
    x = np.random.default_rng(0).uniform(0.1, 1, (5, 2, 3))
    for function, given_ in ((accuracy_measures, (x,)), (error_measures, (x, x[::-1]))):
        for name, values in function(*given_).items():
            one = function(*(a[3, 1] for a in given_))[name]
            assert values.shape == (5, 2) and values[3, 1] == pytest.approx(one), name


@given(st.lists(st.integers(0, 20), min_size=1, max_size=60), st.floats(0.001, 0.999))
def test_threshold_is_the_greatest_that_the_rate_allows(values, asked):
    distance = np.array(values, float)
    threshold, rate = false_match_threshold(distance, asked)
    assert rate == np.mean(distance < threshold)
    allowed = max(asked * (1 + 1e-9), 1 / len(values))  # one pair where the rate asked for is less
    assert rate <= allowed
    greater = np.unique(distance[distance >= threshold])
    if len(greater):  # to accept the next distance, too, would be too much
        assert np.mean(distance <= greater[0]) > allowed * (1 - 1e-9)


def test_threshold_without_impostor_pairs_is_none():
    assert np.isnan(false_match_threshold(np.empty(0), 0.01)).all()


# ── bootstrap ────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_bootstrap_counts_a_pair_as_often_as_its_people():
    random = np.random.default_rng(3)
    first, second = random.integers(0, 7, 40), random.integers(0, 7, 40)
    columns = random.random((40, 3)) < 0.4
    found = bootstrap_sums(first, second, 7, columns)
    assert found.shape == (RESAMPLES, 3)
    draws = np.random.default_rng(0).integers(0, 7, (32, 7))  # of the first block of resamples
    for r in (0, 1, 31):
        times = [int((draws[r] == person).sum()) for person in range(7)]
        naive = np.zeros(3)
        for a, b, column in zip(first, second, columns, strict=True):
            naive += column * (times[a] if a == b else times[a] * times[b])
        assert found[r] == pytest.approx(naive)


def test_bootstrap_of_people_with_one_genuine_pair_each_is_the_binomial_one():
    wrong = np.arange(800) < 80
    person = np.arange(800)
    sums = bootstrap_sums(person, person, 800, np.stack([wrong, np.ones(800, bool)], 1))
    low, high = percentile_interval(sums[:, 0] / sums[:, 1])
    half = 1.96 * (0.1 * 0.9 / 800) ** 0.5
    assert (low, high) == pytest.approx((0.1 - half, 0.1 + half), abs=0.003)


def test_bootstrap_of_people_with_many_pairs_is_wider_than_that_of_pairs():
    """All errors are of some people: what counts is how many people there are."""
    person = np.repeat(np.arange(40), 20)
    wrong = person < 4
    sums = bootstrap_sums(person, person, 40, np.stack([wrong, np.ones(800, bool)], 1))
    low, high = percentile_interval(sums[:, 0] / sums[:, 1])
    assert high - low > 3 * 2 * 1.96 * (0.1 * 0.9 / 800) ** 0.5


def test_interval_is_of_replicates_that_are_numbers():
    values = np.r_[np.arange(1, 39), np.inf, np.inf, np.nan, np.nan]
    assert percentile_interval(np.random.default_rng(0).permutation(values)).tolist() == [1, np.inf]
    assert percentile_interval(np.arange(1, 41).astype(float)).tolist() == [1, 39]
    assert np.isnan(percentile_interval(np.r_[1.0, np.nan, np.nan])).all()


@pytest.mark.parametrize("pairs", [1, 300, 12_000])
def test_no_error_has_clopper_and_pearsons_bound(pairs):
    assert zero_error_bound(pairs) == pytest.approx(binomtest(0, pairs).proportion_ci(0.95, "exact").high)


# ── people and groups ────────────────────────────────────────────────────────────────────────────────────────────────


def face_set(path, names) -> FaceSet:
    """Blank images of these people."""
    with FaceSetWriter(path, (8, 8), "png") as writer:
        writer.add(np.zeros((len(names), 8, 8, 3), np.uint8), names)
    return FaceSet(path)


def test_people_by_name(tmp_path):
    faces = face_set(tmp_path / "f.h5", ["b", "a", "b", "c"])
    identity, by = people(faces, np.array([0, 1]), np.array([2, 3]), np.array([True, False]))
    assert by == BY_NAME and identity[0] == identity[2] and len(set(identity.tolist())) == 3
    with pytest.raises(InputError, match="pair 1 is genuine, of two names; import the benchmark again"):
        people(faces, np.array([0, 1]), np.array([2, 3]), np.array([True, True]))


def test_people_of_a_bin_by_genuine_pairs(tmp_path):
    """0-1 and 1-2 are genuine, 3-4 too; 0-3 and 4-5 are impostors; 6 is in no pair."""
    faces = face_set(tmp_path / "f.h5", [""] * 7)
    first, second, same = np.array([0, 1, 0, 3, 4]), np.array([1, 2, 3, 4, 5]), np.array([1, 1, 0, 1, 0], bool)
    identity, by = people(faces, first, second, same)
    assert by == BY_PAIRS
    groups = {tuple(np.flatnonzero(identity == k).tolist()) for k in range(identity.max() + 1)}
    assert groups == {(0, 1, 2), (3, 4), (5,), (6,)}


def test_majority_of_images_by_hand():
    label = np.array([[1, 0], [1, -1], [0, 1], [-1, 1], [0, -1], [1, -1]], np.int8)
    identity = np.array([0, 0, 0, 1, 2, 2])
    assert majority(label, identity).tolist() == [[1, -1], [-1, 1], [-1, -1]]


def test_divisions():
    decided = np.array([[1, 1, 0, 0], [0, 0, 1, 1], [-1, 1, 1, 0], [1, 0, 0, 0], [0, -1, 1, 0]], np.int8)
    accuracy = np.array([0.9, 0.8, 0.7, 0.6])
    gender, ancestry = divisions(["Male", "ancestry"], NAMES, decided, accuracy, FAMILIES)
    assert (gender.name, gender.groups) == ("Male", ("Male", "not Male"))
    assert gender.of.tolist() == [0, 1, -1, 0, 1] and gender.label_accuracy.tolist() == [0.9, 0.9]
    assert (ancestry.name, ancestry.groups) == ("ancestry", ("Black", "White"))  # of Asian there is no label
    assert ancestry.of.tolist() == [0, 1, -1, -1, 1] and ancestry.label_accuracy.tolist() == [0.8, 0.7]
    same = divisions(["Black", "White"], NAMES, decided, accuracy, FAMILIES)
    assert len(same) == 1 and same[0].of.tolist() == ancestry.of.tolist()
    alone = divisions(["Black"], NAMES, decided, accuracy, FAMILIES)[0]
    assert alone.groups == ("Black", "not Black") and alone.of.tolist() == [0, 1, 0, 1, -1]
    apart = divisions(["Black", "White"], NAMES, decided, accuracy)
    assert [one.name for one in apart] == ["Black", "White"]


# ── the stage ────────────────────────────────────────────────────────────────────────────────────────────────────────

PEOPLE, EACH = 60, 4


def benchmark(folder, name: str, seed: int = 0, spread: float = 1.0, people_=PEOPLE, pairs: int = 1200) -> dict:
    """Faces of some people, pairs in ten folds and distances of them; `spread` makes a recognizer worse."""
    random = np.random.default_rng(seed)
    person = np.repeat(np.arange(people_), EACH)
    face_set(folder / f"{name}_f.h5", [f"{name}{k:03d}" for k in person])
    same = np.arange(pairs) % 2 == 0
    first = random.integers(0, len(person), pairs)
    other = (first // EACH + random.integers(1, people_, pairs)) % people_
    second = np.where(same, first // EACH, other) * EACH + (first + 1 + random.integers(0, EACH - 1, pairs)) % EACH
    distance = np.where(same, random.normal(1.0, 0.3 * spread, pairs), random.normal(1.9, 0.2 * spread, pairs))
    fold = (np.arange(pairs) * 10 // pairs).astype(np.int32)
    write_artifact(
        folder / f"{name}_p.h5", schemas.BENCHMARK, {"first": first, "second": second, "same": same, "fold": fold}
    )
    distance = np.clip(distance, 0, 4)
    result = verify(distance, same, fold)
    data = {"distance": distance, "same": same, "fold": fold, "accuracy": result.accuracy}
    write_artifact(folder / f"{name}_v.h5", schemas.VERIFICATION, data | {"threshold": result.threshold})
    return {"faces": folder / f"{name}_f.h5", "pairs": folder / f"{name}_p.h5", "verification": folder / f"{name}_v.h5"}


def attributes(path, label: np.ndarray, names=NAMES):
    data = {"name": names, "label": label, "probability": np.full(label.shape, 0.9), "own": np.ones(len(label), bool)}
    data |= {"reliability": np.full(label.shape, 0.4), "identity": np.arange(len(label))}
    worth = np.linspace(0.9, 0.7, len(names))
    data |= dict.fromkeys(("accuracy", "kept_accuracy", "sensitivity", "specificity"), worth)
    write_artifact(path, schemas.ATTRIBUTES, data)
    return path


def labels_of_people() -> np.ndarray:
    """The first 25 are men, the next 31 are not, of the last 4 nothing is known; Black and White alternate."""
    person = np.repeat(np.arange(PEOPLE), EACH)
    male = np.where(person < 25, 1, np.where(person < 56, 0, -1))
    black = (person % 2 == 0).astype(int)
    return np.stack([male, black, 1 - black, np.zeros_like(male)], 1).astype(np.int8)


@pytest.fixture
def annotated(tmp_path) -> Benchmark:
    return Benchmark(**benchmark(tmp_path, "lfw"), attributes=attributes(tmp_path / "a.h5", labels_of_people()))


def measured(output, benchmarks, families=None, **settings):
    measure_fairness(FairnessAudit(**{"fewest_pairs": 50} | settings), benchmarks, output, families=families or {})
    return read_artifact(output, schemas.FAIRNESS)


def test_rates_of_groups_pair_by_pair(tmp_path, annotated):
    found = measured(tmp_path / "o.h5", [annotated], FAMILIES, groups=["Male", "ancestry"], false_match_rate=0.05)
    pairs = read_artifact(annotated.pairs, schemas.BENCHMARK)
    result = read_artifact(annotated.verification, schemas.VERIFICATION)
    assert found["division"].tolist() == ["Male", "ancestry"]
    assert found["group"].tolist() == ["Male", "not Male", "Black", "White"]
    group_of = [
        {k: 0 if k < 25 else 1 for k in range(56)},
        {k: k % 2 for k in range(PEOPLE)},
    ]
    for v, of in enumerate(group_of):
        within, between, nowhere = [], [], 0
        for i in range(len(pairs["same"])):
            a, b = (of.get(int(pairs[side][i]) // EACH) for side in ("first", "second"))
            if a is not None and a == b:
                within.append((i, a))
            elif a is not None and b is not None:
                between.append(i)
            else:
                nowhere += 1
        impostor = sorted(result["distance"][i] for i, _ in within if not pairs["same"][i])
        threshold = impostor[int(0.05 * len(impostor))]
        assert found["threshold"][v] == threshold
        assert found["between_impostor"][v] == len(between) and found["ungrouped_pairs"][v] == nowhere
        assert found["between_rate"][v] == pytest.approx(np.mean(result["distance"][between] < threshold))
        for g in (0, 1):
            row = 2 * v + g
            mine = [i for i, group in within if group == g]
            genuine = [i for i in mine if pairs["same"][i]]
            impostors = [i for i in mine if not pairs["same"][i]]
            right = [
                (result["distance"][i] < result["threshold"][result["fold"][i]]) == result["same"][i] for i in mine
            ]
            naive = [
                np.mean(right),
                np.mean([result["distance"][i] < threshold for i in impostors]),
                np.mean([result["distance"][i] >= threshold for i in genuine]),
            ]
            assert (found["genuine"][row], found["impostor"][row]) == (len(genuine), len(impostors))
            assert found["value"][row, :3] == pytest.approx(naive) and np.isnan(found["value"][row, 3])
            low, high = found["interval"][row, :3].T
            assert (low <= naive).all() and (naive <= high).all() and (low < high).all()
    assert found["people"].tolist() == [25, 31, 30, 30] and found["ungrouped_people"].tolist() == [4, 0]
    assert found["label_accuracy"] == pytest.approx([0.9, 0.9, 0.9 - 0.2 / 3, 0.9 - 0.4 / 3])
    over = dict(zip(found["measure"], found["over_groups"][1], strict=True))
    accuracy, match, non_match = found["value"][2:, :3].T
    expected = accuracy_measures(accuracy) | error_measures(match, non_match)
    assert {name: over[name] for name in expected} == pytest.approx(expected)
    assert np.isnan(over["own_threshold_accuracy_sd"])
    assert read_attributes(tmp_path / "o.h5", schemas.FAIRNESS)["people_by"] == BY_NAME


def test_interval_of_a_measure_holds_it_and_the_null_of_alike_groups_is_near(tmp_path, annotated):
    """Distances do not depend on who is in a pair: what the groups differ by is chance."""
    found = measured(tmp_path / "o.h5", [annotated], FAMILIES, groups=["ancestry"], false_match_rate=0.1)
    low, high = found["over_groups_interval"][0].T
    names = found["measure"].tolist()
    for name in ("gini_false_match", "garbe", "accuracy_mean", "accuracy_worst", "trade_off"):
        i = names.index(name)
        assert low[i] <= found["over_groups"][0, i] <= high[i], name
        assert low[i] <= found["null"][0, i] <= high[i], name
    random = np.random.default_rng(5)
    impostor, rate = found["impostor"], found["value"][:, 1]
    pooled = (impostor * rate).sum() / impostor.sum()
    naive = np.mean([gini(random.binomial(impostor, pooled) / impostor) for _ in range(4000)])
    assert found["null"][0, names.index("gini_false_match")] == pytest.approx(naive, rel=0.1)


@pytest.fixture
def four(tmp_path) -> list[Benchmark]:
    """RFW's form: a benchmark a group, each harder than the one before."""
    each = [("African", 1.6), ("Asian", 1.4), ("Caucasian", 1.0), ("Indian", 1.2)]
    return [
        Benchmark(**benchmark(tmp_path, f"rfw_{name}", seed, spread), group=name)
        for seed, (name, spread) in enumerate(each)
    ]


def test_benchmarks_of_one_group_each(tmp_path, four):
    found = measured(tmp_path / "o.h5", four)
    assert found["division"].tolist() == ["group"] and found["people"].tolist() == [PEOPLE] * 4
    assert found["group"].tolist() == ["African", "Asian", "Caucasian", "Indian"]
    results = [read_artifact(one.verification, schemas.VERIFICATION) for one in four]
    distance, same, fold = (np.concatenate([r[name] for r in results]) for name in ("distance", "same", "fold"))
    threshold = verify(distance, same, fold).threshold
    match = np.sort(distance[~same])[24]  # 1 % of 2,400 impostor pairs
    assert found["threshold"] == match and found["threshold_rate"] == pytest.approx(0.01)
    for g, one in enumerate(results):
        right = (one["distance"] < threshold[one["fold"]]) == one["same"]
        naive = [
            right.mean(),
            (one["distance"] < match)[~one["same"]].mean(),
            (one["distance"] >= match)[one["same"]].mean(),
        ]
        assert found["value"][g] == pytest.approx([*naive, one["accuracy"].mean()])
    over = dict(zip(found["measure"], found["over_groups"][0], strict=True))
    own = accuracy_measures(np.array([one["accuracy"].mean() for one in results]))
    assert over["own_threshold_accuracy_sd"] == pytest.approx(own["accuracy_sd"])
    assert over["own_threshold_skewed_error_ratio"] == pytest.approx(own["skewed_error_ratio"])
    assert found["between_impostor"].tolist() == [0] and np.isnan(found["between_rate"][0])


def test_a_group_without_an_error_has_an_exact_bound(tmp_path):
    easy = Benchmark(**benchmark(tmp_path, "easy", 0, 0.2), group="Caucasian")
    hard = Benchmark(**benchmark(tmp_path, "hard", 1, 1.8), group="African")
    found = measured(tmp_path / "o.h5", [easy, hard])
    assert found["value"][0, 1] == 0 and found["value"][0, 0] == 1
    bound = zero_error_bound(600)
    assert found["interval"][0, 1].tolist() == pytest.approx([0, bound])
    assert found["interval"][0, 0].tolist() == pytest.approx([1 - zero_error_bound(1200), 1])
    over = dict(zip(found["measure"], found["over_groups"][0], strict=True))
    assert over["ratio_false_match"] == np.inf and over["gini_false_match"] == pytest.approx(1)
    interval = dict(zip(found["measure"], found["over_groups_interval"][0], strict=True))
    assert np.isnan(interval["gini_false_match"]).all() and np.isnan(interval["skewed_error_ratio"]).all()


def test_a_rate_that_the_pairs_cannot_resolve_is_said(tmp_path, annotated, caplog):
    with caplog.at_level(logging.WARNING):
        found = measured(tmp_path / "o.h5", [annotated], groups=["Male"], false_match_rate=1e-6)
    assert found["threshold_rate"][0] == 1 / found["impostor"].sum()
    assert "Male: false match rate 0.0038, the least that its impostor pairs resolve" in caplog.text


# ── bad input ────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_groups_with_few_pairs_or_people_are_listed_without_rates(tmp_path, caplog):
    label = labels_of_people()
    label[:, 0] = np.repeat(np.arange(PEOPLE), EACH) < 6
    label[:, 1] = 0  # nobody: a group without pairs
    one = Benchmark(**benchmark(tmp_path, "lfw"), attributes=attributes(tmp_path / "a.h5", label))
    with caplog.at_level(logging.WARNING):
        found = measured(tmp_path / "o.h5", [one], groups=["Male", "Black"], fewest_pairs=1)
    assert found["group"].tolist() == ["Male", "not Male", "Black", "not Black"]
    assert found["people"].tolist() == [6, 54, 0, 60] and found["measured"].tolist() == [False, True, False, True]
    assert np.isnan(found["value"][[0, 2]]).all() and np.isnan(found["over_groups"]).all()
    assert not np.isnan(found["value"][[1, 3], :3]).any()
    assert "Black: 0 people, 0 genuine and 0 impostor pairs are too few" in caplog.text
    assert "Male: 6 people" in caplog.text


def test_a_group_with_few_impostor_pairs_has_its_false_non_match_rate(tmp_path, annotated):
    found = measured(tmp_path / "o.h5", [annotated], groups=["Male"], fewest_pairs=200)
    assert (found["genuine"] >= 200).all() and (found["impostor"] < 200).all()
    assert np.isnan(found["value"][:, :2]).all() and not np.isnan(found["value"][:, 2]).any()
    assert not found["measured"].any()


def test_groups_without_impostor_pairs_have_no_threshold(tmp_path, caplog):
    """Impostor pairs are of a man and a woman: none is within a group."""
    files = benchmark(tmp_path, "lfw")
    pairs = read_artifact(files["pairs"], schemas.BENCHMARK)
    male = pairs["first"] // EACH % 2
    second = np.where(pairs["same"], pairs["second"], (pairs["first"] // EACH + 1) % PEOPLE * EACH)
    write_artifact(files["pairs"], schemas.BENCHMARK, pairs | {"second": second})
    label = np.repeat(np.arange(PEOPLE) % 2, EACH)[:, None].astype(np.int8)
    one = Benchmark(**files, attributes=attributes(tmp_path / "a.h5", label, ["Male"]))
    with caplog.at_level(logging.WARNING):
        found = measured(tmp_path / "o.h5", [one], groups=["Male"])
    assert male.any() and found["between_impostor"][0] == 600 and found["impostor"].tolist() == [0, 0]
    assert np.isnan(found["threshold"][0]) and np.isnan(found["value"]).all()
    assert "Male: no impostor pair is of one group: there is no threshold" in caplog.text


def test_bad_inputs_are_one_sentence(tmp_path, annotated, four):
    with pytest.raises(InputError, match="'Mal' is no attribute of the classifier; did you mean 'Male'?"):
        measured(tmp_path / "o.h5", [annotated], groups=["Mal"])
    with pytest.raises(InputError, match="'Zebra' is no attribute of the classifier; there are: Male, Black"):
        measured(tmp_path / "o.h5", [annotated], groups=["Zebra"])
    other = Benchmark(
        annotated.faces,
        annotated.pairs,
        annotated.verification,
        attributes=attributes(tmp_path / "b.h5", labels_of_people()[:-1]),
    )
    with pytest.raises(InputError, match="has labels of 239 images, .*lfw_f.h5 has 240; it is of another benchmark"):
        measured(tmp_path / "o.h5", [other], groups=["Male"])
    mixed = Benchmark(annotated.faces, annotated.pairs, four[0].verification, attributes=annotated.attributes)
    pairs = read_artifact(annotated.pairs, schemas.BENCHMARK)
    write_artifact(annotated.pairs, schemas.BENCHMARK, pairs | {"same": pairs["same"][::-1]})
    with pytest.raises(
        InputError, match="rfw_African_v.h5: is of other pairs than .*lfw_p.h5; verify the benchmark again"
    ):
        measured(tmp_path / "o.h5", [mixed], groups=["Male"])
    one = [Benchmark(b.faces, b.pairs, b.verification, group="Asian") for b in four]
    with pytest.raises(InputError, match="all pairs are of the group 'Asian'; fairness compares two or more"):
        measured(tmp_path / "o.h5", one)
    result = read_artifact(four[1].verification, schemas.VERIFICATION)
    halved = {"fold": result["fold"] // 2, "accuracy": result["accuracy"][:5], "threshold": result["threshold"][:5]}
    write_artifact(four[1].verification, schemas.VERIFICATION, result | halved)
    with pytest.raises(InputError, match=r"benchmarks of \[5, 10\] folds have no common threshold"):
        measured(tmp_path / "o.h5", four)
    assert not (tmp_path / "o.h5").exists()


# ── table and picture ────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def table(tmp_path, annotated, four) -> dict:
    """A real set with two seeds, a synthetic one and a reference, on an annotated benchmark and on four groups."""
    rows, artifacts = [], {}
    for label, faceset, seed, spread in (
        ("real", "real", 0, 1),
        ("real", "real", 1, 1.1),
        ("synthetic", "synthetic", 0, 1.5),
        ("mbf (reference)", "", None, 0.8),
    ):
        name = f"{faceset}{seed}"
        (tmp_path / name).mkdir()
        each = Benchmark(**benchmark(tmp_path / name, "lfw", 7, spread), attributes=annotated.attributes)
        grouped = [
            Benchmark(**benchmark(tmp_path / name, g, 8 + i, spread * (1 + 0.3 * i)), group=g)
            for i, g in enumerate(("African", "Asian", "Indian"))
        ]
        for benchmarks, given_ in (("lfw", [each]), ("af+as+in", grouped)):
            path = str(tmp_path / name / f"{benchmarks}.h5")
            wanted = {"groups": ["Male", "ancestry"]} if benchmarks == "lfw" else {}
            artifacts[label, seed, benchmarks] = measured(path, given_, FAMILIES, **wanted)
            rows.append(FairnessRow(label, faceset, "ir50", seed, benchmarks, path))
    score_fairness(rows, tmp_path / "t.csv", tmp_path / "t.md")
    return {"artifacts": artifacts, "csv": tmp_path / "t.csv", "text": (tmp_path / "t.md").read_text()}


def test_table_is_mean_and_spread_over_seeds(table):
    found = read_fairness(table["csv"])
    runs = [table["artifacts"]["real", seed, "af+as+in"] for seed in (0, 1)]
    mine = found[(found["label"] == "real") & (found["benchmarks"] == "af+as+in")]
    assert set(mine["seeds"]) == {"0 1"}
    for g, group in enumerate(("African", "Asian", "Indian")):
        for r, rate in enumerate(runs[0]["rate"]):
            row = mine[(mine["group"] == group) & (mine["quantity"] == rate)].iloc[0]
            values = [100 * run["value"][g, r] for run in runs]
            assert (row["value"], row["seed_sd"]) == pytest.approx((np.mean(values), np.std(values, ddof=1)), rel=1e-5)
            assert row["low"] == pytest.approx(50 * sum(run["interval"][g, r, 0] for run in runs), rel=1e-5)
            assert row["unit"] == "%" and row["people"] == PEOPLE
            assert row["pairs"] == {"false_match_rate": 600, "false_non_match_rate": 600}.get(rate, 1200)
    for m, measure in enumerate(runs[0]["measure"]):
        row = mine[(mine["group"] == "") & (mine["quantity"] == measure)].iloc[0]
        scale = 100 if row["unit"] else 1
        assert (row["unit"] == "%") == (measure.split("_")[-1] in ("mean", "worst", "range", "sd", "off"))
        assert row["value"] == pytest.approx(scale * np.mean([run["over_groups"][0, m] for run in runs]), rel=1e-5)
        assert row["null"] == pytest.approx(scale * np.mean([run["null"][0, m] for run in runs]), rel=1e-5, nan_ok=True)
    worst = mine[mine["quantity"] == "accuracy_worst"].iloc[0]
    assert worst["worst_group"] == "Indian"


def test_table_has_every_line_group_and_what_is_between(table):
    found = read_fairness(table["csv"])
    lfw = found[found["benchmarks"] == "lfw"]
    assert list(dict.fromkeys(lfw["label"])) == ["real", "synthetic", "mbf (reference)"]
    assert list(dict.fromkeys(lfw["division"])) == ["Male", "ancestry"]
    between = lfw[(lfw["group"] == BETWEEN) & (lfw["label"] == "synthetic")]
    data = table["artifacts"]["synthetic", 0, "lfw"]
    assert between["pairs"].tolist() == data["between_impostor"].tolist()
    assert not (lfw["quantity"] == "own_threshold_accuracy").any()
    reference = lfw[lfw["label"] == "mbf (reference)"]
    assert (reference["faceset"] == "").all() and (reference["seeds"] == "").all() and reference["seed_sd"].isna().all()
    asked = lfw[lfw["quantity"] == "in_no_group"]
    assert asked["people"].tolist() == [4, 0] * 3
    text = table["text"]
    assert "**lfw, ancestry**" in text and "| synthetic | Black | 30 |" in text and "w_i w_j" in text


def test_picture_holds_what_the_table_says(tmp_path, table):
    paths = {}
    for name in ("one", "two"):
        paths[name] = tmp_path / f"{name}.svg", tmp_path / f"{name}.csv"
        plot_fairness(table["csv"], *paths[name], benchmarks="lfw", real="real")
    assert paths["one"][0].read_bytes() == paths["two"][0].read_bytes()
    drawn = pd.read_csv(paths["one"][1])
    source = read_fairness(table["csv"])
    assert len(drawn) == 3 * 4 * 3  # lines, groups, panels
    for row in drawn.itertuples():
        same = (source[["label", "group", "quantity"]] == [row.label, row.group, row.quantity]).all(axis=1)
        assert row.value == pytest.approx(source[same & (source["benchmarks"] == "lfw")]["value"].item(), rel=1e-5)
    with pytest.raises(InputError, match="has no groups of 'cfp_fp'; make it again"):
        plot_fairness(table["csv"], *paths["one"], benchmarks="cfp_fp", real="real")


# ── plan ─────────────────────────────────────────────────────────────────────────────────────────────────────────────


def config(groups: dict[str, str], wanted: list[str], attributes: bool = True) -> dict:
    """A study on the benchmark "held_out" and on .bin files of the given groups; a reference is verified on one more."""
    found = changed("study.fairness", {"groups": wanted})
    found["benchmarks"] |= {name: {"source": "bin", "path": name, "group": group} for name, group in groups.items()}
    found["study"]["benchmarks"] += list(groups)
    found["study"]["references"] = ["guide"]
    found["attribute_classifiers"] = {"mac": {"source": "labels", "labelled": ["real"], "embedder": "guide"}}
    return found | {"study": found["study"] | ({"attributes": {"classifier": "mac"}} if attributes else {})}


def test_plan_measures_groups_together_and_annotated_benchmarks_alone():
    plan = Plan(config({"af": "African", "as": "Asian"}, ["Male"]) | {"results": "r"})
    found = [(run["label"], run["benchmarks"]) for run in fairness_runs(plan)]
    assert found == [(label, b) for label in ("real", "synthetic", "guide (reference)") for b in ("held_out", "af+as")]
    assert fairness_runs(plan)[1]["path"] == "r/fairness/recognizers/r/real/seed0/af+as.h5"
    assert fairness_runs(plan)[-1]["path"] == "r/fairness/embedders/guide/af+as.h5"
    assert fairness_inputs(plan, "af+as")["attributes"] == []
    assert fairness_inputs(plan, "held_out")["attributes"] == ["r/attributes/mac/benchmarks/held_out.h5"]
    together = fairness_settings(plan, "af+as")
    assert together["group_of_each"] == ["African", "Asian"] and together["groups"] == []
    assert {path for path in pictures(plan) if "fairness" in path} == {
        f"r/figures/fairness/{b}.svg" for b in ("held_out", "af+as")
    }


def test_plan_without_fairness_has_none():
    plan = Plan(changed("benchmarks.held_out", {"source": "rendered"}))
    assert fairness_runs(plan) == [] and not [path for path in pictures(plan) if "fairness" in path]


@pytest.mark.parametrize(
    ("groups", "wanted", "attributes_", "message"),
    [
        ({}, [], True, "study.fairness: of the study's benchmarks none has a group, and two are compared at least"),
        (
            {"af": "African"},
            [],
            True,
            "of the study's benchmarks all that have a group are 'African', and two are compared",
        ),
        ({}, ["Male"], False, "study.fairness.groups: who is in a group is told by the attribute study"),
        ({}, ["Male", "Male"], True, "study.fairness.groups: .*names 'Male' twice; name it once"),
    ],
)
def test_studies_without_groups_to_compare_are_refused(groups, wanted, attributes_, message):
    with pytest.raises(InputError, match=message):
        Plan(config(groups, wanted, attributes_))
