"""Every shipped study runs to its table, on rendered stand-ins of its files (`stand_ins`), at a hundredth of its size (`reduced`).

The fast ones are part of `make test`; all of them: `make studies`. At a hundredth, a miniature is its study once more: CI
leaves miniatures out, and, where the machine is slow, what it has no time left for.
"""

import csv
import fcntl
import os
import time

import pytest
import yaml

from semihard.workflow.configuration import read_yaml
from semihard.workflow.figures import pictures
from semihard.workflow.study import Plan
from semihard.workflow.user_files import leave_out_absent_benchmarks
from tests.studies.reduced import SIZES, reduced
from tests.studies.stand_ins import write_all
from tests.workflow.conftest import ROOT, Project, copy_project

CONFIGS = sorted((ROOT / "configs").glob("*.yaml")) + sorted((ROOT / "configs" / "miniature").glob("*.yaml"))
FAST = {
    "configs/lfw_discovery",
    "configs/external",
    "configs/audit",
    "configs/verify",
    "configs/draw",
}  # bins of one image, class weights; every form of face sets; an audit alone, a verification, a face set drawn


UNTIL = float(os.environ.get("SEMIHARD_STUDIES_UNTIL", "inf"))  # seconds of the epoch, when all is to have ended
MINUTES = {
    "configs/ablations": 34,
    "configs/inquiries": 25,
    "configs/cemiface_large": 17,
}  # on a slow machine; the others 9


@pytest.fixture(scope="session")
def project(tmp_path_factory, warm) -> Project:
    """A copy of the project with the files of all studies, which are written once for all processes of a run."""
    base = tmp_path_factory.getbasetemp()
    files = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "stand_ins"
    files.mkdir(exist_ok=True)
    with (files / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (files / "written").exists():
            write_all(files)
            (files / "written").touch()
    project = copy_project(tmp_path_factory.mktemp("studies"), warm)
    for path, size, smaller in SIZES:
        project.edit(f"workflow_scripts/semihard/{path}", size, smaller)
    for name in ("data", "faces", "downloads"):
        (project.folder / name).symlink_to(files / name)
    (project.folder / "home").mkdir()
    return project


def _named(path) -> str:
    return f"{path.parent.name}/{path.stem}"


def _marks(name: str) -> list[pytest.MarkDecorator]:
    marks = [] if name in FAST else [pytest.mark.studies]
    return [*marks, pytest.mark.miniature] if name.startswith("miniature/") else marks


@pytest.mark.parametrize(
    "path",
    [pytest.param(path, marks=_marks(_named(path)), id=_named(path)) for path in CONFIGS],
)
def test_it_runs_to_its_table(project: Project, path, monkeypatch):
    if time.time() + 60 * MINUTES.get(_named(path), 9) > UNTIL:
        pytest.skip("no time left for it before SEMIHARD_STUDIES_UNTIL; `make studies` runs it")
    monkeypatch.setenv("SEMIHARD_FACES", str(project.folder / "faces"))
    monkeypatch.setenv("HOME", str(project.folder / "home"))
    monkeypatch.chdir(project.folder)
    small = reduced(read_yaml(path))
    name = f"{_named(path).replace('/', '-')}.yaml"
    (project.folder / name).write_text(yaml.safe_dump(small, sort_keys=False))
    project.snakemake("--cores", "2", "--resources", "gpu=2", "--configfile", name)
    plan = Plan(small)
    leave_out_absent_benchmarks(plan)
    if plan.runs():
        text = (project.folder / plan.path("scores", form="csv")).read_text(encoding="utf-8")
        rows = list(csv.DictReader(line for line in text.splitlines() if not line.startswith("#")))
        lines = [row for row in rows if not row.get("published")]
        references = [f"{row.embedder} (reference)" for row in plan.references()]
        assert [row["label"] for row in lines] == plan.labels() + references
        assert all(float(row["AVG"]) > 0 and int(row["images"]) > 0 for row in lines if row["faceset"])
    pages = [project.folder / plan.path("page", faceset=name, form="html") for name in plan.audited_facesets()]
    assert all(page.read_text(encoding="utf-8").endswith("</html>\n") for page in pages)
    assert all((project.folder / picture).stat().st_size > 0 for picture in pictures(plan))
