"""A study on a cluster is the study on a workstation, byte for byte; and what a cluster cannot give is said."""

import re
import time

import pytest
import yaml

from tests.slurm.cluster import MEMORY, Cluster
from tests.slurm.conftest import MODEL, PROFILE, TRAINING, Project, fit_to, submit
from tests.workflow.conftest import SMALL, small_study, study_with_weights

TABLE = "results/small/study/scores.csv"
TIMED = ("costs.csv", "report.html")  # what the jobs took is in them
STUDY = {
    "results": "results/small",
    "facesets": {name: SMALL["facesets"][name] for name in ("real", "strangers")}
    | {"synthetic": SMALL["facesets"]["synthetic"] | {"shards": 4, "batch": 4}},
    "embedders": SMALL["embedders"],
    "generators": {"tiny": SMALL["generators"]["tiny"]},
    "recognizers": {"tiny": SMALL["recognizers"]["tiny"]},
    "benchmarks": {"held_out": SMALL["benchmarks"]["held_out"]},
    "study": {
        **{"real": "real", "recognizer": "tiny", "benchmarks": ["held_out"], "embedder": "weights"},
        "compare": ["synthetic"],
    },
}


def check_same_on(cluster: Cluster, here: Project, there: Project, *targets: str) -> str:
    """A local run and one on the cluster make the same files, and a second one there makes none; what the cluster's said."""
    here.snakemake("--cores", "2", *targets)
    cluster.clear()
    said = submit(fit_to(there), cluster, *targets).ended(1200)
    made = {
        path.relative_to(here.folder): path.read_bytes()
        for path in (here.folder / "results").rglob("*")
        if path.is_file() and not {"logs", "provenance"} & set(path.parts) and path.name not in TIMED
    }
    assert len(made) > 20
    assert [str(path) for path, content in made.items() if (there.folder / path).read_bytes() != content] == []
    assert "Nothing to be done" in submit(there, cluster, *targets).ended()
    return said


def test_the_study_is_the_same_byte_for_byte(cluster: Cluster, tmp_path_factory):
    said = check_same_on(
        cluster, *(study_with_weights(tmp_path_factory.mktemp(name), STUDY) for name in ("here", "there")), TABLE
    )
    assert len(re.findall("Submitted array job", said)) == 1  # four shards, one entry of the queue


@pytest.mark.whole
@pytest.mark.timeout(5400)
def test_every_stage_is_the_same_byte_for_byte(cluster: Cluster, tmp_path_factory):
    check_same_on(cluster, *(small_study(tmp_path_factory.mktemp(name)) for name in ("all_here", "all_there")))


def test_a_training_on_two_nodes_is_that_of_two_processes(cluster: Cluster, tmp_path_factory):
    """Two processes where a node has one GPU: SLURM gives two nodes, and the processes meet."""
    config = yaml.safe_load(yaml.safe_dump(TRAINING))
    config["recognizers"]["tiny"] |= {"processes": 2, "epochs": 20, "milestones": [10]}
    here, there = (study_with_weights(tmp_path_factory.mktemp(name), config) for name in ("one", "two"))
    here.snakemake("--cores", "2", "--resources", "gpu=2", "--set-threads", "train_recognizer=1", "--", MODEL)
    cluster.clear()
    fit_to(there).edit(PROFILE, "most_gpu=8", "most_gpu=1")
    run = submit(there, cluster, MODEL)
    nodes = set()
    while run.process.poll() is None:
        nodes |= {job[2] for job in cluster.jobs() if job[3].startswith("rule_train") and job[1] == "RUNNING"}
        time.sleep(1)
    run.ended()
    assert nodes == {"node[1-2]"}
    assert (there.folder / MODEL).read_bytes() == (here.folder / MODEL).read_bytes()


@pytest.mark.parametrize(
    ("line", "other", "said"),
    [
        (
            "most_threads=1",
            "most_threads=16",
            r"gives a job 2 CPUs on a node at most; train_recognizer .* set most_threads=2",
        ),
        (
            f"most_mem_mb={MEMORY // 2}",
            "most_mem_mb=90000",
            rf"a job {MEMORY} MB of memory .* set most_mem_mb={MEMORY}",
        ),
        (
            "- runtime=60",
            "- runtime=60\n  - slurm_partition=nowhere",
            r"there is no partition 'nowhere', only (gpu, urgent|urgent, gpu)",
        ),
    ],
)
def test_what_the_partition_can_never_give_is_said_before_anything_is_submitted(project, cluster, line, other, said):
    project.edit(PROFILE, line, other)
    out = submit(project, cluster, MODEL).failed()
    assert re.search(said, out) and "Nothing was submitted" in out and "has been submitted" not in out
    assert "Traceback" not in out and not cluster.jobs()


def test_what_takes_longer_than_the_partition_allows(project, cluster):
    project.edit(
        PROFILE, "# set-resources:\n#   train_generator:\n", "set-resources:\n  train_recognizer:\n    runtime: 2880\n#"
    )
    out = submit(project, cluster, MODEL).failed()
    assert "gives a job 1440 minutes at most; train_recognizer would ask for up to 2880: set most_runtime=1440" in out


def test_an_account_that_is_not_there(project, cluster):
    project.edit(PROFILE, "#  - slurm_account=...", "  - slurm_account=nobody")
    out = submit(project, cluster, MODEL).failed()
    assert "nobody" in out and "account" in out.lower() and not cluster.jobs()


def test_bad_input_is_not_tried_again(project, cluster):
    """The face set is no face set: one sentence, and the retries that Snakemake makes end at once."""
    (project.folder / "results/training/facesets/real.h5").write_bytes(b"no HDF5")
    project.snakemake(
        "--touch", "--cores", "1", MODEL.replace("recognizers/tiny/real/seed0/model.safetensors", "facesets/real.h5")
    )
    project.edit(PROFILE, "retries: 3", "retries: 1")  # each costs a start
    out = submit(project, cluster, MODEL).failed()
    log = (project.folder / "results/training/logs/train_recognizer/tiny/real/seed0.log").read_text()
    assert "is no whole face set" in log and "not tried again" in log, out[-3000:]


def test_a_job_that_waits_for_ever_is_named(project, cluster):
    """Held by its owner: SLURM's reason is printed while Snakemake waits."""
    # looks every second here, every minute else
    project.edit(
        "workflow_scripts/semihard/workflow/slurm.py", "SECONDS_BETWEEN_LOOKS = 60.0", "SECONDS_BETWEEN_LOOKS = 1.0"
    )
    project.edit(PROFILE, "#  - slurm_account=...", "  - slurm_extra=\"'--hold'\"")
    run = submit(project, cluster, MODEL)
    end = time.monotonic() + 120
    while "does not start by itself: JobHeldUser" not in run.said() and time.monotonic() < end:
        time.sleep(0.5)
    said = run.said()
    job = cluster.jobs()[0][0]
    assert f"SLURM job {job} (rule_train_recognizer" in said and f"scontrol show job {job}" in said
    cluster.run("scontrol", "release", job)
    run.ended()
