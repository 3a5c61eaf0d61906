"""docs/extending.md, word for word: a thing of every kind is added from outside, and a study uses them all."""

import re
import textwrap

import numpy as np
import pandas as pd
import pytest
import torch
import yaml
from PIL import Image

from semihard.sources.rendered.stream import rendered_faces
from semihard.storage import schemas
from semihard.storage.artifacts import read_artifact
from semihard.storage.faceset import FaceSet
from tests.workflow.conftest import ROOT, Project, copy_project

FILES_AT_MOST = 3
BLOCK = re.compile(r"^(?:In )?`([^`]+)`(?:, above `([^`]+)`|, from the top)?:\n\n```\w+\n(.*?)^```", re.M | re.S)


def sections() -> dict[str, list[tuple[str, str, str]]]:
    """Kind of thing → the path, anchor and text of each of its blocks."""
    parts = re.split(r"^## (.*)\n", (ROOT / "docs/extending.md").read_text(), flags=re.M)
    blocks = {title: BLOCK.findall(text) for title, text in zip(parts[1::2], parts[2::2], strict=True)}
    return {title: found for title, found in blocks.items() if found}


def study() -> dict:
    """The study at the page's end."""
    return yaml.safe_load(re.findall(r"^```yaml\n(.*?)^```", (ROOT / "docs/extending.md").read_text(), re.M | re.S)[-1])


def write(project: Project, blocks: list[tuple[str, str, str]]) -> None:
    """Do in the copy what the page says."""
    for path, anchor, text in blocks:
        file = project.folder / (path if path.startswith("report/") else f"workflow_scripts/semihard/{path}")
        if anchor:
            before = file.read_text()
            assert before.count(anchor) == 1, (path, anchor)
            margin = anchor[: len(anchor) - len(anchor.lstrip())]
            file.write_text(before.replace(anchor, f"{textwrap.indent(text, margin)}\n{anchor}"))
        else:
            assert not file.exists(), path
            file.parent.mkdir(exist_ok=True)
            file.write_text(text)


def write_data(project: Project) -> None:
    """Weights of the linear backbone under other people's names, pairs in a CSV file, and photographs with labels."""
    torch.manual_seed(0)
    layer = torch.nn.Linear(3 * 8 * 8, 16)
    weights = {f"projection.{name}": value.detach() for name, value in layer.named_parameters()}
    torch.save(weights, project.folder / "linear.pt")
    images = np.concatenate([batch.images for batch in rendered_faces(8, 2, 900, size=32)])
    names = [f"{k // 2}/{k % 2}.png" for k in range(16)]
    for name, image in zip(names, images, strict=True):
        (project.folder / name).parent.mkdir(exist_ok=True)
        Image.fromarray(image).save(project.folder / name)
    for name, image in zip(names, images, strict=True):
        (project.folder / "photos" / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(project.folder / "photos" / name)
    words = "".join(f"{name},{('yes', 'no', '')[k % 3]}\n" for k, name in enumerate(names))
    (project.folder / "words.csv").write_text(f"photograph,wearing hat\n{words}")
    genuine = [(names[k], names[k + 1], 1, k % 4 // 2) for k in range(0, 16, 2)]
    impostor = [(names[k], names[k - 2], 0, k % 4 // 2) for k in range(0, 16, 2)]
    table = pd.DataFrame(genuine + impostor, columns=["first", "second", "same", "fold"])
    table.to_json(project.folder / "pairs.jsonl", orient="records", lines=True)


def test_each_kind_touches_few_files():
    kinds = sections()
    assert len(kinds) == 9
    for kind, blocks in kinds.items():
        assert len({path for path, _, _ in blocks}) <= FILES_AT_MOST, kind


@pytest.fixture(scope="module")
def extended(tmp_path_factory, warm) -> Project:
    """The project with one more of everything, and its study run to the end."""
    project = copy_project(tmp_path_factory.mktemp("extended"), warm)
    for blocks in sections().values():
        write(project, blocks)
    write_data(project)
    project.configure(study())
    project.snakemake("--cores", "2")
    return project


def test_a_study_uses_one_more_of_everything(extended):
    results = extended.folder / "results/extended"
    scores = pd.read_csv(results / "study/scores.csv", comment="#")
    assert {"real", "synthetic"} <= set(scores["faceset"])
    assert scores["listed"].between(0, 100).all()
    assert len(FaceSet(results / "facesets/nobody.h5")) == 12
    told = FaceSet(results / "facesets/told.h5").column("attribute_Wearing_Hat")
    assert told.tolist() == [(1, 0, -1)[k % 3] for k in range(16)]
    counts = pd.read_csv(results / "figures/counts/synthetic.csv")
    assert (counts["images"] * counts["identities"]).sum() == len(FaceSet(results / "facesets/synthetic.h5"))
    report = (results / "report.html").read_text(encoding="utf-8")
    assert "<h2>Further figures</h2>" in report and "<h3>Images per identity: synthetic</h3>" in report
    assert (
        read_artifact(results / "generators/similar/calibration.h5", schemas.CALIBRATION)["similarity"].shape[1] == 21
    )
    assert extended.would_run() == {}


def test_a_new_knob_that_is_switched_off_makes_nothing_anew(extended):
    knob = '    newest: {} = Field({}, description="New.")\n'
    for path, anchor, kind in (
        (
            "generator/settings.py",
            '    @field_validator("angular_perturbation", mode="before")\n',
            ("float | None", "None"),
        ),
        ("recognizer/settings.py", '    @model_validator(mode="before")\n', ("int", "0")),
        ("sources/settings.py", "class SubsetFaces(FaceSetSettings):\n", ("bool", "False")),
    ):
        file = extended.folder / "workflow_scripts/semihard" / path
        text = file.read_text()
        assert text.count(anchor) == 1
        before = f"{knob.format(*kind)}\n\n" if anchor.startswith("class") else f"{knob.format(*kind)}\n"
        file.write_text(text.replace(f"\n\n{anchor}" if anchor.startswith("class") else anchor, f"{before}{anchor}"))
    assert extended.would_run() == {}


def test_the_operator_changed_the_conditions(extended):
    """Without it the same faces are drawn from other conditions: the images differ, and nothing else runs again."""
    config = study()
    del config["facesets"]["synthetic"]["toward_mean"]
    extended.configure(config)
    assert "select_inquiries" not in extended.would_run() and "synthesize" in extended.would_run()


@pytest.mark.parametrize(
    ("path", "text", "sentence"),
    [
        ("generator/methods/huber/settings.py", "class (", r"methods/huber/settings\.py, line 1: invalid syntax"),
        ("generator/methods/huber/method.py", "\ndef (", r"methods/huber/method\.py, line 2: invalid syntax"),
        ("recognizer/heads/broken.py", "x = = 1", r"heads/broken\.py, line 1: invalid syntax"),
        (
            "recognizer/backbones/second.py",
            'NAMES = {"linear": {}}\n',
            r"backbones/second\.py: 'linear' is the name of linear\.py in the same folder, too; give one another name",
        ),
        ("generator/methods/huber/method.py", "x = 1\n", r"methods/huber/method\.py: has no '\w+'"),
        ("generator/methods/huber/settings.py", "import nothing_like_it\n", "huber.settings: cannot be imported"),
        ("generator/methods/half/method.py", "x = 1\n", r"methods/half: has no __init__\.py"),
        ("recognizer/backbones/linear.py", "", r"backbones/linear\.py: has no 'Backbone'; docs/extending\.md says"),
        ("figures/counts.py", "x = 1\n", r"figures/counts\.py: has no 'plot_counts'"),
        (
            "generator/methods/huber/settings.py",
            "from semihard.generator.settings import Diffusion\n",
            r"methods/huber/settings\.py: defines 0 classes derived from Diffusion, expected one",
        ),
    ],
)
def test_what_cannot_be_added_is_said_in_one_line(extended, path, text, sentence):
    file = extended.folder / "workflow_scripts/semihard" / path
    before = file.read_text() if file.exists() else None
    file.parent.mkdir(exist_ok=True)
    file.write_text(text)
    try:
        said = extended.snakemake("-n", check=False)
    finally:
        file.unlink() if before is None else file.write_text(before)
        if not any(file.parent.iterdir()):
            file.parent.rmdir()
    assert len([line for line in said.splitlines() if re.search(sentence, line)]) == 1
    assert "workflow_scripts/semihard/workflow" not in said  # no trace of ours
