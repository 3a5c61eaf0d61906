"""The pages by task: every command on them is run as it is written, and the site of all pages is built."""

import re
import shlex
import shutil
import subprocess
import sys

import pytest
import torch
import yaml

from semihard.recognizer.backbone import build_backbone
from semihard.recognizer.model_file import EmbedderSpec, save_model
from semihard.workflow.configuration import read_yaml
from tests.studies.reduced import reduced
from tests.studies.stand_ins import write_backbone, write_benchmark, write_folder, write_pipeline
from tests.workflow.conftest import ROOT, SMALL, Project, give_make

PAGES = ("verify", "audit", "draw", "train", "cluster", "formats")
NOT_WRITTEN_OUT = {"--cores all": "--cores 2", "results/demo": SMALL["results"]}  # the demo is the small study here


def commands(page: str) -> list[str]:
    blocks = re.findall(r"^```sh\n(.*?)^```", (ROOT / f"docs/{page}.md").read_text(encoding="utf-8"), re.M | re.S)
    lines = "".join(blocks).replace("\\\n", " ").splitlines()
    return [line.split("  #")[0].strip() for line in lines if line.strip()]


@pytest.fixture(scope="module")
def project(finished: Project, tmp_path_factory) -> Project:
    """A finished study, with what the pages' readers have in hand."""
    folder = tmp_path_factory.mktemp("pages") / "copy"
    shutil.copytree(finished.folder, folder)
    project = Project(folder, finished.python)
    give_make(project)
    write_backbone(folder / "backbone.pth", (112, 112), 512, "iresnet50")
    (folder / "data").mkdir()
    (folder / "data/backbone.pth").symlink_to(folder / "backbone.pth")
    network, spec = build_backbone("mbf", (112, 112), 64).eval(), EmbedderSpec("mbf", (112, 112), 64)
    save_model(folder / "model.safetensors", network, spec)
    batch = {0: torch.export.Dim("n")}
    torch.onnx.export(
        network, (torch.randn(2, 3, 112, 112),), folder / "model.onnx", dynamic_shapes=(batch,), external_data=False
    )
    for name in ("lfw", "cfp_fp"):
        write_benchmark(folder / f"{name}.bin", 20, 70_000)
        write_benchmark(folder / f"data/faces_webface_112x112/{name}.bin", 20, 71_000)
    write_folder(folder / "data/inquiries_112x112", ((12, 2),), 72_000)
    write_pipeline(folder / "data/pipeline")
    (folder / "data/my_faces/person").mkdir(parents=True)
    for name in (
        "faces_fairface_112x112/train.rec",
        "faces_fairface_112x112/labels.csv",
        "faces_lfw_train_112x112/train.rec",
    ):
        (folder / "faces" / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / "faces" / name).touch()
    (folder / "faces/weights").mkdir()
    (folder / "faces/weights/xface_mobilefacenet512_sd.pt").touch()
    return project


def run(project: Project, command: str) -> None:
    """Run a command of a page: a study of configs/ at a hundredth of its size, the reader's own as the one that is finished.
    What is for a cluster, and the audit, which tests/studies runs to its end, are dry-run."""
    for said, meant in NOT_WRITTEN_OUT.items():
        command = command.replace(said, meant)
    program, *words = shlex.split(command)
    if program == "cp":
        shutil.copy2(project.folder / words[0], project.folder / words[1])
    elif program == "make":
        subprocess.run(["make", *words], cwd=project.folder, check=True, stdout=subprocess.PIPE)
    else:
        assert program == "snakemake", command
        if "--configfile" in words:
            at = words.index("--configfile") + 1
            own = words[at] == "my_study.yaml"
            small = SMALL if own else reduced(read_yaml(project.folder / words[at]))
            words[at] = f"{words[at].replace('/', '_')}.small.yaml"
            (project.folder / words[at]).write_text(yaml.safe_dump(small, sort_keys=False), encoding="utf-8")
        dry = {"profiles/slurm", "configs_audit.yaml.small.yaml"} & set(words)
        project.snakemake(*(["-n"] if dry else []), *words)


@pytest.mark.parametrize("page", PAGES)
def test_every_command_of_a_page_works(project, page, monkeypatch):
    monkeypatch.setenv("SEMIHARD_FACES", str(project.folder / "faces"))
    for command in commands(page):
        run(project, command)


def test_pages_have_commands():
    assert {page: len(commands(page)) for page in PAGES} == {
        "verify": 5, "audit": 1, "draw": 2, "train": 4, "cluster": 1, "formats": 5,
    }  # fmt: skip


def test_the_site_is_built_and_all_its_links_lead_somewhere(tmp_path):
    """`strict` in mkdocs.yml makes a link to nowhere, and a page that is in no menu, a failure."""
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--site-dir", str(tmp_path)], cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    pages = {path.stem for path in (ROOT / "docs").glob("*.md")}
    assert pages <= {path.stem for path in tmp_path.glob("*.html")}
    for path in tmp_path.glob("*.html"):
        fetched = re.findall(
            r'<(?:link|script|img)[^>]+(?:href|src)="(https?://[^"]+)"', path.read_text(encoding="utf-8")
        )
        assert not [url for url in fetched if "canonical" not in url], path
