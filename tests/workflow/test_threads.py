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


@pytest.fixture(scope="module")
def asked_for(tmp_path_factory):
    """What the first training of the demo's generator, on two processes, asks a cluster for; the arguments: lines of the
    profile's limits, and further ones of Snakemake's."""
    project = copy_project(tmp_path_factory.mktemp("cluster"))
    config = yaml.safe_load((project.folder / "config.yaml").read_text())
    config["generators"]["tiny"]["processes"] = 2
    project.configure(config)
    profile = project.folder / "profiles/slurm/config.yaml"
    before = profile.read_text()

    def dry_run(limits: dict[str, int], *arguments: str) -> dict[str, str]:
        text = before
        for name, value in limits.items():
            text, changed = re.subn(rf"- {name}=\d+", f"- {name}={value}", text)
            assert changed == 1
        profile.write_text(text)
        command = [sys.executable, "-m", "snakemake", "-n", "--workflow-profile", "profiles/slurm", *arguments]
        out = subprocess.run(command, cwd=project.folder, capture_output=True, text=True, check=True).stdout
        job = re.search(r"^rule train_generator:\n(?:    .*\n)+", out, re.M)[0]
        return dict(item.split("=", 1) for item in re.search(r"resources: (.*)", job)[1].split(", "))

    return dry_run


def test_a_job_asks_a_cluster_for_what_its_entry_needs(asked_for):
    found = asked_for({})
    assert (found["gpu"], found["nodes"], found["runtime"]) == ("2", "1", "60") and "gres" not in found
    assert 12000 < int(found["mem_mb"]) < 13000  # two processes, and few images


def test_a_further_attempt_asks_for_more_within_the_limits(asked_for):
    first, second = (asked_for({}, "--attempt", attempt) for attempt in "12")
    assert int(second["mem_mb"]) == 2 * int(first["mem_mb"]) and second["runtime"] == "120"
    limited = asked_for({"most_mem_mb": 9000, "most_runtime": 90}, "--attempt", "2")
    assert (limited["mem_mb"], limited["runtime"]) == ("9000", "90")


def test_more_processes_than_a_node_has_gpus_take_several_nodes(asked_for):
    found = asked_for({"most_gpu": 1})
    assert (found["gpu"], found["nodes"], found["gres"]) == ("0", "2", "gpu:1")


def test_a_cluster_without_gpus(asked_for):
    found = asked_for({"most_gpu": 0})
    assert (found["gpu"], found["nodes"]) == ("0", "1") and "gres" not in found
