"""What happens to a whole run when something breaks: the second table of docs/faults.md, with test_orphan.py."""

import os
import re
import time

import pytest

from tests.workflow.conftest import ROOT, Project
from tests.workflow.test_user_errors import FACES, STUDY, of_three_people

SUBSET = "results/own/facesets/few.h5"


@pytest.fixture
def project(tmp_path, warm) -> Project:
    """Three people with two photographs each, and a subset of their face set."""
    facesets = STUDY["facesets"] | {"few": {"source": "subset", "of": "real", "identities": 2, "per_identity": 2}}
    return of_three_people(tmp_path, warm, STUDY | {"facesets": facesets})


def test_a_damaged_artifact_is_made_again(project):
    project.snakemake("--cores", "1", SUBSET)
    faces, subset = project.folder / FACES, project.folder / SUBSET
    whole, whole_subset = faces.read_bytes(), subset.read_bytes()
    blob = bytearray(whole)
    blob[len(blob) // 2] ^= 0xFF
    subset.unlink()
    stat = faces.stat()
    faces.write_bytes(blob)
    os.utime(faces, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    out = project.snakemake("--cores", "1", SUBSET, check=False)
    said = re.search(
        rf"subset_faces: {FACES}: .*changed since they were written; delete it and run again \(rm (\S+)\)$", out, re.M
    )
    assert said and "Traceback" not in out, out
    (project.folder / said[1]).unlink()
    project.snakemake("--cores", "1", SUBSET)
    assert (faces.read_bytes(), subset.read_bytes()) == (whole, whole_subset)


def test_results_that_are_a_link_to_nowhere(project):
    (project.folder / "results").symlink_to("nowhere")
    out = project.snakemake("--cores", "1", FACES, check=False)
    last = out.strip().splitlines()[-1]
    assert last == "results: is a link to nowhere, which is not there; make it, or remove the link", out
    assert "Traceback" not in out
    (project.folder / "nowhere").mkdir()
    project.snakemake("--cores", "1", FACES)


def test_an_input_from_the_future(project):
    """Snakemake says what it sees, and names both files."""
    project.snakemake("--cores", "1", FACES)
    ahead = time.time() + 3600
    os.utime(project.folder / FACES, (ahead, ahead))
    out = project.snakemake("--cores", "1", SUBSET, check=False)
    assert re.search(rf"Output {SUBSET} has older modification time .* than input {FACES} .*clock skew", out), out
    os.utime(project.folder / FACES)
    project.snakemake("--cores", "1", SUBSET)
    assert project.would_run(SUBSET) == {}


LATE = """
import subprocess

file = snakemake.output[0]
subprocess.Popen(["sh", "-c", f"mv {file} {file}.late; touch gone; sleep 3; mv {file}.late {file}"], start_new_session=True)
subprocess.run(["sh", "-c", "until test -e gone; do sleep 0.1; done; rm gone"], check=True)
"""


def test_an_output_that_appears_late(project):
    """As on a file system over a network: the other host sees the new file only after a while."""
    script = project.folder / "workflow_scripts/subset_faces.py"
    script.write_text(script.read_text(encoding="utf-8") + LATE, encoding="utf-8")
    patient = ("--cores", "1", "--latency-wait", "30", SUBSET)
    project.snakemake(*patient)
    whole = (project.folder / SUBSET).read_bytes()
    (project.folder / SUBSET).unlink()
    out = project.snakemake("--cores", "1", "--latency-wait", "1", SUBSET, check=False)
    assert "--latency-wait" in out and SUBSET in out, out
    time.sleep(3)
    project.snakemake(*patient)
    assert (project.folder / SUBSET).read_bytes() == whole and project.would_run(SUBSET) == {}


def test_every_row_of_the_page_has_its_test():
    page = (ROOT / "docs/faults.md").read_text(encoding="utf-8")
    rows = page.split("| of a whole run | what happens | test |\n|---|---|---|\n")[1].split("\n\n")[0].splitlines()
    named = {re.search(r"`(test_\w+)` \|$", row)[1] for row in rows}
    tests = set(
        re.findall(
            r"^def (test_\w+)",
            "".join(
                (ROOT / "tests/workflow" / name).read_text(encoding="utf-8")
                for name in ("test_faults.py", "test_orphan.py")
            ),
            re.M,
        )
    )
    assert named == tests - {"test_every_row_of_the_page_has_its_test"}
