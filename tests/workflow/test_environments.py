"""`--sdm conda`: each job by the Python of its rule's environment, which has what envs/*.yaml name and nothing else."""

import os
import re
from pathlib import Path

import pytest

from tests.conda_stand_in import conda_program
from tests.unit.test_dependencies import ENVIRONMENTS, scripts_of
from tests.workflow.conftest import Project, copy_project
from tests.workflow.test_packaging import STUDY

CONDA = ("--sdm", "conda")


@pytest.fixture(scope="module")
def by_conda(tmp_path_factory, warm) -> Project:
    """A study, run in environments."""
    folder = tmp_path_factory.mktemp("conda")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PATH", f"{conda_program(folder)}:{os.environ['PATH']}")
        project = copy_project(folder, warm)
        project.configure(STUDY)
        project.snakemake("--cores", "2", *CONDA)
        yield project


def environment(project: Project, name: str) -> Path:
    """Where Snakemake made the environment of envs/<name>.yaml."""
    text = (project.folder / f"envs/{name}.yaml").read_bytes()
    [copy] = [file for file in (project.folder / ".snakemake/conda").glob("*.yaml") if file.read_bytes() == text]
    return copy.with_suffix("")


@pytest.mark.parametrize("name", [path.stem for path in ENVIRONMENTS])
def test_jobs_run_in_the_environment_of_their_rule(by_conda, name):
    text = (by_conda.folder / f"envs/{name}.yaml").read_bytes()
    [copy] = [file for file in (by_conda.folder / ".snakemake/conda").glob("*.yaml") if file.read_bytes() == text]
    started = Path(f"{copy.with_suffix('')}.started").read_text(encoding="utf-8")
    scripts = set(re.findall(r"scripts/tmp\w+\.(\w+\.py)$", started, re.M))
    assert scripts and scripts <= set(scripts_of(name))


def test_only_the_software_makes_a_result_anew(by_conda):
    """Which is of another kind without the environments."""
    assert by_conda.would_run(*CONDA) == {}
    assert by_conda.would_run("--", "results/faces/facesets/real.h5") == {"render_faces": 1}
