"""What the Dockerfile makes: the lock file's packages, a study run in it, and jobs that Snakemake runs in it."""

import os
import re
import shutil
from collections.abc import Iterator

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.version import Version

from tests.image.container import ROOT, Image, missing
from tests.workflow.conftest import copy_project
from tests.workflow.test_packaging import STUDY


@pytest.fixture(scope="session")
def image(tmp_path_factory) -> Iterator[Image]:
    if reason := missing():
        pytest.skip(reason)
    folder = tmp_path_factory.mktemp("image")
    one = Image(folder)
    try:
        one.build()
        yield one
    finally:
        shutil.rmtree(folder, ignore_errors=True)  # of gigabytes


def test_the_image_has_what_the_lock_file_has(image):
    python = image.run("python", "-c", "import platform; print(platform.python_version())")
    cuda = {"triton", *(ROOT / "envs/cuda-packages.txt").read_text(encoding="utf-8").split()}
    frozen = [Requirement(line) for line in image.run(".venv/bin/uv", "pip", "freeze").splitlines()]
    held = {item.name: Version(next(iter(item.specifier)).version).public for item in frozen}
    lock = map(Requirement, (ROOT / "requirements.txt").read_text(encoding="utf-8").splitlines())
    where = {"python_version": python.rpartition(".")[0], "python_full_version": python}
    wanted = {
        item.name: next(iter(item.specifier)).version for item in lock if not item.marker or item.marker.evaluate(where)
    }
    assert {name: held.get(name) for name in wanted} == wanted
    assert set(held) - set(wanted) - cuda == {"pip", "uv"}


def test_nothing_is_installed_when_it_starts(image):
    assert "uv pip install" not in image.run("make", "--dry-run", "demo")


def test_a_study_of_ones_own_runs_in_the_image(image, tmp_path):
    """By the page's command, as somebody whom the image does not know."""
    command = re.search(
        r"docker run --rm (.*?) semihard \\\n +(.*)", (ROOT / "docs/packaging.md").read_text(encoding="utf-8")
    )
    options = command[1].replace('"$(id -u):$(id -g)"', "12345:12345").replace("$PWD", str(tmp_path)).replace('"', "")
    options = options.replace("--workdir", "--workingdir")
    (tmp_path / "my_study.yaml").write_text(yaml.safe_dump(STUDY), encoding="utf-8")
    os.chown(tmp_path, 12345, 12345)
    image.run(*command[2].split(), options=tuple(options.split()))
    table = tmp_path / "results/faces/study/scores.md"
    assert "| real |" in table.read_text(encoding="utf-8") and table.stat().st_uid == 12345


def test_snakemake_runs_jobs_in_the_image(image, tmp_path, monkeypatch, warm):
    """Snakemake here, its jobs' Python and packages there; this library is the checkout's, which is the folder of the study."""
    (tmp_path / "programs").mkdir()
    monkeypatch.setenv("PATH", f"{image.apptainer(tmp_path / 'programs')}:{os.environ['PATH']}")
    (tmp_path / "project").mkdir()
    project = copy_project(tmp_path / "project", warm)
    project.configure(STUDY)
    said = project.snakemake("--cores", "1", "--sdm", "apptainer")
    assert "Activating singularity image semihard.sif" in said
    assert (project.folder / "results/faces/study/scores.md").is_file()
