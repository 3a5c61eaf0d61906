"""Where a run of the whole study stands: a line now and then with the time left, and at the end, in one screen, what failed."""

import json
import re
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean

from semihard.compute.progress import duration
from semihard.storage.run_records import record_files

SECONDS_BETWEEN_LINES = 60.0
MOST_NAMED = 15  # failed jobs that are told one by one
LEFT = re.compile(r"\d\d:\d\d:\d\d .*: (\d+) of (\d+) .*, (\d+) s left")
TIME = re.compile(r"^\d\d:\d\d:\d\d ")


@dataclass(frozen=True)
class Job:
    """What is told of a job: its rule, its wildcards in words, and its log, if it has one."""

    rule: str
    what: str
    log: Path | None

    @property
    def name(self) -> str:
        """Rule and wildcards."""
        return f"{self.rule} {self.what}".strip()


@dataclass(frozen=True)
class State:
    """The jobs of a run: how many have ended, which run, which wait."""

    done: int
    running: tuple[Job, ...]
    waiting: tuple[Job, ...]


def job_of(job) -> Job:
    """A Snakemake job."""
    wildcards = "/".join(str(value) for value in job.wildcards_dict.values()) if job.wildcards_dict else ""
    return Job(job.rule.name, wildcards, Path(str(job.log[0])) if job.log else None)


def usual_seconds(results: Path | str) -> dict[str, float]:
    """Mean wall time of each rule's jobs, by the run records that jobs leave."""
    times: dict[str, list[float]] = {}
    for path in record_files(results):
        try:
            record = json.loads(path.read_bytes())
            times.setdefault(record["rule"], []).append(float(record["wall_s"]))
        except (OSError, ValueError, KeyError, TypeError):
            continue  # another's file, or one that has just been made anew
    return {rule: fmean(seconds) for rule, seconds in times.items()}


def said_left(log: Path | None) -> float | None:
    """Seconds left by the last line of progress in a job's log; None where it says nothing of the kind."""
    try:
        lines = log.read_text(encoding="utf-8", errors="replace").splitlines()[-50:] if log else []
    except OSError:
        return None
    found = next((match for line in reversed(lines) if (match := LEFT.match(line))), None)
    return float(found[3]) if found else None


def time_left(state: State, usual: Mapping[str, float], ran: Mapping[Job, float], at_once: int) -> tuple[float, int]:
    """Seconds until the run ends, and how many jobs are not in them because nothing is known of their rule.

    ran: seconds that the running jobs have run; at_once: how many jobs ran at once lately. What waits takes turns; what
    runs ends by its own word, else after its rule's usual time. No less than the longest of those that run.
    """
    running = {}
    unknown = 0
    for job in state.running:
        left = said_left(job.log)
        if left is None and job.rule in usual:
            left = max(0.0, usual[job.rule] - ran.get(job, 0.0))
        unknown += left is None
        running[job] = left or 0.0
    known = [usual[job.rule] for job in state.waiting if job.rule in usual]
    unknown += len(state.waiting) - len(known)
    total = sum(running.values()) + sum(known)
    return max([total / max(1, at_once), *running.values()]), unknown


def line_of(state: State, seconds: float, unknown: int) -> str:
    """The line."""
    total = state.done + len(state.running) + len(state.waiting)
    longest = ", ".join(job.name for job in state.running[:2]) + (", …" if len(state.running) > 2 else "")
    left = f"about {duration(seconds)} left" if seconds else "time left not known"
    besides = f", without {unknown} job(s) of unknown length" if seconds and unknown else ""
    return f"study: {state.done} of {total} jobs done, running {longest or 'none'}; {left}{besides}"


class RunProgress(threading.Thread):
    """Prints the line while the run goes on. Ends with the process.

    look: the jobs of the run now; say: prints a line; results: the folder with the run records, of earlier runs too.
    """

    def __init__(self, look: Callable[[], State], say: Callable[[str], None], results: Path | str):
        super().__init__(daemon=True)
        self._look, self._say, self._results = look, say, results
        self._since: dict[Job, float] = {}

    def run(self) -> None:
        """A line now and then."""
        while True:
            time.sleep(SECONDS_BETWEEN_LINES)
            self.tell()

    def tell(self) -> None:
        """One line."""
        state, now = self._look(), time.monotonic()
        self._since = {job: self._since.get(job, now) for job in state.running}
        if state.running:
            ran = {job: now - since for job, since in self._since.items()}
            seconds, unknown = time_left(state, usual_seconds(self._results), ran, len(state.running))
            self._say(line_of(state, seconds, unknown))


def last_sentence(log: Path | None) -> str:
    """Why a job failed: the last line of its log that begins with a time; else where to look."""
    try:
        lines = log.read_text(encoding="utf-8", errors="replace").splitlines() if log else []
    except OSError:
        lines = []
    said = [line[len("00:00:00 ") :] for line in lines if TIME.match(line)]
    return said[-1] if said else "it left no word in its log: see above"


def what_failed(failed: Iterable[Job], waiting: int) -> str:
    """All failures of a run in one screen; waiting: how many jobs were not run."""
    jobs = sorted(failed, key=lambda job: job.name)
    lines = [f"{len(jobs)} job(s) failed, {waiting} were not run:"]
    for job in jobs[:MOST_NAMED]:
        why = last_sentence(job.log).removeprefix(f"{job.rule}: ")
        lines += [f"  {job.name}: {why[:300]}", f"    log: {job.log}"]
    if len(jobs) > MOST_NAMED:
        lines.append(f"  and {len(jobs) - MOST_NAMED} more")
    return "\n".join(lines)
