"""Of a finished study, every number leads back to its sources, and whatever has changed since is named."""

import csv
import hashlib
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import h5py
import pandas as pd
import pytest
from safetensors import safe_open

from semihard.storage.run_records import Records
from tests.workflow.conftest import SMALL, Project

RESULTS = SMALL["results"]
MODEL = f"{RESULTS}/recognizers/tiny/synthetic/seed0/model.safetensors"
SCORES = f"{RESULTS}/study/scores.csv"


@pytest.fixture
def project(finished: Project, tmp_path) -> Project:
    """A copy of the finished study, to be damaged."""
    shutil.copytree(finished.folder, tmp_path / "copy")
    return Project(tmp_path / "copy", finished.python)


def command(project: Project, name: str, *arguments: str) -> subprocess.CompletedProcess:
    """One of the two commands, in the project's folder."""
    path = {"PYTHONPATH": str(project.folder / "workflow_scripts")}
    program = [sys.executable, "-m", f"semihard.workflow.{name}", *arguments]
    return subprocess.run(program, cwd=project.folder, env=path, capture_output=True, text=True)


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_every_number_has_ancestors_down_to_its_sources(finished: Project):
    table = pd.read_csv(finished.folder / SCORES, comment="#")
    for label in table[table["published"].isna()]["label"]:
        done = command(finished, "ancestry", SCORES, "--row", label, "--column", "AVG")
        assert done.returncode == 0 and "no record says" not in done.stdout and "!" not in done.stdout, done.stderr
        files = re.findall(r"^[│├└─ ]*(\S+)  [0-9a-f]{12}(.*)$", done.stdout, re.M)
        first = [path for path, note in files if "(see above)" not in note]
        assert len(first) == len(set(first)) >= 4 and {path for path, _ in files} == set(first), label
        ends = {path for path, note in files if "source file" in note}
        assert ends <= {"weights.pt"} and (ends or "  render_faces  " in done.stdout), label


def test_every_result_is_recorded_and_as_recorded(finished: Project):
    done = command(finished, "check_results", RESULTS)
    assert done.returncode == 0 and done.stdout.count("\n") == 1, done.stdout + done.stderr
    assert done.stdout.endswith(", all as recorded\n")


def test_artifacts_carry_the_digests_of_what_they_are_made_of(finished: Project):
    results = finished.folder / RESULTS
    with h5py.File(results / "embeddings/weights/real.h5") as h5:
        inputs, device = json.loads(h5.attrs["inputs"]), h5.attrs["device"]
    model = results / "embedders/weights/model.safetensors"
    assert inputs == {"faces": sha256(results / "facesets/real.h5"), "model": sha256(model)} and device
    with safe_open(model, "np") as file:
        about = json.loads(file.metadata()["semihard"])["provenance"]
    assert (
        json.loads(about["inputs"]) == {"data": [sha256(finished.folder / "weights.pt")]} and about["device"] == "cpu"
    )
    for path in results.rglob("*.h5"):
        with h5py.File(path) as h5:
            assert {"inputs", "device"} <= set(h5.attrs) and str(finished.folder) not in h5.attrs["inputs"], path


def test_a_changed_byte_is_named_by_both_commands(project):
    content = bytearray((project.folder / MODEL).read_bytes())
    content[len(content) // 2] ^= 1
    (project.folder / MODEL).write_bytes(content)
    done = command(project, "check_results", RESULTS)
    again = f"snakemake --cores all --configfile YOUR_STUDY.yaml --force -- {MODEL}"
    assert done.returncode == 1 and done.stdout.splitlines() == [
        f"{MODEL}: its bytes have changed since they were written; to make it again: {again}"
    ]
    marked = [line for line in command(project, "ancestry", SCORES).stdout.splitlines() if "!" in line]
    assert len(marked) == 1 and MODEL in marked[0] and "! its bytes have changed since" in marked[0]
    assert project.would_run("--force", "--", MODEL) == {"train_recognizer": 1}


def test_records_make_nothing_run_again(project):
    shutil.rmtree(project.folder / RESULTS / "provenance")
    assert project.would_run() == {}
    done = command(project, "check_results", RESULTS)
    assert done.returncode == 1 and "files that no record has" in done.stdout and "nothing is recorded" in done.stderr
    assert "no folder of results with run records" in command(project, "ancestry", SCORES).stderr


def test_the_table_of_costs_has_every_job_that_the_study_needed(finished: Project):
    text = (finished.folder / RESULTS / "study/costs.csv").read_text()
    lines = list(csv.DictReader(line for line in text.splitlines() if not line.startswith("#")))
    jobs = {line["rule"]: int(line["jobs"]) for line in lines}
    total = jobs.pop("all")
    assert sum(jobs.values()) == total and jobs["train_recognizer"] == 6 and "want of a record" not in text
    assert all(float(line["cpu_s"]) > 0 and float(line["peak_memory_gb"]) > 0 for line in lines)
    no_part = {
        "count_costs",
        "write_report",
        "export_faces",
        "export_benchmark",
    }  # come after it, or are asked for alone
    records = Records(finished.folder / RESULTS).records
    assert total == len([record for record in records if record.rule not in no_part])
