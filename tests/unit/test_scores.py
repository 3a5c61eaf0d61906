"""The study table against numbers done by hand."""

import re
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from semihard.storage import schemas
from semihard.storage.artifacts import read_artifact, write_artifact
from semihard.storage.faceset import COPY, FaceSetWriter
from semihard.study_table.published import PUBLISHED
from semihard.study_table.scores import Outputs, Row, bootstrap_interval, score_study


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
    write_artifact(path, schemas.VERIFICATION, data)
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


def outputs(folder) -> Outputs:
    return Outputs(*(folder / name for name in ("t.csv", "t.md", "t.tex", "t.h5", "mcnemar.csv")))


def test_table(tmp_path, rows):
    score_study(rows, "casia", ["lfw", "cfp"], outputs(tmp_path))
    text = (tmp_path / "t.csv").read_text()
    assert "gap_to_real_points = AVG(gap_reference) - AVG" in text and "/ AVG * 100" in text
    table = pd.read_csv(tmp_path / "t.csv", comment="#").set_index("label")
    assert list(table.index) == ["casia/ir", "synthetic/ir", "synthetic/mixed", "ref"]
    real, synthetic, mixed, reference = (table.loc[name] for name in table.index)
    assert (real["lfw"], real["cfp"], real["AVG"]) == pytest.approx((97, 89, 93))
    assert real["AVG_sd"] == pytest.approx(np.std([94, 92], ddof=1), abs=1e-4)
    assert real["gap_to_real_points"] == 0 and str(real["seeds"]) == "0 1"
    assert (real["lfw_fold_sd"], synthetic["rendered_fold_sd"]) == pytest.approx((0, 0))
    # the benchmark that is not the study's is shown but not averaged
    assert (synthetic["rendered"], synthetic["AVG"]) == pytest.approx((99, 82.5)) and np.isnan(real["rendered"])
    assert synthetic["gap_to_real_points"] == pytest.approx(93 - 82.5)
    assert synthetic["gap_to_real_relative"] == pytest.approx(100 * (93 - 82.5) / 82.5, abs=1e-4)
    # no real line of that recognizer: the study's first real line is the reference, and named
    assert mixed["gap_to_real_points"] == pytest.approx(93 - 96.5) and mixed["gap_reference"] == "casia/ir"
    assert reference["AVG"] == 100 and np.isnan(reference["gap_to_real_points"]) and np.isnan(reference["AVG_sd"])
    assert (table["AVG_low"] <= table["AVG"]).all() and (table["AVG"] <= table["AVG_high"]).all()

    found = read_artifact(tmp_path / "t.h5", schemas.SCORES)
    assert found["accuracy"].shape == (4, 3, 3) and found["seed"].tolist() == [-1, 0, 1]
    assert found["averaged"].tolist() == [True, True, False]
    assert found["average"] == pytest.approx([93, 82.5, 96.5, 100])


def test_the_gap_has_the_interval_of_paired_pairs(tmp_path, rows):
    """The wrong pairs of the real line are among those of the synthetic one, so that no resample turns the gap around, though
    pairs drawn apart for each line would; and of no difference the interval is one point."""
    rows = [row for row in rows if row.seed in (0, None)]
    rows += [replace(row, label="again", faceset="again") for row in rows if row.faceset == "casia"]
    score_study(rows, "casia", ["lfw", "cfp"], outputs(tmp_path))
    table = pd.read_csv(tmp_path / "t.csv", comment="#").set_index("label")
    draw = np.random.default_rng(1)
    gaps = 100 * (draw.binomial(200, 0.08, 20_000) + draw.binomial(200, 0.2, 20_000)) / 400
    interval = table.loc["synthetic/ir", ["gap_low", "gap_high"]].to_numpy(float)
    assert interval == pytest.approx(np.percentile(gaps, [2.5, 97.5]), abs=0.3)
    assert table.loc["again", ["gap_low", "gap_high"]].tolist() == [0, 0]
    assert table.loc[["casia/ir", "ref"], ["gap_low", "gap_high"]].isna().all(axis=None)


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


def test_a_benchmark_that_all_lines_have_in_addition_does_not_enter_the_average(tmp_path, rows):
    score_study(rows, "casia", ["lfw"], outputs(tmp_path))
    table = pd.read_csv(tmp_path / "t.csv", comment="#").set_index("label")
    assert table["AVG"].tolist() == table["lfw"].tolist() and table["cfp"].notna().all()


def test_fold_deviation_is_the_population_one_averaged_over_seeds(tmp_path):
    rows = []
    for seed, accuracy in enumerate(([0.9, 0.8], [1.0, 0.6])):
        data = {"distance": np.zeros(4), "same": np.ones(4, bool), "fold": np.array([0, 0, 1, 1])}
        data |= {"accuracy": np.array(accuracy), "threshold": np.ones(2)}
        write_artifact(tmp_path / f"{seed}.h5", schemas.VERIFICATION, data)
        rows.append(Row("a", "a", "r", seed, "lfw", str(tmp_path / f"{seed}.h5")))
    score_study(rows, "a", ["lfw"], outputs(tmp_path))
    table = pd.read_csv(tmp_path / "t.csv", comment="#")
    assert table["lfw_fold_sd"][0] == pytest.approx((5 + 20) / 2)


def test_best_single_epoch_and_paper_style_have_columns_of_their_own(tmp_path, rows):
    curves = {"lfw": [0.5, 0.98, 0.97], "cfp": [0.5, 0.88, 0.90]}  # by AVG epoch 3, lfw alone is best at 2
    rows = [row for row in rows if row.faceset == "casia"]
    for name, accuracy in curves.items():
        data = {"epoch": [1, 2, 3], "accuracy": np.repeat(np.array(accuracy)[:, None], 2, 1)}
        write_artifact(tmp_path / f"{name}.h5", schemas.EPOCHS, data)
    rows = [replace(row, epochs=str(tmp_path / f"{row.benchmark}.h5")) for row in rows]
    score_study(rows, "casia", ["lfw", "cfp"], outputs(tmp_path))
    line = pd.read_csv(tmp_path / "t.csv", comment="#").iloc[0]
    assert line["best_epoch"] == "3 3" and line["best_epoch_AVG"] == pytest.approx(93.5)
    assert line["AVG"] == pytest.approx(93) and not any(
        "best_of" in name for name in line.index
    )  # the last epoch is the result
    score_study(rows, "casia", ["lfw", "cfp"], outputs(tmp_path), paper_style=True)
    line = pd.read_csv(tmp_path / "t.csv", comment="#").iloc[0]
    assert (line["lfw_best_of_epochs"], line["cfp_best_of_epochs"], line["best_of_epochs_AVG"]) == pytest.approx(
        (98, 90, 94)
    )
    assert "chosen on the test sets" in (tmp_path / "t.csv").read_text()
    assert "93.50 (epoch 3, 3)" in (tmp_path / "t.md").read_text()


def test_published_lines_are_marked_and_have_no_gap(tmp_path, rows):
    score_study(rows, "casia", ["lfw", "cfp"], outputs(tmp_path), published=["cemiface_table6"])
    table = pd.read_csv(tmp_path / "t.csv", comment="#").set_index("label")
    line = table.loc["CemiFace 0.5M (published)"]
    assert (line["lfw"], line["AVG"]) == (99.03, 92.30) and line["published"] == "CemiFace, NeurIPS 2024, Table 6"
    assert np.isnan(line["gap_to_real_points"]) and np.isnan(line["cfp"])  # that benchmark is not of this study
    assert table.loc["casia/ir", "published"] is np.nan
    score_study(rows, "casia", ["cfp"], outputs(tmp_path), published=["synface_domain_mixup"])  # it has LFW alone
    assert "published" in pd.read_csv(tmp_path / "t.csv", comment="#")
    score_study(
        [row for row in rows if row.benchmark == "cfp"],
        "casia",
        ["cfp"],
        outputs(tmp_path),
        published=["synface_domain_mixup"],
    )
    assert len(pd.read_csv(tmp_path / "t.csv", comment="#")) == 4  # nothing to show of it
    assert len(read_artifact(tmp_path / "t.h5", schemas.SCORES)["label"]) == 4


@pytest.mark.parametrize("lines", PUBLISHED.values(), ids=PUBLISHED)
def test_published_averages_are_those_of_their_lines(lines):
    for line in lines:
        if len(line.accuracy) == 5:
            assert np.mean(list(line.accuracy.values())) == pytest.approx(line.average, abs=0.011), line.label


def test_markdown_and_latex_say_the_same(tmp_path, rows):
    score_study(rows, "casia", ["lfw", "cfp"], outputs(tmp_path))
    markdown, latex = (tmp_path / "t.md").read_text(), (tmp_path / "t.tex").read_text()
    line = next(line for line in markdown.splitlines() if line.startswith("| synthetic/ir"))
    assert (
        "90.00 ± 0.00" in line
        and "| 82.50 ± 3.54 [" in line
        and re.search(r"\| 10\.50 \[\d+\.\d\d, \d+\.\d\d\] \| 12\.73", line)
    )
    assert "| **96.50" in markdown and r"\textbf{96.50" in latex  # the best of what is compared, not the real line
    assert "gap_to_real_points = AVG(gap_reference) - AVG" in markdown and "% accuracies in percent" in latex
    row = next(line for line in latex.splitlines() if line.startswith("synthetic/ir"))
    assert row.endswith(r"\\") and row.count("&") == 6 and r"90.00 $\pm$ 0.00" in row
    assert latex.count(r"\\") == 5 and r"gap, \%" in latex


def test_images_are_counted_and_copies_apart(tmp_path, rows):
    faces, image = tmp_path / "synthetic.h5", np.zeros((5, 4, 4, 3), np.uint8)
    with FaceSetWriter(faces, (4, 4), "png") as writer:
        writer.add(image, ["a", "a", "a", "b", ""], {COPY: np.array([0, 0, 1, 1, 0])})
    score_study(
        rows, "casia", ["lfw", "cfp"], outputs(tmp_path), published=["cemiface_table6"], facesets={"synthetic": faces}
    )
    table = pd.read_csv(tmp_path / "t.csv", comment="#").set_index("label")
    assert table.loc["synthetic/ir", ["identities", "images", "inquiry_copies"]].tolist() == [1, 3, 2]
    assert (
        np.isnan(table.loc["ref", "images"])
        and "\nsynthetic/ir,synthetic,ir,1,3,2," in (tmp_path / "t.csv").read_text()
    )
    assert "| synthetic/ir | 1 | 3 + 2 copies |" in (tmp_path / "t.md").read_text()
    assert "inquiry_copies: images of the inquiries" in (tmp_path / "t.tex").read_text()


def test_every_two_lines_are_tested_in_pairs(tmp_path, rows):
    score_study(rows, "casia", ["lfw", "cfp"], outputs(tmp_path))
    table = pd.read_csv(tmp_path / "mcnemar.csv", comment="#")
    assert "seed 0 alone" in (tmp_path / "mcnemar.csv").read_text()
    assert len(table) == 6 and (table["pairs"] == 400).all()
    line = table[(table["first"] == "casia/ir") & (table["second"] == "synthetic/ir")].iloc[0]
    # the wrong pairs are the first ones of each fold, so the real line's are among the synthetic one's
    assert (line["only_first_right"], line["only_second_right"]) == (2 * (8 + 20), 0)
    assert line["p"] == pytest.approx(2 * 0.5**56, rel=1e-3)


def test_a_benchmark_of_people_that_were_trained_on_is_said_to_be_no_result(tmp_path, rows):
    (row,) = [row for row in rows if (row.label, row.benchmark, row.seed) == ("synthetic/ir", "lfw", 1)]
    data = read_artifact(row.path, schemas.VERIFICATION)
    write_artifact(row.path, schemas.VERIFICATION, data, attrs={"shared_identities": 20})
    score_study(rows, "casia", ["lfw", "cfp"], outputs(tmp_path))
    sentence = "synthetic/ir on lfw: no result, 20 identities of the benchmark are in its training set"
    for name in ("t.csv", "t.md"):
        assert sentence in (tmp_path / name).read_text()
