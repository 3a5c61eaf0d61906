"""What SLURM can give, asked before the first job is submitted, and what waits in its queue for ever, said while it waits.

sbatch takes what no node can ever run, and the job then waits without a word; Snakemake's executor sees it as waiting.
"""

import logging
import math
import os
import re
import subprocess
import threading
from collections.abc import Iterable
from dataclasses import dataclass, field

from semihard.errors import InputError

log = logging.getLogger("semihard")
SECONDS_BETWEEN_LOOKS = 60.0
GPU_COUNT = r"gpu(?::[^:,()]+)?:(\d+)"  # in a list of generic resources
# What a job asks for → its unit, and the limit of the profile that keeps requests below
KNOBS = {
    "cpus": ("CPUs on a node", "most_threads"),
    "mem_mb": ("MB of memory on a node", "most_mem_mb"),
    "gpus": ("GPUs on a node (where there is none, everything runs on CPUs)", "most_gpu"),
    "minutes": ("minutes", "most_runtime"),
}
# Reasons of a waiting job (slurm.schedmd.com/job_reason_codes.html) that only somebody's hand, or another request, ends.
HOPELESS = re.compile(
    r"Partition(Config|TimeLimit|NodeLimit|Down|Inactive)|BadConstraints|AccountNotAllowed|InvalidAccount|InvalidQOS"
    r"|QOSNotAllowed|DependencyNeverSatisfied|JobHeld(Admin|User)|launch failed requeued held|Licenses"
    r"|(QOS|Assoc)(Max\w+PerJob\w*|Max(WallDuration|Node)\w*)"
)


@dataclass(frozen=True)
class Node:
    """What one node has."""

    cpus: int
    mem_mb: int
    gpus: int


@dataclass
class Partition:
    """A partition: the minutes a job may take in it, its nodes."""

    name: str
    minutes: float
    is_default: bool = False
    nodes: list[Node] = field(default_factory=list)

    def most(self, what: str) -> int:
        """The most of cpus, mem_mb or gpus that one of its nodes has."""
        return max((getattr(node, what) for node in self.nodes), default=0)

    def has_node(self, job: "Asked") -> bool:
        """True where one node has all that the job asks for."""
        return any(node.cpus >= job.cpus and node.mem_mb >= job.mem_mb and node.gpus >= job.gpus for node in self.nodes)


@dataclass(frozen=True)
class Asked:
    """What a job asks for on each of its nodes; minutes None where it names none."""

    rule: str
    partition: str | None
    cpus: int
    mem_mb: int
    gpus: int
    minutes: float | None


def partitions() -> dict[str, Partition]:
    """The partitions by name, as sinfo tells them. Raises InputError where it is not there, or has no answer."""
    command = ["sinfo", "--noheader", "--Node", "--format=%P|%l|%c|%m|%G"]
    try:
        said = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    except FileNotFoundError:
        raise InputError(
            "sinfo is not on the PATH: start Snakemake where SLURM's commands are, on a login node mostly, or leave out "
            "--workflow-profile to run on this machine"
        ) from None
    except subprocess.SubprocessError as error:
        reason = (getattr(error, "stderr", None) or str(error)).strip().splitlines()[0]
        raise InputError(f"SLURM does not answer ({reason}): nothing was submitted; run again when it does") from None
    return read_sinfo(said.stdout)


def read_sinfo(said: str) -> dict[str, Partition]:
    """Partitions by name from lines of partition|time limit|CPUs|memory in MB|generic resources, a line a node."""
    found: dict[str, Partition] = {}
    for line in said.splitlines():
        name, limit, cpus, memory, resources = line.strip().split("|")
        star = name.endswith("*")
        name = name.removesuffix("*")
        partition = found.setdefault(name, Partition(name, minutes_of(limit), star))
        gpus = sum(map(int, re.findall(GPU_COUNT, resources)))
        partition.nodes.append(Node(int(cpus), int(memory.rstrip("+")), gpus))
    return found


def minutes_of(limit: str) -> float:
    """Minutes of a time limit as SLURM writes it: [days-][hours:]minutes:seconds, or infinite."""
    if not re.fullmatch(r"(\d+-)?\d+(:\d+){1,2}", limit):
        return math.inf
    days, _, clock = limit.rpartition("-")
    hours, minutes, seconds = ([0, 0, 0] + [int(part) for part in clock.split(":")])[-3:]
    return int(days or 0) * 1440 + hours * 60 + minutes + seconds / 60


def asked_by(job, attempt: int) -> Asked:
    """What a Snakemake job asks for in that attempt, on each of its nodes."""
    resources = job.rule.expand_resources(job.wildcards, job.input, attempt)

    def number(name: str) -> float:
        value = resources.get(name)
        return value if isinstance(value, int | float) else 0  # of files that are not there yet, say

    of_each_node = re.findall(GPU_COUNT, str(resources.get("gres", "")))
    return Asked(
        job.rule.name,
        resources.get("slurm_partition"),
        int(number("cpus_per_task") or resources["_cores"]),
        int(number("mem_mb")),
        int(number("gpu")) or sum(map(int, of_each_node)),
        number("runtime") or None,
    )


def never_given(jobs: Iterable[Asked], given: dict[str, Partition]) -> list[str]:
    """A sentence for every limit of a partition that is below what jobs ask for, with the line of the profile that ends it."""
    default = next((partition.name for partition in given.values() if partition.is_default), None)
    above: dict[
        tuple[str, str, float], dict[str, float]
    ] = {}  # (partition, what, its most) → rule → the most it asks for
    said = []
    for job in jobs:
        partition = given.get(job.partition or default)
        if partition is None:
            if job.partition:
                said.append(f"{job.rule}: there is no partition {job.partition!r}, only {', '.join(given)}")
            continue
        most = {what: partition.most(what) for what in ("cpus", "mem_mb", "gpus")} | {"minutes": partition.minutes}
        wanted = {what: getattr(job, what) or 0 for what in most}
        for what in (what for what in most if wanted[what] > most[what]):
            rules = above.setdefault((partition.name, what, most[what]), {})
            rules[job.rule] = max(wanted[what], rules.get(job.rule, 0))
        if all(wanted[what] <= most[what] for what in most) and not partition.has_node(job):
            together = f"{job.cpus} CPUs, {job.mem_mb} MB and {job.gpus} GPU(s) on one node"
            said.append(f"{job.rule} asks for {together}, which none of partition {partition.name} has together")
    for (partition, what, most), rules in above.items():
        unit, knob = KNOBS[what]
        named = ", ".join(list(rules)[:3]) + (f" and {len(rules) - 3} more rules" if len(rules) > 3 else "")
        said.append(
            f"partition {partition} gives a job {most:.0f} {unit} at most; {named} would ask for up to "
            f"{max(rules.values()):.0f}: set {knob}={most:.0f}"
        )
    return list(dict.fromkeys(said))


def check_requests(jobs: Iterable[Asked], given: dict[str, Partition]) -> None:
    """Raises InputError naming every request that can never be met."""
    if impossible := never_given(jobs, given):
        raise InputError(
            "SLURM would let these jobs wait for ever:\n  "
            + "\n  ".join(impossible)
            + "\nLimits stand in the default-resources of the profile that --workflow-profile names, single stages' own in its "
            "set-resources. Nothing was submitted."
        )


def check_queue(folder: str) -> None:
    """Raises InputError where jobs of an earlier run in `folder` are still in the queue: Snakemake was killed, they live on."""
    rows = (line.split("|", 2) for line in queue("%i|%Z|%k").splitlines())
    if left := [row[0] for row in rows if len(row) == 3 and row[1] == folder and row[2].startswith("rule_")]:
        raise InputError(
            f"job {', '.join(left)} of an earlier run in this folder is still in SLURM's queue: wait for its end, or end it with "
            f"`scancel {' '.join(left)}` (a training saves first), then run again. Nothing was submitted."
        )


def queue(form: str, *which: str) -> str:
    """The user's jobs, a line each in squeue's format; none where it gives no answer."""
    command = ["squeue", "--noheader", f"--user={os.getuid()}", f"--format={form}", *which]
    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=60).stdout
    except (OSError, subprocess.TimeoutExpired):
        return ""


class QueueWatch(threading.Thread):
    """Says once of every job of this folder that it waits for a reason that does not pass. Ends with the process."""

    def __init__(self, folder: str, seconds: float = SECONDS_BETWEEN_LOOKS):
        super().__init__(daemon=True)
        self._folder, self._seconds, self._said = folder, seconds, set()
        self._end = threading.Event()

    def run(self) -> None:
        """Look now and then."""
        while not self._end.wait(self._seconds):
            self.look()

    def look(self) -> None:
        """Look once."""
        for job, reason, what in waiting_for_ever(queue("%i|%r|%Z|%k", "--states=PENDING"), self._folder):
            if (job, reason) not in self._said:
                self._said.add((job, reason))
                log.warning(
                    "SLURM job %s (%s) waits and does not start by itself: %s. See `scontrol show job %s`; `scancel %s` gives it "
                    "up, then set what it asks for (the profile's default-resources or set-resources) and run again",
                    job, what, reason, job, job,
                )  # fmt: skip


def waiting_for_ever(said: str, folder: str) -> list[tuple[str, str, str]]:
    """(job, reason, comment) of the jobs of `folder` that wait for a reason that does not pass, from lines of
    id|reason|folder|comment."""
    rows = (line.strip().split("|", 3) for line in said.splitlines())
    return [
        (row[0], row[1], row[3])
        for row in rows
        if len(row) == 4 and row[2] == folder and HOPELESS.fullmatch(row[1].strip("()"))
    ]
