"""The report of a study: sentences that its artifacts bear out, names that stay text, and nothing that it has to fetch."""

import pickle
import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from PIL import Image

from semihard.errors import UnmeasurableError
from semihard.storage import schemas
from semihard.storage.artifacts import or_unmeasured, read_artifact
from semihard.study_table.findings import (
    found_in_calibrations,
    found_in_leakages,
    found_in_table,
    found_over_similarity,
)
from semihard.study_table.html_pieces import pictures, table
from semihard.study_table.report import MOST_ROWS, Contents, write_report
from semihard.study_table.scores import Outputs, Row, score_study
from semihard.workflow.configuration import read_yaml
from semihard.workflow.figures import FIGURES
from semihard.workflow.figures import pictures as figures_of
from semihard.workflow.report_plan import SECTIONS, configuration, report_contents, report_inputs
from semihard.workflow.study import Plan
from tests.unit.test_figures import calibration, leakage
from tests.unit.test_scores import verification

ROOT = Path(__file__).parents[2]
STUDIES = [ROOT / "config.yaml", *sorted((ROOT / "configs").glob("*.yaml"))]
NASTY = "<script>alert(1)</script>"


# ── sentences ────────────────────────────────────────────────────────────────────────────────────────────────────────


def lines(*of: tuple, seeds: str = "0") -> pd.DataFrame:
    """Lines of a study table, the real one first: label, AVG, its interval, the interval of its gap."""
    real = of[0][1]
    return pd.DataFrame(
        [
            {"label": label, "faceset": label, "recognizer": "r", "seeds": seeds, "AVG": average}
            | {"AVG_low": low, "AVG_high": high, "gap_to_real_points": real - average}
            | {"gap_low": gap_low, "gap_high": gap_high, "gap_reference": of[0][0]}
            for label, average, low, high, gap_low, gap_high in of
        ]
    )


REAL = ("real", 90.0, 89.0, 91.0, np.nan, np.nan)
FAR = ("far", 80.0, 79.0, 81.0, 8.5, 11.5)
NEAR = ("near", 89.5, 88.5, 90.5, -0.4, 1.4)
ALIKE = ("alike", 89.0, 88.0, 90.0, -0.1, 2.1)


@pytest.mark.parametrize(
    ("rows", "synthetic", "seeds", "said", "unsaid"),
    [
        ((REAL, FAR, NEAR), ["far", "near"], "0",
         ["The best of 2 lines trained on synthetic faces is near: AVG 89.50 % [88.50, 90.50]; real has AVG 90.00 % [89.00, 91.00].",
          "The gap to real is 0.50 points [-0.40, 1.40]: its interval holds 0", "near is clear of all others'", "One training seed"],
         ["not clearly the best"]),
        ((REAL, NEAR, ALIKE), ["near", "alike"], "0 1 2",
         ["near overlaps that of alike, so that it is not clearly the best", "Means over 3 training seeds"], ["One training", "clear of"]),
        ((REAL, FAR), ["far"], "0", ["The line trained on synthetic faces is far", "on the side of the real set"],
         ["holds 0", "overlaps", "The best of"]),
        ((REAL, FAR, NEAR), ["far"], "0", ["trained on synthetic faces is far"], ["near"]),  # which no generator drew
        ((REAL, FAR, NEAR), [], "0", ["best of 2 lines trained on other faces is near"], ["synthetic"]),
    ],
)  # fmt: skip
def test_what_is_said_of_the_table(rows, synthetic, seeds, said, unsaid):
    text = " ".join(found_in_table(lines(*rows, seeds=seeds), synthetic))
    assert all(part in text for part in said) and not any(part in text for part in unsaid), text


def test_a_table_of_embedders_alone_and_one_without_accuracies():
    table = lines(("a", 90.0, 89.0, 91.0, np.nan, np.nan), ("b", 95.0, 94.0, 96.0, np.nan, np.nan))
    table["gap_reference"], table["seeds"] = np.nan, np.nan
    text = " ".join(found_in_table(table, []))
    assert text.startswith("The best of 2 lines is b: AVG 95.00 % [94.00, 96.00]. The interval of b is clear")
    assert "real" not in text and "seed" not in text
    assert "no average" in found_in_table(table.assign(AVG=np.nan), [])[0]


def test_what_a_recognizer_saw_besides_its_set_is_said():
    table = lines(REAL, FAR).assign(inquiry_copies=[np.nan, 30])
    assert "is far (trained on 30 copies of inquiries and real images of few besides): AVG" in " ".join(
        found_in_table(table, ["far"], {"r": "few"})
    )
    assert "is far: AVG" in " ".join(found_in_table(table.assign(inquiry_copies=0), ["far"], {"other": "few"}))


def test_published_lines_are_never_the_best():
    table = lines(REAL, FAR).assign(published=None)
    paper = {"label": "paper", "AVG": 99.0, "published": "Table 1"}
    text = " ".join(found_in_table(pd.concat([table, pd.DataFrame([paper])], ignore_index=True), []))
    assert "paper" not in text and "is far" in text


def test_the_pearson_r_that_is_said_is_that_of_single_images(tmp_path):
    path = calibration(tmp_path / "c.h5")
    data = read_artifact(path, schemas.CALIBRATION)
    [text] = found_in_calibrations({"cemi": path})
    m = np.broadcast_to(data["m"][:, None, None], data["similarity"].shape[1:]).ravel()
    for similarity, name in zip(data["similarity"], ("the embedder of its loss", "casia"), strict=True):
        assert f"{np.corrcoef(m, similarity.ravel())[0, 1]:.2f} by {name}" in text
    mean = np.corrcoef(data["m"], data["similarity"][0].mean((1, 2)))[0, 1]
    assert text.startswith("Requested and achieved similarity of cemi:") and f"of the mean per m {mean:.2f}." in text


def test_the_leakage_that_is_said_is_the_worst_beside_its_null(tmp_path):
    audits = [
        leakage(tmp_path / f"{name}.h5", mean, name, "casia", "training set")
        for name, mean in (("far", 0.2), ("near", 0.45), ("middle", 0.3))
    ]
    with or_unmeasured(tmp_path / "small.h5", schemas.LEAKAGE):
        raise UnmeasurableError("too few pairs")
    [text] = found_in_leakages([*audits, tmp_path / "small.h5"])
    near, null = (read_artifact(audits[1], schemas.LEAKAGE)[f"{name}_similarity"] for name in ("nearest", "null"))
    assert text.startswith("Of 3 leakage audits") and "images of near match an image of casia (training set)" in text
    assert f"{100 * (near > 0.42).mean():.1f} % [" in text and f"(ffhq), {100 * (null > 0.42).mean():.1f} % do" in text
    assert "no interval to compare" in text and "6 of the images compared by their pixels are the same" in text
    assert found_in_leakages([tmp_path / "small.h5"]) == []


def test_of_many_series_the_first_are_told():
    found = [(f"s{number}", "highest at 0.7: 91.00 %, clear of both ends") for number in range(4)]
    told = found_over_similarity(pd.DataFrame(found + found, columns=["series", "finding"]))
    assert told[0] == "Accuracy over similarity, s0: highest at 0.7: 91.00 %, clear of both ends."
    assert len(told) == 3 and told[2] == "2 more series stand below."


# ── the page ─────────────────────────────────────────────────────────────────────────────────────────────────────────


class Page(HTMLParser):
    """What a page consists of: its text, headings, pictures, tables' first cells, all addresses and tags."""

    def __init__(self, text: str):
        super().__init__()
        self.text, self.headings, self.images, self.addresses, self.tags = "", [], [], [], []
        self.ids: list[str] = []
        self.opened: list[bool] = []  # of what folds: whether it is open
        self.feed(text)

    def handle_data(self, data):
        self.text += data + " "

    def handle_starttag(self, tag, attrs):
        given = dict(attrs)
        self.tags.append(tag)
        self.headings += [int(tag[1])] if re.fullmatch(r"h\d", tag) else []
        self.images += [given] if tag == "img" else []
        self.addresses += [given[name] for name in ("src", "href", "srcset", "action", "data") if name in given]
        self.ids += [given["id"]] if "id" in given else []
        self.opened += ["open" in given] if tag == "details" else []


@pytest.fixture(scope="module")
def results(tmp_path_factory) -> tuple[Path, Contents]:
    """A results folder with a table, one ladder, an audit that could not be made, and names that are markup."""
    folder = tmp_path_factory.mktemp("results")
    for name in ("study", "figures"):
        (folder / name).mkdir()
    rows = [
        Row(label, label, "r", 0, "lfw", verification(folder / f"{wrong}.h5", wrong))
        for label, wrong in (("real", 2), (NASTY, 30))
    ]
    outputs = Outputs(*(folder / f"study/scores.{form}" for form in ("csv", "md", "tex", "h5")), folder / "m.csv")
    score_study(rows, "real", ["lfw"], outputs, published=["cemiface_table1"])
    Image.new("RGB", (40, 30)).save(folder / "figures/ladder.png")
    (folder / "figures/bins.svg").write_text('<svg width="72pt" height="36pt" xmlns="http://www.w3.org/2000/svg"/>')
    for name in ("ladder", "bins", "costs"):
        numbers = pd.DataFrame({"name": [NASTY] * (MOST_ROWS + 5), "value": np.arange(MOST_ROWS + 5) / 3})
        numbers.to_csv(folder / f"figures/{name}.csv", index=False)
    with or_unmeasured(folder / "audit.h5", schemas.DIVERSITY):
        raise UnmeasurableError(f"{NASTY} has too few images")
    ladder = {"title": f"Ladder: {NASTY}", "how": "Rows of ``tiny``.", "picture": "figures/ladder.png"}
    ladder |= {"table": "figures/ladder.csv"}
    bins = {"title": "Bins", "how": f"Of {NASTY}.", "picture": "figures/bins.svg", "table": "figures/bins.csv"}
    scores = {"title": "Study table", "how": "How it is read.", "picture": "", "table": "study/scores.csv"}
    costs = {"title": "Costs", "how": "By rule.", "picture": "", "table": "figures/costs.csv"}
    return folder, Contents(
        title=f"Study {NASTY}",
        question=f"What is {NASTY} worth?",
        sections=[{"heading": "Ladder", "parts": [ladder, bins]}, {"heading": "Table", "parts": [scores, costs]}],
        configuration=f"results: {NASTY}",
        opening=ladder,
        scores="study/scores.csv",
        benchmarks=["lfw"],
        synthetic=[NASTY],
        measures={"diversity of x": "audit.h5"},
        left_out=[f"{NASTY}\udcff.bin not found"],
        made=["2.h5", "audit.h5"],
    )


@pytest.fixture(scope="module")
def page(results) -> Page:
    write_report(results[0] / "report.html", results[1])
    return Page((results[0] / "report.html").read_text(encoding="utf-8"))


def test_names_stay_text(page):
    assert f"{NASTY}\\udcff.bin not found" in page.text
    assert "script" not in page.tags and page.text.count(NASTY) > 10


def test_nothing_is_loaded_from_anywhere(page, results):
    for address in page.addresses:
        assert address.startswith(("data:image/", "#")) or (results[0] / address).is_file(), address
    text = (results[0] / "report.html").read_text(encoding="utf-8")
    assert not re.search(r"https?://|url\(|@import|<link|<script", text)


def test_it_opens_on_the_table_and_what_was_found(page):
    told = page.text.index("What was found", page.text.index("lfw"))
    assert page.text.index("gap, points") < told < page.text.index("AVG 70.00 % [") < page.text.index("Rows of")
    assert "One training seed" in page.text and "diversity of x: <script>" in page.text
    opening = page.text[: page.text.index("Rows of")]
    assert "published" not in opening and "(published)" in page.text
    assert "28.00 [" in page.text  # the gap: 30 and 2 wrong of 100


def test_headings_pictures_and_tables_are_told_to_who_does_not_see(page):
    assert page.headings[0] == 1 and page.headings.count(1) == 1
    assert all(after <= before + 1 for before, after in zip(page.headings, page.headings[1:], strict=False))
    assert len(page.images) == 3 and all(image["alt"] and int(image["width"]) > 0 for image in page.images)
    assert page.images[-1]["width"] == "120"  # of 72 points
    assert page.tags.count("thead") == page.tags.count("table") > 3
    links = {address[1:] for address in page.addresses if address.startswith("#")}
    assert links <= set(page.ids) and len(set(page.ids)) == len(page.ids)


def test_of_a_long_table_the_first_rows_are_there_rounded(page):
    assert f"the first {MOST_ROWS} of {MOST_ROWS + 5} rows" in page.text
    assert f" {(MOST_ROWS - 2) / 3:.4g} " in page.text and f" {(MOST_ROWS + 1) / 3:.4g} " not in page.text


def test_numbers_are_folded_unless_they_are_all_there_is_to_see(page):
    contents, ladder, bins, scores, costs, configuration = page.opened
    assert costs and not any((contents, ladder, bins, scores, configuration))


def test_the_same_study_gives_the_same_bytes(page, results, tmp_path):
    before = (results[0] / "report.html").read_bytes()
    write_report(results[0] / "report.html", results[1])
    assert (results[0] / "report.html").read_bytes() == before


def test_what_the_study_has_not_is_left_out(tmp_path):
    write_report(tmp_path / "report.html", Contents("Study", "What?", [], "results: x"))
    page = Page((tmp_path / "report.html").read_text(encoding="utf-8"))
    assert page.images == [] and "Not measured" not in page.text and "measures nothing" in page.text


def test_large_sheets_become_small(tmp_path):
    noise = np.random.default_rng(0).integers(0, 255, (1200, 1600, 3), np.uint8)
    for name in ("a", "b"):
        Image.fromarray(noise).save(tmp_path / f"{name}.png")
    paths = [tmp_path / "a.png", tmp_path / "b.png"]
    freely = pictures(paths)
    assert {(one.kind, one.width, one.height) for one in freely.values()} == {("JPEG", 1400, 1050)}
    tight = pictures(paths, most=600_000)
    assert sum(len(one.data) for one in tight.values()) < 600_000
    assert all(0 < one.width < 1400 for one in tight.values())


def test_columns_of_numbers_stand_at_the_right():
    rows = [("a", 0.123456, 490623.0, "12 faces"), ("b", None, float("nan"), "3")]
    text = table(rows, ("name", "share", "images", "words"))
    assert "<th scope=row>a</th><td class=n>0.1235</td><td class=n>490623</td><td>12 faces</td>" in text
    assert "<th scope=row>b</th><td class=n></td><td class=n></td><td>3</td>" in text


# ── the plan ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_every_figure_has_one_place():
    placed = [name for names in SECTIONS.values() for name in names]
    assert len(placed) == len(set(placed)) and {figure.rule for figure in FIGURES} <= set(placed)


@pytest.fixture(params=STUDIES, ids=lambda path: path.stem)
def plan(request, monkeypatch) -> Plan:
    monkeypatch.setenv("SEMIHARD_FACES", "/faces")
    return Plan(read_yaml(request.param))


def test_a_report_shows_every_picture_of_its_study_and_reads_nothing_else_of_others(plan):
    contents, inputs = report_contents(plan, ["left out: x"]), report_inputs(plan, [])
    parts = [part for section in contents["sections"] for part in section["parts"]]
    assert {f"{plan.results}/{part['picture']}" for part in parts if part["picture"]} == set(figures_of(plan))
    assert set(figures_of(plan)) <= set(inputs) and all(path.startswith(f"{plan.results}/") for path in inputs)
    assert contents["left_out"] == ["x"] and all(section["parts"][0]["how"] for section in contents["sections"])
    assert not any("{{" in part["how"] or "snakemake" in part["how"] for part in parts)
    assert contents["question"].endswith("?") and len(contents["question"]) < 300


def test_a_change_of_what_is_shown_is_said_in_a_few_letters():
    shown = report_contents(Plan(read_yaml(ROOT / "config.yaml")), [])
    job = pickle.loads(pickle.dumps(shown))
    assert type(job) is dict and job == shown and Contents(**job).scores == "study/scores.csv"
    shown["left_out"] = ["x"]
    assert repr(shown) != repr(type(shown)(job)) and len(repr(shown)) < 50


def test_the_configuration_shown_makes_the_same_study(plan):
    again = Plan(yaml.safe_load(configuration(plan)))
    assert (again.results, again.runs(), again.needed) == (plan.results, plan.runs(), plan.needed)
    assert figures_of(again) == figures_of(plan) and configuration(again) == configuration(plan)
    assert all(again.settings_of(*node) == plan.settings_of(*node) for node in plan.needed)
