"""What two annotated sets differ in: counts and divergences by hand, planted differences, and no alarm without one."""

import itertools
from math import log2
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from semihard.attributes.comparison import Cells, compare_attributes
from semihard.attributes.counts import GROUPS, Annotated, halves, resamples
from semihard.attributes.divergence import (
    categorical,
    chow_liu,
    conditional,
    divergence,
    jensen_shannon,
    mutual_information,
    prevalence,
)
from semihard.errors import InputError, UnmeasurableError
from semihard.storage import schemas
from semihard.storage.artifacts import write_artifact

NAMES = ("Hat", "Beard", "Male")


def annotated(
    path: Path,
    label: np.ndarray,
    identity: np.ndarray | None = None,
    own: np.ndarray | None = None,
    names: tuple[str, ...] = NAMES,
    unseen: int = -1,
    columns: dict | None = None,
) -> Path:
    """An artifact "attributes" of labels `[n, A]`; unseen: the attribute that no threshold made good."""
    label = np.asarray(label, np.int8)
    n, a = label.shape
    kept = np.full(a, 0.92)
    if unseen >= 0:
        kept[unseen] = np.nan
    data = {
        "name": list(names),
        "label": label,
        "probability": np.where(label == 1, 0.9, np.where(label == 0, 0.1, 0.5)),
        "reliability": np.full((n, a), 0.4),
        "identity": np.arange(n) if identity is None else identity,
        "own": np.ones(n, bool) if own is None else own,
        "accuracy": np.full(a, 0.85),
        "kept_accuracy": kept,
        "sensitivity": np.full(a, 0.9),
        "specificity": np.full(a, 0.8),
    }
    data |= {f"columns/{name}": values for name, values in (columns or {}).items()}
    write_artifact(path, schemas.ATTRIBUTES, data)
    return path


def compare(tmp_path: Path, sets: dict[str, Path], real=("real",), joint=(), count=200) -> dict[str, pd.DataFrame]:
    outputs = {name: tmp_path / f"{name}.csv" for name in ("sets", "pairs", "together", "along")}
    compare_attributes(sets, list(real), joint, count, outputs)
    return {name: pd.read_csv(path) for name, path in outputs.items()}


def population(n: int, seed: int, shares=(0.3, 0.5, 0.6), per_identity: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """Labels that are the person's but for one in ten, a tenth undefined; and identities."""
    rng = np.random.default_rng(seed)
    person = rng.random((n // per_identity, 3)) < shares
    label = np.repeat(person, per_identity, 0).astype(np.int8)
    flip = rng.random(label.shape) < 0.1
    label = np.where(flip, 1 - label, label)
    label[rng.random(label.shape) < 0.1] = -1
    return label, np.repeat(np.arange(n // per_identity), per_identity)


# ── formulas ─────────────────────────────────────────────────────────────────────────────────────────────────────────


@given(st.floats(0.001, 0.999), st.floats(0.001, 0.999))
def test_divergence_is_zero_only_for_equals(p, q):
    bits = divergence(np.float64(p), np.float64(q))
    assert bits >= -1e-12 and divergence(np.float64(p), np.float64(p)) == 0
    assert bits >= 2 / np.log(2) * (p - q) ** 2 - 1e-12  # Pinsker: total variation bounds it from below
    assert -1e-12 <= jensen_shannon(np.float64(p), np.float64(q)) <= 1


def test_divergences_by_hand():
    assert divergence(0.25, 0.5) == pytest.approx(0.25 * log2(0.5) + 0.75 * log2(1.5))
    p, q = np.array([3, 1, 0]), np.array([1, 1, 2])
    a, b = (p + 1 / 3) / 5, (q + 1 / 3) / 5
    assert categorical(p, q) == pytest.approx(sum(x * log2(x / y) for x, y in zip(a, b, strict=True)))
    assert prevalence(np.array(3), np.array(5)) == pytest.approx(3.5 / 6)
    even = np.full((2, 2), 1e6)
    assert mutual_information(even) == pytest.approx(0, abs=1e-9)
    assert mutual_information(np.diag([1e6, 1e6])) == pytest.approx(1, abs=1e-4)


def test_a_trees_divergence_is_that_of_the_joint_distributions_it_describes():
    """Of a chain a → b → c, whose joint distribution is enumerated."""
    rng = np.random.default_rng(0)
    models = []
    for _ in range(2):
        root, first, second = rng.uniform(0.1, 0.9), rng.uniform(0.1, 0.9, 2), rng.uniform(0.1, 0.9, 2)
        models.append((root, first, second))

    def joint(model):
        root, first, second = model
        cells = {}
        for a, b, c in itertools.product((0, 1), repeat=3):
            p = (root if a else 1 - root) * (first[a] if b else 1 - first[a]) * (second[b] if c else 1 - second[b])
            cells[a, b, c] = p
        return cells

    def table(cells, parent, child):
        found = np.zeros((2, 2))
        for values, p in cells.items():
            found[values[parent], values[child]] += 1e9 * p
        return found

    p, q = map(joint, models)
    exact = sum(v * log2(v / q[k]) for k, v in p.items())
    by_tree = divergence(models[0][0], models[1][0]) + sum(
        conditional(table(p, *edge), table(q, *edge)) for edge in ((0, 1), (1, 2))
    )
    assert by_tree == pytest.approx(exact, rel=1e-6)


def test_the_tree_joins_what_depends_on_each_other_and_leaves_out_what_is_not_seen():
    information = np.array([[0, 0.1, 0.5, 9], [0.1, 0, 0.3, 9], [0.5, 0.3, 0, 9], [9, 9, 9, 0]])
    edges = chow_liu(information, np.array([True, True, True, False]))
    assert {frozenset(edge) for edge in edges} == {frozenset((0, 2)), frozenset((1, 2))}
    assert chow_liu(information, np.zeros(4, bool)) == []
    best = max(
        (sum(information[e] for e in tree), tree)
        for tree in itertools.combinations(itertools.combinations(range(3), 2), 2)
    )
    assert sum(information[edge] for edge in edges) == best[0]


# ── counts ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_counts_are_those_of_a_loop_over_images(tmp_path):
    label, identity = population(300, 0, per_identity=5)
    own = np.arange(300) % 11 != 0
    one = Annotated("s", annotated(tmp_path / "s.h5", label, identity, own))
    tables = one.tables()
    tree = [(0, 1), (1, 2)]
    counts = one.count(tree, Cells(NAMES, ("Hat", "Male")), 4)
    mine, people = label[own], identity[own]
    assert counts.images == own.sum() and counts.identities == 60 == counts.groups
    np.testing.assert_array_equal(counts.defined.sum(0), (mine >= 0).sum(0))
    np.testing.assert_array_equal(counts.present.sum(0), (mine == 1).sum(0))
    for a, b in itertools.product(range(3), repeat=2):
        for x, y in itertools.product((0, 1), repeat=2):
            assert tables[a, b, x, y] == np.sum((mine[:, a] == x) & (mine[:, b] == y))
    for number, (parent, child) in enumerate(tree):
        np.testing.assert_array_equal(counts.edges[:, number].sum(0), tables[parent, child])
    agreeing, judged, pairs = 0.0, 0, 0
    for person in range(60):
        of_person = [v for v, who in zip(mine[:, 0], people, strict=True) if who == person and v >= 0]
        both = list(itertools.permutations(of_person, 2))
        pairs += len(both)
        if both:
            agreeing += np.mean([a == b for a, b in both])
            judged += 1
    assert counts.agreeing[:, 0].sum() == pytest.approx(agreeing)
    assert counts.judged[:, 0].sum() == judged and counts.pairs[:, 0].sum() == pairs
    cell = (mine[:, 0] == 1) * 2 + (mine[:, 2] == 1)
    np.testing.assert_array_equal(counts.cells.sum(0), np.bincount(cell, minlength=4))


def test_many_identities_are_dealt_into_groups_of_the_same_variance(tmp_path):
    label, identity = population(12_000, 1, per_identity=2)
    counts = Annotated("s", annotated(tmp_path / "s.h5", label, identity)).count([], Cells(NAMES, ()), 0)
    assert counts.groups == GROUPS and counts.identities == 6000
    weights = resamples(counts.groups, 2000)
    by_groups = ((weights @ counts.present) / (weights @ counts.defined)).std(0)
    rng = np.random.default_rng(3)
    by_identity = []
    for _ in range(300):
        chosen = rng.integers(0, 6000, 6000)
        part = label.reshape(6000, 2, 3)[chosen].reshape(-1, 3)
        by_identity.append((part == 1).sum(0) / (part >= 0).sum(0))
    np.testing.assert_allclose(by_groups, np.std(by_identity, 0), rtol=0.15)


def test_halves_are_even_and_apart():
    first, second = halves(11, 50)
    assert (first.sum(1) == 5).all() and (second.sum(1) == 5).all() and not (first * second).any()


# ── comparison ───────────────────────────────────────────────────────────────────────────────────────────────────────


def test_prevalence_and_divergence_by_hand(tmp_path):
    real = np.array([[1, 0, 1]] * 40 + [[0, -1, 1]] * 60)
    synthetic = np.array([[1, -1, 1]] * 30 + [[0, -1, 0]] * 70)
    copies = np.ones((5, 3), int)  # of inquiries: not counted
    own = np.arange(105) < 100
    sets = {
        "real": annotated(tmp_path / "r.h5", real),
        "synthetic": annotated(tmp_path / "s.h5", np.r_[synthetic, copies], own=own),
    }
    found = compare(tmp_path, sets)
    line = found["sets"].set_index(["faceset", "attribute"]).loc[("real", "Hat")]
    p, q = 40.5 / 101, 30.5 / 101
    assert line["prevalence"] == pytest.approx(p) and line["defined"] == 100 and line["undefined_share"] == 0
    assert line["prevalence_low"] < p < line["prevalence_high"]
    assert line["prevalence_corrected"] == pytest.approx((p + 0.8 - 1) / (0.9 + 0.8 - 1), rel=1e-5)
    pair = found["pairs"].set_index("attribute").loc["Hat"]
    assert (pair["first"], pair["second"]) == ("real", "synthetic")
    expected = p * log2(p / q) + (1 - p) * log2((1 - p) / (1 - q))
    assert pair["bits_first_coded_as_second"] == pytest.approx(expected, rel=1e-5)
    assert pair["total_variation"] == pytest.approx(p - q, rel=1e-5)
    assert not found["pairs"].set_index("attribute").loc["Beard", "enough"], "no label is defined in the second"
    assert found["pairs"].set_index("attribute").loc["Male", "beyond_first_coded_as_second"]
    assert set(found["together"]["kind"]) == {"tree", "sum"}


def test_consistency_is_one_for_what_is_the_persons_and_zero_for_what_is_the_pictures(tmp_path):
    rng = np.random.default_rng(0)
    identity = np.repeat(np.arange(100), 8)
    label = np.stack([rng.random(100).repeat(8) < 0.4, rng.random(800) < 0.4, rng.random(100).repeat(8) < 0.5], 1)
    flips = rng.random(800) < 0.25  # of the third: two images of a person agree in 0.75² + 0.25² of cases
    label[:, 2] ^= flips
    found = compare(tmp_path, {"real": annotated(tmp_path / "r.h5", label, identity)})["sets"].set_index("attribute")
    assert found.loc["Hat", "consistency"] == pytest.approx(1)
    assert found.loc["Beard", "consistency"] == pytest.approx(0, abs=0.06)
    assert found.loc["Male", "agreement"] == pytest.approx(0.75**2 + 0.25**2, abs=0.03)
    assert found.loc["Male", "consistency_low"] < 0.25 < found.loc["Male", "consistency_high"]


def test_the_interval_resamples_identities_not_images(tmp_path):
    """Twenty photographs of each of 30 people are thirty witnesses."""
    label = np.repeat(np.random.default_rng(0).random((30, 3)) < 0.5, 20, 0)
    by_person = compare(tmp_path, {"real": annotated(tmp_path / "p.h5", label, np.repeat(np.arange(30), 20))})
    by_image = compare(tmp_path, {"real": annotated(tmp_path / "i.h5", label)})

    def width(found):
        line = found["sets"].iloc[0]
        return line["prevalence_high"] - line["prevalence_low"]

    assert width(by_person) == pytest.approx(width(by_image) * 20**0.5, rel=0.25)


def test_a_set_without_women_lacks_what_is_real(tmp_path):
    """Real codes the set cheaply; the set cannot code women: the signature of modes that are missing."""
    label, identity = population(4000, 0)
    men = label[:, 2] == 1
    sets = {
        "real": annotated(tmp_path / "r.h5", label, identity),
        "control": annotated(tmp_path / "c.h5", *population(4000, 1)),
        "men": annotated(tmp_path / "m.h5", label[men], identity[men]),
    }
    found = compare(tmp_path, sets, real=("real", "control"), joint=("Hat", "Male"))
    male = found["pairs"].query("attribute == 'Male' and first == 'real' and second == 'men'").iloc[0]
    assert male["bits_first_coded_as_second"] > 3 * male["bits_second_coded_as_first"] > 0.3
    assert male["beyond_first_coded_as_second"] and male["beyond_second_coded_as_first"]
    together = found["together"].query("first == 'real'").set_index(["second", "kind"])
    for kind in ("tree", "sum", "joint"):
        assert together.loc[("men", kind), "claim"] == "real explains synthetic better than the reverse"
        assert together.loc[("men", kind), "asymmetry_low"] > 0
        assert (
            together.loc[("control", kind), "bits_first_coded_as_second"]
            < together.loc[("control", kind), "floor"] * 1.5
        )
    assert pd.isna(together.loc[("control", "tree"), "claim"]), "of two real sets nothing is claimed"


@pytest.mark.parametrize("per_identity", [1, 8])
def test_a_set_drawn_again_raises_an_alarm_in_at_most_one_of_twenty(tmp_path, per_identity):
    """False alarms over 100 draws from one population: of any attribute, and of the whole."""
    alarms = {"attribute": 0, "tree": 0}
    for seed in range(100):
        sets = {
            "real": annotated(tmp_path / "r.h5", *population(1600, 2 * seed, per_identity=per_identity)),
            "again": annotated(tmp_path / "s.h5", *population(1600, 2 * seed + 1, per_identity=per_identity)),
        }
        found = compare(tmp_path, sets, count=100)
        alarms["attribute"] += found["pairs"]["beyond_first_coded_as_second"].any()
        tree = found["together"].set_index("kind").loc["tree"]
        alarms["tree"] += tree["bits_first_coded_as_second"] > tree["floor"]
    assert max(alarms.values()) <= 5, alarms


def test_what_m_and_phi_do_is_told_part_by_part(tmp_path):
    label, identity = population(2000, 0, per_identity=10)
    phi = np.tile(np.linspace(0, 1, 10), 200)
    label[phi < 0.2] = np.random.default_rng(0).integers(0, 2, (int((phi < 0.2).sum()), 3))
    m = np.where(np.arange(2000) % 2, 0.0, 0.4)
    path = annotated(tmp_path / "s.h5", label, identity, columns={"phi": phi, "m": m})
    along = compare(tmp_path, {"s": path})["along"]
    of_phi = along[(along["column"] == "phi") & (along["attribute"] == "Hat")]
    assert len(of_phi) == 5 and of_phi["images"].sum() == 2000
    assert of_phi["consistency"].iloc[0] < 0.2 < 0.4 < of_phi["consistency"].iloc[-1]
    assert set(along.loc[along["column"] == "m", "low"]) == {0.0, 0.4}


def test_what_cannot_be_compared_is_said(tmp_path):
    few = annotated(tmp_path / "few.h5", np.ones((9, 3)))
    with pytest.raises(UnmeasurableError, match="9 identities; .* 10 at least"):
        Annotated("few", few)
    real = annotated(tmp_path / "r.h5", *population(400, 0), unseen=1)
    found = compare(tmp_path, {"real": real, "few": few})
    assert found["sets"].set_index("faceset").loc["few", "unmeasured"].startswith(str(few))
    assert found["pairs"].empty
    both = compare(tmp_path, {"real": real, "again": annotated(tmp_path / "a.h5", *population(400, 1), unseen=1)})
    assert not both["pairs"].set_index("attribute").loc["Beard", "seen"]
    assert both["together"]["attributes"].tolist() == [2, 2]
    unseen = {
        name: annotated(tmp_path / f"{name}.h5", population(400, 1)[0][:, :1], names=("Hat",), unseen=0)
        for name in "ab"
    }
    assert (compare(tmp_path, unseen)["together"]["attributes"] == 0).all()
    nothing = compare(tmp_path, {"few": few})
    assert nothing["pairs"].empty and nothing["sets"]["unmeasured"].notna().all()


def test_only_like_is_compared_with_like(tmp_path):
    real = annotated(tmp_path / "r.h5", *population(100, 0))
    other = annotated(tmp_path / "s.h5", *population(100, 1), names=("Hat", "Smile", "Male"))
    with pytest.raises(InputError, match="annotate both with one classifier"):
        compare(tmp_path, {"real": real, "other": other})
    with pytest.raises(InputError, match="'Beart' is neither an attribute"):
        compare(tmp_path, {"real": real}, joint=("Beart",))
    assert not (tmp_path / "sets.csv").exists()


def test_a_family_is_one_variable_of_its_most_probable_member():
    names = ["Male", "East_Asian", "Black", "White"]
    cells = Cells(names, ("group", "Male"))
    assert cells.count == 6
    probability = np.array([[0.9, 0.2, 0.7, 0.3], [0.1, 0.2, 0.1, 0.3]])
    assert cells(probability).tolist() == [cells.members[0].index(2) * 2 + 1, cells.members[0].index(3) * 2]
