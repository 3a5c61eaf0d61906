"""Snakemake is killed and its training is not: neither its checkpoint nor its model is lost, whatever the next runs do."""

import os
import re
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.workflow.conftest import copy_project

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


def test_snakemake_is_killed_and_its_training_is_not(tmp_path):
    """The training is held up while a second run finds the folder locked: it is refused, and nothing is lost by what
    Snakemake removes. Let go, the training finds that nobody waits for it, saves and stops; a third run ends it."""
    project = copy_project(tmp_path)
    project.configure(STUDY)
    (tmp_path / "iresnet18.pt").touch()
    folder, lock = tmp_path / FOLDER, tmp_path / f"{MODEL}.resume.lock"
    project.snakemake("--cores", "1", MODEL)
    undisturbed = files_of(folder)
    assert set(undisturbed) == {"model.safetensors", "history.h5"} | {
        f"epochs/epoch{n:04}.safetensors" for n in (75, 150)
    }
    for path in undisturbed:
        (folder / path).unlink()

    first = project.start("--cores", "1", MODEL)
    waited(lambda: lock.exists() and (tmp_path / f"{MODEL}.resume/key").exists())
    time.sleep(1.5)
    training = int(lock.read_text(encoding="utf-8").split()[0])
    os.kill(training, signal.SIGSTOP)
    try:
        first.kill()
        first.wait()
        said = project.snakemake("--cores", "1", MODEL, check=False)
        assert "Directory cannot be locked" in said and "--unlock" in said, said
        project.snakemake("--unlock", "--cores", "1", MODEL)

        refused = project.snakemake("--cores", "1", MODEL, check=False)
        sentences = [line for line in refused.splitlines() if "train_recognizer: " in line]
        assert re.search(
            rf"model\.safetensors\.resume: process {training} on \S+ is at work in it; wait until", sentences[0]
        )
        assert "Traceback" not in refused and (tmp_path / f"{MODEL}.resume/key").exists()
    finally:
        os.kill(training, signal.SIGCONT)
    waited(lambda: not Path(f"/proc/{training}").exists())
    assert (tmp_path / f"{MODEL}.resume/state.pt").exists() and not (folder / "model.safetensors").exists()

    project.snakemake("--cores", "1", MODEL)
    assert re.search(r"going on from step \d+ of 900", (tmp_path / LOG).read_text(encoding="utf-8"))
    assert files_of(folder) == undisturbed


def files_of(folder: Path) -> dict[str, bytes]:
    """The files below `folder` by their path there, without Snakemake's own."""
    files = [path for path in folder.rglob("*") if path.is_file() and path.name != ".snakemake_timestamp"]
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


def waited(condition: Callable[[], bool]) -> None:
    for _ in range(1200):
        if condition():
            return
        time.sleep(0.05)
    pytest.fail("nothing came in a minute")
