"""How many threads a stage gets: on a machine of several GPUs, as many trainings run at once as there are GPUs."""

import re
import subprocess
import sys

import pytest
import yaml

from tests.workflow.conftest import ROOT, copy_project


@pytest.fixture(scope="module")
def threads_of(tmp_path_factory):
    """Rule → threads of its first job, in a dry run of the demo with these arguments."""
    project = copy_project(tmp_path_factory.mktemp("threads"))
    config = yaml.safe_load((project.folder / "config.yaml").read_text())
    config["generators"]["tiny"]["processes"] = 2
    project.configure(config)

    def dry_run(*arguments: str) -> dict[str, int]:
        command = [sys.executable, "-m", "snakemake", "-n", *arguments]
        out = subprocess.run(command, cwd=project.folder, capture_output=True, text=True, check=True)
        jobs = re.split(r"^(?:local)?rule (\w+):$", out.stdout + out.stderr, flags=re.M)
        found = {}
        for rule, text in zip(jobs[1::2], jobs[2::2], strict=True):
            threads = re.search(r"^    threads: (\d+)$", text, re.M)
            found.setdefault(rule, int(threads[1]) if threads else 1)
        return found

    return dry_run


@pytest.mark.parametrize(
    ("cores", "gpus", "recognizer", "generator", "verify"),
    [(16, 4, 4, 8, 4), (16, 1, 16, 16, 8), (64, 2, 16, 32, 8), (2, 1, 2, 2, 2), (4, 8, 1, 1, 1)],
)
def test_each_gpu_has_its_share_of_the_cores(threads_of, cores, gpus, recognizer, generator, verify):
    found = threads_of("--cores", str(cores), "--resources", f"gpu={gpus}")
    assert found["train_recognizer"] == recognizer and found["verify"] == verify
    assert found["train_generator"] == generator  # on two GPUs
    assert found["render_faces"] == 1  # no stage of a GPU


def test_every_stage_on_a_gpu_shares():
    for path in (ROOT / "rules").glob("*.smk"):
        for block in re.split(r"^(?=rule )", path.read_text(), flags=re.M):
            if "gpu=" in block and block.startswith("rule "):
                assert "threads: gpu_threads(" in block, block.splitlines()[0]


def test_the_users_word_counts(threads_of):
    found = threads_of("--cores", "16", "--resources", "gpu=4", "--set-threads", "train_recognizer=6")
    assert found["train_recognizer"] == 6 and found["verify"] == 4
