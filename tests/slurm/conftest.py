"""One SLURM for all tests here, and folders with the project to run on it."""

import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.slurm.cluster import CPUS, MEMORY, Cluster, missing
from tests.waiting import wait_for
from tests.workflow.conftest import Project, copy_project

PROFILE = "profiles/slurm/config.yaml"
QUICK = ("--slurm-init-seconds-before-status-checks", "2", "--seconds-between-status-checks", "2")


@pytest.fixture(scope="session")
def cluster(tmp_path_factory) -> Iterator[Cluster]:
    """The cluster, with nothing in its queue."""
    if reason := missing():
        pytest.skip(reason)
    one = Cluster(tmp_path_factory.mktemp("slurm"))
    try:
        one.start()
        yield one
    finally:
        one.stop()


def fit_to(project: Project) -> Project:
    """Write into the profile what the nodes have, as its user does; one thread a job, as results depend on their number."""
    for line, value in (("most_threads=16", 1), ("most_mem_mb=64000", MEMORY // CPUS), ("most_runtime=2880", 60)):
        project.edit(PROFILE, line, f"{line.partition('=')[0]}={value}")
    return project


@dataclass
class Run:
    """A Snakemake that submits to the cluster."""

    process: subprocess.Popen
    output: Path

    def said(self) -> str:
        """What it has printed by now."""
        return self.output.read_text(encoding="utf-8", errors="replace")

    def ended(self, seconds: float = 300) -> str:
        """What it printed, when it has ended well."""
        assert self.process.wait(seconds) == 0, self.said()[-6000:]
        return self.said()

    def failed(self, seconds: float = 300) -> str:
        """What it printed, when it has ended badly."""
        assert self.process.wait(seconds) == 1, self.said()[-6000:]
        return self.said()


def submit(project: Project, cluster: Cluster, *arguments: str) -> Run:
    """Start Snakemake with the SLURM profile, in the background."""
    output = project.folder / "snakemake.out"
    command = [sys.executable, "-m", "snakemake", "--workflow-profile", "profiles/slurm", *QUICK, *arguments]
    with output.open("wb") as out:
        process = subprocess.Popen(
            command, cwd=project.folder, env=cluster.environment, stdout=out, stderr=out, start_new_session=True
        )
    return Run(process, output)


@pytest.fixture(scope="session")
def trained(tmp_path_factory) -> Project:
    """A recognizer that was trained undisturbed, without a cluster."""
    project = copy_project(tmp_path_factory.mktemp("trained"))
    project.configure(TRAINING)
    project.snakemake("--cores", "1", MODEL)
    return project


@pytest.fixture
def project(trained: Project, tmp_path: Path, cluster: Cluster) -> Project:
    """The same before the training, in a folder of its own, to be trained on the cluster."""
    copy = fit_to(copy_project(tmp_path))
    copy.configure(TRAINING)
    for part in (".snakemake/metadata", f"{RESULTS}/facesets"):
        shutil.copytree(trained.folder / part, copy.folder / part)
    cluster.clear()
    return copy


def wait_until_under_way(project: Project, run: Run) -> None:
    """Until the training makes steps, and saves when it is asked to stop. Fails where Snakemake ends before."""
    log = project.folder / LOG

    def reached() -> bool:
        assert run.process.poll() is None, run.said()[-6000:]
        return log.exists() and "beginning at step" in log.read_text(encoding="utf-8")

    wait_for(reached, "training under way")


RESULTS = "results/training"
MODEL = f"{RESULTS}/recognizers/tiny/real/seed0/model.safetensors"
LOG = f"{RESULTS}/logs/train_recognizer/tiny/real/seed0.log"
TRAINING = {
    "results": RESULTS,
    "facesets": {"real": {"source": "rendered", "identities": 20, "per_identity": 10}},
    "recognizers": {
        "tiny": {
            "backbone": "tiny",
            "embedding_dim": 64,
            "image_size": 32,
            "batch": 50,
            "epochs": 60,
            "milestones": [30],
        }
    },
    "benchmarks": {"held_out": {"source": "rendered", "identities": 20, "pairs": 60}},
    "embedders": {"own": {"source": "recognizer", "recognizer": "tiny", "trained_on": "real"}},
    "study": {"real": "real", "recognizer": "tiny", "benchmarks": ["held_out"], "embedder": "own"},
}
