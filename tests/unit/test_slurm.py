"""What SLURM says of itself, and what can never be had of it. (tests/slurm asks a real one.)"""

import math

import pytest

from semihard.errors import InputError
from semihard.workflow.slurm import Asked, check_requests, minutes_of, never_given, read_sinfo, waiting_for_ever

SAID = """\
gpu*|1-00:00:00|16|128000|gpu:a100:4(S:0-1)
gpu*|1-00:00:00|64|64000|gpu:v100:2,shard:8
cpu|infinite|128|512000|(null)
"""


def asked(**changed: object) -> Asked:
    """A job that the partition gpu can run."""
    return Asked(
        **{"rule": "train", "partition": None, "cpus": 8, "mem_mb": 60000, "gpus": 2, "minutes": 600} | changed
    )


@pytest.mark.parametrize(
    ("said", "minutes"),
    [
        ("1-00:00:00", 1440),
        ("2-12:30:30", 3630.5),
        ("30:00", 30),
        ("1:30:00", 90),
        ("infinite", math.inf),
        ("n/a", math.inf),
    ],
)
def test_time_limits(said, minutes):
    assert minutes_of(said) == minutes


def test_partitions():
    found = read_sinfo(SAID)
    assert list(found) == ["gpu", "cpu"] and found["gpu"].is_default and not found["cpu"].is_default
    assert [node.gpus for node in found["gpu"].nodes] == [4, 2] and found["cpu"].most("gpus") == 0
    assert read_sinfo("") == {}


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({}, []),
        ({"partition": "cpu", "gpus": 0, "minutes": 10**6}, []),
        ({"cpus": 65}, ["partition gpu gives a job 64 CPUs on a node at most; train would ask for up to 65: set most_threads=64"]),
        ({"mem_mb": 200000}, ["partition gpu gives a job 128000 MB of memory on a node at most; train would ask for up to 200000: set most_mem_mb=128000"]),
        ({"minutes": 2880}, ["partition gpu gives a job 1440 minutes at most; train would ask for up to 2880: set most_runtime=1440"]),
        ({"partition": "cpu"}, ["partition cpu gives a job 0 GPUs on a node (where there is none, everything runs on CPUs) at most; train would ask for up to 2: set most_gpu=0"]),
        ({"partition": "fast"}, ["train: there is no partition 'fast', only gpu, cpu"]),
        ({"cpus": 32, "gpus": 4}, ["train asks for 32 CPUs, 60000 MB and 4 GPU(s) on one node, which none of partition gpu has together"]),
    ],
)  # fmt: skip
def test_what_can_never_be_given(changed, expected):
    assert never_given([asked(**changed)] * 3, read_sinfo(SAID)) == expected


def test_all_rules_of_one_limit_in_one_line():
    jobs = [asked(rule=f"rule{k}", cpus=65 + k) for k in range(5)]
    with pytest.raises(InputError, match="rule0, rule1, rule2 and 2 more rules would ask for up to 69") as problem:
        check_requests(jobs, read_sinfo(SAID))
    assert str(problem.value).count("partition gpu") == 1
    check_requests(jobs, {})  # where SLURM does not answer, nothing is known


@pytest.mark.parametrize(
    ("reason", "hopeless"),
    [
        ("(PartitionTimeLimit)", True), ("PartitionConfig", True), ("BadConstraints", True), ("QOSMaxCpuPerJobLimit", True),
        ("AssocMaxWallDurationPerJobLimit", True), ("JobHeldUser", True),
        ("Priority", False), ("Resources", False), ("QOSMaxJobsPerUserLimit", False), ("AssocGrpGRES", False), ("BeginTime", False),
    ],
)  # fmt: skip
def test_reasons_that_do_not_pass(reason, hopeless):
    said = f"12|{reason}|/my/study|rule_train\n13|{reason}|/another|rule_train\n14|None\n"
    assert waiting_for_ever(said, "/my/study") == ([("12", reason, "rule_train")] if hopeless else [])
