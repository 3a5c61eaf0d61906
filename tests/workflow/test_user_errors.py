"""What a user meets when something of theirs is wrong: one sentence, in real runs of Snakemake."""

import os
import re
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.workflow.conftest import Project, copy_project

STUDY = {
    "results": "results/own",
    "facesets": {"real": {"source": "folder", "path": "photos"}},
    "embedders": {"weights": {"source": "weights", "path": "iresnet18.pt", "layout": "iresnet18"}},
    "recognizers": {"tiny": {"backbone": "tiny", "embedding_dim": 32, "batch": 4, "epochs": 1, "milestones": [1]}},
    "benchmarks": {"held_out": {"source": "rendered", "identities": 20, "pairs": 60}},
    "study": {"real": "real", "recognizer": "tiny", "benchmarks": ["held_out"], "embedder": "weights"},
}
FACES = "results/own/facesets/real.h5"


@pytest.fixture
def project(tmp_path, warm) -> Project:
    """A study of the user's own folder, three people with two photographs each."""
    return of_three_people(tmp_path, warm, STUDY)


def of_three_people(folder: Path, python: Path, study: dict) -> Project:
    """The project with this study and the files that STUDY names."""
    project = copy_project(folder, python)
    project.configure(study)
    (folder / "iresnet18.pt").touch()
    for identity in range(3):
        (folder / "photos" / f"p{identity}").mkdir(parents=True)
        for number in range(2):
            photograph(project, identity, number, 40 * identity + number)
    return project


def photograph(project: Project, identity: int, number: int, shade: int) -> None:
    pixels = np.full((112, 112, 3), shade, np.uint8)
    Image.fromarray(pixels).save(project.folder / "photos" / f"p{identity}" / f"{number}.jpg")


def test_bad_input_is_read_once_however_often_it_is_tried(project):
    (project.folder / "photos/p1/1.jpg").write_bytes(b"\xff\xd8 cut off")
    out = project.snakemake(
        *("--workflow-profile", "profiles/slurm", "--executor", "local", "--cores", "1", "--retries", "2", FACES),
        check=False,
    )
    said = [line for line in out.splitlines() if "is no readable image" in line and "import_faces: " in line]
    assert len(said) == 3, out
    assert [line.endswith("(as before; not tried again)") for line in said] == [False, True, True]
    photograph(project, 1, 1, 41)
    project.snakemake("--cores", "1", FACES)
    assert not list((project.folder / "results/own/logs").rglob("*.failed"))


def test_a_photograph_overwritten_in_place_is_imported_again(project):
    project.snakemake("--cores", "1", FACES)
    assert project.would_run(FACES) == {}
    folder = project.folder / "photos/p1"
    before = folder.stat().st_mtime_ns
    photograph(project, 1, 1, 200)
    assert folder.stat().st_mtime_ns == before
    assert project.would_run(FACES) == {"import_faces": 1}
    project.snakemake("--cores", "1", FACES)
    assert project.would_run(FACES) == {}


def test_a_file_of_the_future_is_told_before_anything_is_made_of_it(project):
    later = time.time() + 3600
    os.utime(project.folder / "iresnet18.pt", (later, later))
    out = project.snakemake("-n", FACES, check=False)
    assert re.search(r"iresnet18\.pt: was last changed 3\d{3} s from now, .* touch iresnet18\.pt", out), out
    os.utime(project.folder / "iresnet18.pt")
    project.snakemake("-n", FACES)


@pytest.mark.parametrize(
    ("target", "said"),
    [
        ("results/own/export/rael/recordio", "'rael' is not an entry of facesets; did you mean 'real'?"),
        ("results/own/export/nobody/recordio", "'nobody' is not an entry of facesets; there are: real"),
        ("results/own/export/real/webdataste", "faces are not exported as 'webdataste'; did you mean 'webdataset'?"),
        ("results/own/embeddings/weight/real.h5", "'weight' is not an entry of embedders; did you mean 'weights'?"),
    ],
)
def test_an_artifact_of_no_entry_is_told(project, target, said):
    out = project.snakemake("-n", target, check=False)
    assert out.splitlines()[-1] == f"{target}: {said}", out
    assert "Traceback" not in out and "Exception" not in out


def test_an_artifact_outside_the_study_is_made(project):
    assert "export_faces" in project.would_run("results/own/export/real/recordio")


def test_all_that_failed_is_told_at_the_end(project):
    """With --keep-going: two files are bad, what does not need them is made, and one screen says what and why."""
    (project.folder / "photos/p1/1.jpg").write_bytes(b"\xff\xd8 cut off")
    out = project.snakemake("--cores", "2", "--keep-going", check=False)
    assert (project.folder / "results/own/benchmarks/held_out/faces.h5").exists()
    told = out[out.index("2 job(s) failed, ") :].splitlines()
    assert told[1].startswith("  import_embedder weights: iresnet18.pt") and told[3].startswith("  import_faces real: ")
    assert "is no readable image" in told[3]
    assert told[4] == "    log: results/own/logs/import_faces/real.log" and len(told) < 20
