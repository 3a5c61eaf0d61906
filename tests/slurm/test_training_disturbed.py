"""A training on a cluster, and all that happens to jobs there: it goes on from its checkpoint, and ends with the same bytes."""

import os
import re
import signal

import pytest

from tests.slurm.cluster import NODES, Cluster
from tests.slurm.conftest import LOG, MODEL, Project, Run, submit, wait_until_under_way
from tests.waiting import wait_for

RULE = "train_recognizer"


@pytest.fixture
def training(project: Project, cluster: Cluster) -> Run:
    """The training, under way and held: it cannot end before it is disturbed. SLURM's SIGCONT before its SIGTERM lets it go."""
    run = submit(project, cluster, MODEL)
    wait_until_under_way(project, run)
    os.kill(cluster.script_of(RULE), signal.SIGSTOP)
    return run


@pytest.fixture
def same(trained: Project, project: Project):
    """Checks that the model is what an undisturbed training makes, and that nothing is left beside it."""

    def check() -> None:
        for name in ("model.safetensors", "history.h5"):
            path = MODEL.replace("model.safetensors", name)
            assert (project.folder / path).read_bytes() == (trained.folder / path).read_bytes(), name
        left = [path.name for path in (project.folder / MODEL).parent.iterdir()]
        assert sorted(left) == ["epochs", "history.h5", "model.safetensors"]

    return check


def check_went_on(project: Project) -> None:
    """The last attempt began at a checkpoint."""
    said = (project.folder / LOG).read_text(encoding="utf-8")
    assert "going on" in said, said


def test_one_job_is_cancelled(training, cluster, project, same):
    cluster.run("scancel", cluster.running(RULE)[0])
    said = training.ended()
    assert "CANCELLED" in said and "Trying to restart job" in said
    check_went_on(project)
    same()


def test_all_jobs_are_cancelled(training, cluster, project, same):
    cluster.run("scancel", "--user=root")
    training.ended()
    check_went_on(project)
    same()


def test_a_job_of_higher_priority_takes_the_nodes(training, cluster, project, same):
    cluster.run(
        "sbatch", "--partition=urgent", "--nodes=2", "--ntasks=2", "--cpus-per-task=2", "--time=1", "--output=/dev/null",
        "--chdir=/tmp", "--wrap=sleep 15",
    )  # fmt: skip
    training.ended()
    check_went_on(project)
    same()


def test_slurm_puts_the_job_back_into_the_queue(training, cluster, project, same):
    job = cluster.running(RULE)[0]
    cluster.run("scontrol", "requeue", job)
    cluster.start_now(job)
    said = training.ended()
    assert "Trying to restart job" not in said  # the same job of SLURM's
    check_went_on(project)
    same()


def test_its_time_is_over(training, cluster, project, same):
    job = cluster.running(RULE)[0]
    cluster.run("scontrol", "update", f"JobId={job}", "EndTime=now+2")
    said = training.ended()
    assert "TIMEOUT" in said and re.search(r"runtime=60, .*attempt=2|attempt=2.*", said)
    check_went_on(project)
    same()


def test_its_node_fails(training, cluster, project, same):
    job, _, node, *_ = cluster.running(RULE)
    cluster.fail_node(node)
    cluster.start_now(job)
    other = next(name for name in NODES if name != node)
    wait_for(lambda: (job := cluster.running(RULE)) and job[2] == other, f"the job on {other}", 300)
    training.ended(300)
    same()


def test_the_controller_is_restarted(training, cluster, project, same):
    cluster.restart_controller()
    os.kill(cluster.script_of(RULE), signal.SIGCONT)
    said = training.ended()
    assert "Trying to restart job" not in said
    same()


def test_snakemake_is_killed_and_started_again(training, cluster, project, same):
    """The job lives on. A second run says so before it submits anything; once the job is cancelled, it goes on there."""
    os.kill(training.process.pid, signal.SIGKILL)
    training.process.wait()
    job = cluster.running(RULE)[0]
    submit(project, cluster, "--unlock").ended()
    said = submit(project, cluster, MODEL).failed()
    assert f"job {job}" in said and "scancel" in said and "has been submitted" not in said
    cluster.run("scancel", job)
    cluster.wait_until_empty()
    submit(project, cluster, MODEL).ended()
    check_went_on(project)
    same()


def test_snakemake_is_interrupted(training, cluster, project, same):
    """Its jobs are cancelled, and save."""
    os.kill(training.process.pid, signal.SIGINT)
    training.process.wait(120)
    cluster.wait_until_empty()
    submit(project, cluster, MODEL).ended()
    check_went_on(project)
    same()
