"""The page of an audited set and its JSON: what the artifacts say, and nothing that is not there."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from semihard.attributes.comparison import compare_attributes
from semihard.errors import UnmeasurableError
from semihard.storage import schemas
from semihard.storage.artifacts import or_unmeasured, read_artifact, write_artifact
from semihard.storage.faceset import FaceSetWriter
from semihard.storage.provenance import Provenance
from semihard.study_table.face_set_page import describe_face_set
from tests.unit.test_attribute_comparison import annotated, population
from tests.unit.test_figures import diversity, duplicates, leakage
from tests.unit.test_report import Page


@pytest.fixture(scope="module")
def described(tmp_path_factory) -> tuple[Path, dict, Page]:
    folder = tmp_path_factory.mktemp("page")
    attrs = {"licence": "CC BY 4.0 <b>", "source": "somewhere"}
    with FaceSetWriter(folder / "mine.h5", (8, 8), "raw", Provenance("import_faces", {"path": "x"}), attrs) as writer:
        names = ["a", "a", "a", "b", "", "c", "c"]
        columns = {"inquiry_copy": np.array([0, 0, 1, 0, 0, 0, 0], np.int8)}
        writer.add(np.zeros((7, 8, 8, 3), np.uint8), names, columns)
    data = {"features": ["embedding"], "name": ["coverage", "frechet_distance"], "count": [7]}
    data |= {"value": [[0.5, np.nan]], "null": [[0.9, 0.01]]}
    write_artifact(folder / "fidelity.h5", schemas.FIDELITY, data)
    (folder / "leakage").mkdir()
    with or_unmeasured(folder / "leakage" / "small.h5", schemas.LEAKAGE):
        raise UnmeasurableError("too few pairs")
    sets = {
        "real": annotated(folder / "r.h5", *population(600, 0)),
        "mine": annotated(folder / "m.h5", *population(600, 1)),
    }
    tables = {name: folder / f"{name}.csv" for name in ("sets", "pairs", "together", "along")}
    compare_attributes(sets, ["real"], [], 100, tables)
    Image.new("RGB", (4, 4)).save(folder / "sheet.png")
    describe_face_set(
        folder / "mine.h5",
        {"page": folder / "mine.html", "json": folder / "mine.json"},
        [
            leakage(folder / "leakage" / "casia.h5", 0.31, "mine", "casia", "training set"),
            folder / "leakage" / "small.h5",
        ],
        duplicates(folder / "duplicates.h5", 0.1),
        diversity(folder / "diversity.h5", 0.5),
        folder / "fidelity.h5",
        tables,
        [folder / "sheet.png"],
    )
    return folder, json.loads((folder / "mine.json").read_text()), Page((folder / "mine.html").read_text())


def test_the_facts_are_those_of_the_set(described):
    facts = described[1]["facts"]
    assert (facts["images"], facts["identities"], facts["unlabelled_images"], facts["inquiry_copies"]) == (6, 3, 1, 1)
    assert facts["images_per_identity_median"] == 2 and facts["settings"] == {"path": "x"}


def test_every_number_is_that_of_its_artifact(described):
    folder, found, _ = described
    data = read_artifact(folder / "leakage" / "casia.h5", schemas.LEAKAGE)
    value = dict(zip(data["name"], data["value"], strict=True))
    part = found["leakage"]["casia"]
    assert part["matching"] == {
        "value": value["matching"],
        "low": data["interval"][0, 0],
        "high": data["interval"][0, 1],
    }
    assert part["role"] == "training set" and part["copied"]["low"] is None
    assert found["leakage"]["small"] == {"unmeasured": "too few pairs"}
    assert found["fidelity"]["embedding"]["frechet_distance"] == {"value": None, "null": 0.01}
    assert {row["attribute"] for row in found["attributes"]} == {"Hat", "Beard", "Male"}
    assert all(row["faceset"] == "mine" for row in found["attributes"])
    assert {row["kind"] for row in found["divergence"]} == {"tree", "sum"}
    assert {"consistency", "uniqueness"} <= set(found["diversity"])


def test_the_page_says_the_same_and_needs_nothing_else(described):
    _, found, page = described
    assert "What is mine?" in page.text and "CC BY 4.0 <b>" in page.text, "escaped, and so shown"
    share = 100 * found["leakage"]["casia"]["matching"]["value"]
    assert f"{share:.1f} % of its images match one of the reference (training set)" in page.text
    assert "Not measured: too few pairs" in page.text and "no difference beyond the floor" in page.text
    assert page.addresses and all(link.startswith("data:image/png;base64,") for link in page.addresses)


def test_a_set_of_which_nothing_else_is_known_has_a_page(tmp_path):
    with FaceSetWriter(tmp_path / "x.h5", (8, 8), "raw") as writer:
        writer.add(np.zeros((2, 8, 8, 3), np.uint8), ["", ""])
    describe_face_set(tmp_path / "x.h5", {"page": tmp_path / "x.html", "json": tmp_path / "x.json"})
    assert json.loads((tmp_path / "x.json").read_text())["facts"]["identities"] == 0
