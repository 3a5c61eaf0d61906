"""The study table against numbers done by hand."""

import numpy as np
import pandas as pd
import pytest

from semihard.artifacts import read_artifact, write_artifact
from semihard.errors import InputError
from semihard.scores import Row, bootstrap_interval, score_study


def verification(path, wrong: int, pairs: int = 100) -> str:
    """An artifact of two folds in which `wrong` pairs of each are judged wrongly."""
    same = np.tile([True, False], pairs)
    fold = np.repeat([0, 1], pairs)
    distance = np.where(same, 0.5, 1.5)
    for k in (0, 1):
        first = np.flatnonzero(fold == k)[:wrong]
        distance[first] = 2 - distance[first]
    accuracy = np.full(2, 1 - wrong / pairs)
    data = {"distance": distance, "same": same, "fold": fold, "accuracy": accuracy, "threshold": np.ones(2)}
    write_artifact(path, "verification", data)
    return str(path)


@pytest.fixture
def rows(tmp_path):
    """Real, a synthetic set and a mixture by another recognizer, two seeds and two benchmarks; one reference embedder."""
    wrong = {  # (faceset, recognizer) → benchmark → wrong pairs of 100, per seed
        ("casia", "ir"): {"lfw": (2, 4), "cfp": (10, 12)},
        ("synthetic", "ir"): {"lfw": (10, 10), "cfp": (30, 20), "rendered": (1, 1)},
        ("synthetic", "mixed"): {"lfw": (1, 1), "cfp": (5, 7)},
    }
    rows = []
    for (faceset, recognizer), benchmarks in wrong.items():
        for benchmark, per_seed in benchmarks.items():
            for seed, count in enumerate(per_seed):
                path = verification(tmp_path / f"{faceset}-{recognizer}-{benchmark}-{seed}.h5", count)
                rows.append(Row(f"{faceset}/{recognizer}", faceset, recognizer, seed, benchmark, path))
    for benchmark in ("lfw", "cfp"):
        rows.append(Row("ref", "", "mbf", None, benchmark, verification(tmp_path / f"ref-{benchmark}.h5", 0)))
    return rows


def test_table(tmp_path, rows):
    score_study(rows, "casia", tmp_path / "t.csv", tmp_path / "t.h5")
    text = (tmp_path / "t.csv").read_text()
    assert "gap_to_real_points = AVG(gap_reference) - AVG" in text and "/ AVG * 100" in text
    table = pd.read_csv(tmp_path / "t.csv", comment="#").set_index("label")
    assert list(table.index) == ["casia/ir", "synthetic/ir", "synthetic/mixed", "ref"]
    real, synthetic, mixed, reference = (table.loc[name] for name in table.index)
    assert (real["lfw"], real["cfp"], real["AVG"]) == pytest.approx((97, 89, 93))
    assert real["AVG_sd"] == pytest.approx(np.std([94, 92], ddof=1), abs=1e-4)
    assert real["gap_to_real_points"] == 0 and str(real["seeds"]) == "0 1"
    # the benchmark that only one line has is shown but not averaged
    assert (synthetic["rendered"], synthetic["AVG"]) == pytest.approx((99, 82.5)) and np.isnan(real["rendered"])
    assert synthetic["gap_to_real_points"] == pytest.approx(93 - 82.5)
    assert synthetic["gap_to_real_relative"] == pytest.approx(100 * (93 - 82.5) / 82.5, abs=1e-4)
    # no real line of that recognizer: the study's first real line is the reference, and named
    assert mixed["gap_to_real_points"] == pytest.approx(93 - 96.5) and mixed["gap_reference"] == "casia/ir"
    assert reference["AVG"] == 100 and np.isnan(reference["gap_to_real_points"]) and np.isnan(reference["AVG_sd"])
    assert (table["AVG_low"] <= table["AVG"]).all() and (table["AVG"] <= table["AVG_high"]).all()

    found = read_artifact(tmp_path / "t.h5", "scores")
    assert found["accuracy"].shape == (4, 3, 3) and found["seed"].tolist() == [-1, 0, 1]
    assert found["averaged"].tolist() == [True, True, False]
    assert found["average"] == pytest.approx([93, 82.5, 96.5, 100])


def test_interval_is_the_normal_one_for_many_pairs():
    """Two benchmarks: the standard error of their mean is half the root of the sum of the squared errors."""
    shares = [np.arange(6000) < 5640, np.arange(7000) < 6300]
    error = 100 * np.sqrt(0.94 * 0.06 / 6000 + 0.9 * 0.1 / 7000) / 2
    low, high = bootstrap_interval([s.astype(float) for s in shares])
    assert (low, high) == pytest.approx((92 - 1.96 * error, 92 + 1.96 * error), abs=0.03)


def test_interval_over_seeds_equals_resampling_pair_by_pair():
    random = np.random.default_rng(0)
    right = random.random((3, 500)) < 0.8
    low, high = bootstrap_interval([right.mean(0)])
    naive = [100 * right[:, random.integers(0, 500, 500)].mean() for _ in range(4000)]
    assert (low, high) == pytest.approx(tuple(np.percentile(naive, [2.5, 97.5])), abs=0.2)


def test_lines_without_a_common_benchmark_are_refused(tmp_path):
    rows = [Row(name, name, "r", 0, name, verification(tmp_path / f"{name}.h5", 1)) for name in ("a", "b")]
    with pytest.raises(InputError, match="no benchmark is common to all lines"):
        score_study(rows, "a", tmp_path / "t.csv", tmp_path / "t.h5")
    assert not (tmp_path / "t.csv").exists()
