"""`--sdm conda`: each job by the Python of its rule's environment, which has what envs/*.yaml name and nothing else."""

import os
import re
import subprocess
import sysconfig
from pathlib import Path

import pytest

from tests.conda_stand_in import conda_program, create
from tests.unit.test_dependencies import ENVIRONMENTS, reached, scripts_of
from tests.workflow.conftest import ROOT, Project, copy_project
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


@pytest.mark.parametrize("path", ENVIRONMENTS, ids=lambda path: path.stem)
def test_an_environment_imports_all_that_its_scripts_do(path, tmp_path):
    """Beside Snakemake's own packages, which a job finds named but cannot import, as with another Python than Snakemake's."""
    create(path, tmp_path / "environment")
    modules = {module for script in scripts_of(path.stem) for module in reached(script) if not module.endswith(".py")}
    program = (
        f"import importlib, sys; sys.path += [{str(ROOT / 'workflow_scripts')!r}, {sysconfig.get_path('purelib')!r}]\n"
    )
    program += f"for name in ['semihard', *{sorted(modules - {'snakemake'})}]: importlib.import_module(name)"
    done = subprocess.run([tmp_path / "environment/bin/python", "-c", program], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


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
