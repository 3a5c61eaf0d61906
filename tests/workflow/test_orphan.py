"""Snakemake is killed, or told to stop twice: neither checkpoint nor model of its training is lost, whatever the next runs do."""

import os
import re
import signal
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.waiting import wait_for
from tests.workflow.conftest import Project, copy_project

STUDY = {
    "results": "results/own",
    "facesets": {"real": {"source": "rendered", "identities": 12, "per_identity": 8}},
    "embedders": {"weights": {"source": "weights", "path": "iresnet18.pt", "layout": "iresnet18"}},
    "recognizers": {
        "tiny": {
            "backbone": "tiny",
            "embedding_dim": 32,
            "image_size": 32,
            "batch": 16,
            "epochs": 150,
            "keep_every": 75,
        }
    },
    "benchmarks": {"held_out": {"source": "rendered", "identities": 20, "pairs": 60}},
    "study": {"real": "real", "recognizer": "tiny", "benchmarks": ["held_out"], "embedder": "weights"},
}
FOLDER = Path("results/own/recognizers/tiny/real/seed0")
MODEL = str(FOLDER / "model.safetensors")
LOG = "results/own/logs/train_recognizer/tiny/real/seed0.log"


@dataclass
class Training:
    """A training in a copy of the project; undisturbed: the files it makes when nobody stops it, in `folder`."""

    project: Project
    undisturbed: dict[str, bytes]

    @property
    def folder(self) -> Path:
        return self.project.folder / FOLDER

    @property
    def checkpoint(self) -> Path:
        return self.project.folder / f"{MODEL}.resume"

    def begin(self, target: str = MODEL, **how: object) -> tuple[subprocess.Popen, int]:
        """Snakemake and the process of the training, which makes steps."""
        for path in self.undisturbed:
            (self.folder / path).unlink(missing_ok=True)
        log, lock = self.project.folder / LOG, self.checkpoint.with_suffix(".resume.lock")
        log.unlink(missing_ok=True)
        snakemake = self.project.start("--cores", "1", target, **how)
        wait_for(lambda: log.exists() and "beginning at step" in log.read_text(encoding="utf-8"), "first step", 60)
        return snakemake, int(lock.read_text(encoding="utf-8").split()[0])

    def check_goes_on(self, process: int) -> None:
        """Once the process has ended, there is a checkpoint; the next run goes on there and makes the same files."""
        wait_for(lambda: not Path(f"/proc/{process}").exists(), "end of the training", 60)
        assert (self.checkpoint / "state.pt").exists() and not (self.folder / "model.safetensors").exists()
        self.project.snakemake("--cores", "1", MODEL)
        said = (self.project.folder / LOG).read_text(encoding="utf-8")
        assert re.search(r"going on from step \d+ of 900", said), said
        assert files_of(self.folder) == self.undisturbed


@pytest.fixture(scope="module")
def training(tmp_path_factory) -> Training:
    project = copy_project(tmp_path_factory.mktemp("training"))
    project.configure(STUDY)
    (project.folder / "iresnet18.pt").touch()
    project.snakemake("--cores", "1", MODEL)
    made = files_of(project.folder / FOLDER)
    assert set(made) == {"model.safetensors", "history.h5"} | {f"epochs/epoch{n:04}.safetensors" for n in (75, 150)}
    return Training(project, made)


def test_snakemake_is_killed_and_its_training_is_not(training):
    """The training is held up while a second run finds the folder locked: it is refused, and nothing is lost by what
    Snakemake removes. Let go, the training finds that nobody waits for it, saves and stops; a third run ends it."""
    project = training.project
    first, process = training.begin()
    os.kill(process, signal.SIGSTOP)
    try:
        first.kill()
        first.wait()
        said = project.snakemake("--cores", "1", MODEL, check=False)
        assert "Directory cannot be locked" in said and "--unlock" in said, said
        project.snakemake("--unlock", "--cores", "1", MODEL)

        refused = project.snakemake("--cores", "1", MODEL, check=False)
        sentences = [line for line in refused.splitlines() if "train_recognizer: " in line]
        assert re.search(
            rf"model\.safetensors\.resume: process {process} on \S+ is at work in it; wait until", sentences[0]
        )
        assert "Traceback" not in refused and (training.checkpoint / "key").exists()
    finally:
        os.kill(process, signal.SIGCONT)
    training.check_goes_on(process)


def test_ctrl_c_twice(training):
    """As a terminal sends it: to Snakemake, the shells and the training at once, and again while they are ending."""
    snakemake, process = training.begin(start_new_session=True)
    for _ in range(2):
        os.killpg(snakemake.pid, signal.SIGINT)
        time.sleep(0.3)
    said, _ = snakemake.communicate()
    assert snakemake.returncode, said
    training.check_goes_on(process)


def test_snakemake_is_told_to_stop(training):
    """What runs is let finish, and nothing is begun after it; the next run does the rest."""
    project, verified = training.project, "results/own/verification/recognizers/tiny/real/seed0/held_out.h5"
    snakemake, _ = training.begin(verified)
    snakemake.terminate()
    said, _ = snakemake.communicate()
    assert snakemake.returncode and "Will exit after finishing currently running jobs" in said, said
    assert files_of(training.folder) == training.undisturbed
    assert not (project.folder / verified).exists()
    project.snakemake("--cores", "1", verified)
    assert (project.folder / verified).exists()


def files_of(folder: Path) -> dict[str, bytes]:
    """The files below `folder` by their path there, without Snakemake's own."""
    files = [path for path in folder.rglob("*") if path.is_file() and path.name != ".snakemake_timestamp"]
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}
