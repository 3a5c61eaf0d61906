"""One job at a time in a checkpoint folder, and none that nobody waits for."""

import errno
import fcntl
import logging
import os
import re
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from semihard.compute.orphan import ends_with_its_parent, who_started_this
from semihard.errors import InUseError
from semihard.storage import lock as lock_module
from semihard.storage.checkpoint import Resume
from semihard.storage.provenance import Provenance
from tests.unit.test_job import snakemake
from tests.waiting import wait_for

ROOT = Path(__file__).parents[2]
PYTHONPATH = f"{ROOT / 'workflow_scripts'}:{ROOT}"


class Holder:
    """Another process that makes `Resume(output, …)`, and discards it when told."""

    def __init__(self, output: Path):
        program = (
            "import sys; from semihard.storage.checkpoint import Resume; from semihard.storage.provenance import Provenance\n"
            "resume = Resume(sys.argv[1], Provenance(), []); (resume.directory / 'finished').touch()\n"
            "print('has it', flush=True); input(); resume.discard(); print('ended', flush=True); input()"
        )
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
        environment = os.environ | {"PYTHONPATH": PYTHONPATH}
        self.process = subprocess.Popen([sys.executable, "-c", program, output], env=environment, **pipes)
        assert self.process.stdout.readline() == "has it\n"

    def discard(self) -> None:
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        assert self.process.stdout.readline() == "ended\n"

    def kill(self) -> None:
        self.process.kill()
        self.process.communicate()


@pytest.fixture
def holder(tmp_path):
    holder = Holder(tmp_path / "model")
    yield holder
    holder.kill()


def test_a_second_job_is_refused_before_it_touches_anything(tmp_path, holder):
    """Though its settings are others, for which the folder would be put aside."""
    said = re.escape(
        f"{tmp_path}/model.resume: process {holder.process.pid} on {socket.gethostname()} is at work in it; wait until it has "
        f"ended, or end it (on {socket.gethostname()}: kill {holder.process.pid}), then run again"
    )
    with pytest.raises(InUseError, match=f"^{said}$"):
        Resume(tmp_path / "model", Provenance("rule", {"other": 1}), [])
    assert (tmp_path / "model.resume/finished").exists()
    assert {path.name for path in tmp_path.iterdir()} == {"model.resume", "model.resume.lock"}
    Resume(tmp_path / "another", Provenance(), [])


def test_a_killed_job_leaves_the_folder_free(tmp_path, holder):
    holder.kill()
    resume = Resume(tmp_path / "model", Provenance(), [])
    assert (resume.directory / "finished").exists()
    resume.discard()
    assert list(tmp_path.iterdir()) == []


def test_what_a_refused_job_may_remove_can_be_made_again(tmp_path, holder):
    """Snakemake removes the outputs of a failed job, those that the first has just made: its checkpoint is kept."""
    with pytest.raises(InUseError):
        Resume(tmp_path / "model", Provenance(), [])
    holder.discard()
    resume = Resume(tmp_path / "model", Provenance(), [])
    assert (resume.directory / "finished").exists()


def test_what_nobody_wanted_is_removed_and_let_go_of(tmp_path, holder):
    holder.discard()
    assert list(tmp_path.iterdir()) == []
    Resume(tmp_path / "model", Provenance(), [])  # though the other process lives


def test_a_job_refused_long_ago_keeps_no_checkpoint(tmp_path, holder, monkeypatch):
    with pytest.raises(InUseError):
        Resume(tmp_path / "model", Provenance(), [])
    long_ago = time.time() - lock_module.SECONDS_TO_REMOVE - 1
    os.utime(tmp_path / "model.resume.lock", (long_ago, long_ago))
    holder.discard()
    assert list(tmp_path.iterdir()) == []


def test_one_process_may_begin_again(tmp_path):
    """After an exception, whose trace still holds the first object; and a fork that ends leaves its parent the lock."""
    first = Resume(tmp_path / "model", Provenance(), [])
    second = Resume(tmp_path / "model", Provenance(), [])
    child = os.fork()
    if not child:
        os._exit(0)
    os.waitpid(child, 0)
    del first
    assert (tmp_path / "model.resume.lock").exists()
    second.discard()
    assert list(tmp_path.iterdir()) == []


def test_a_further_process_of_one_training_needs_no_lock(tmp_path, holder):
    Resume(tmp_path / "model", Provenance(), [], alone=False)


@pytest.mark.parametrize("number", [errno.ENOLCK, errno.EOPNOTSUPP])
def test_a_file_system_without_locks_is_said_once(tmp_path, monkeypatch, caplog, number):
    def no_locks(*_):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(fcntl, "flock", no_locks)
    Resume(tmp_path / "model", Provenance(), []).discard()
    assert [record.levelno for record in caplog.records] == [logging.WARNING]
    assert "no locks there" in caplog.text and os.strerror(number) in caplog.text
    assert list(tmp_path.iterdir()) == []


def test_a_retry_of_a_refused_job_tries_again(tmp_path):
    """It is no bad input, whose sentence would be repeated."""
    from semihard.workflow.job import job

    handlers = logging.getLogger().handlers[:]
    for attempt in (1, 2):
        with pytest.raises(SystemExit), job(snakemake(tmp_path, attempt)):
            raise InUseError("model.resume: process 7 on node3 is at work in it")
        assert "not tried again" not in (tmp_path / "logs/x.log").read_text(encoding="utf-8")
    with job(snakemake(tmp_path, 3)):
        pass
    logging.getLogger().handlers[:] = handlers


# ── orphans ──────────────────────────────────────────────────────────────────────────────────────────────────────────

ORPHAN = """
import os, signal, sys, time
from semihard.compute.orphan import ends_with_its_parent
signal.signal(signal.SIGTERM, lambda number, _: sys.exit(143))
with open(sys.argv[1], "w") as report:
    try:
        with ends_with_its_parent():
            print(os.getpid(), file=report, flush=True)
            time.sleep(60)
    finally:
        print("unwound", file=report, flush=True)
"""


@pytest.mark.parametrize("shell", ["", "sh -c '{}; true'", "bash -c 'bash -c \"{}; true\"; true'"])
def test_a_job_whose_parent_is_killed_unwinds(tmp_path, shell):
    """The shell that lies between it and Snakemake lives on."""
    (tmp_path / "orphan.py").write_text(ORPHAN, encoding="utf-8")
    command = f"{sys.executable} {tmp_path}/orphan.py {tmp_path}/report"
    command = shell.format(command) if shell else f"exec {command}"
    program = f"import subprocess; subprocess.run({command!r}, shell=True)"
    parent = subprocess.Popen([sys.executable, "-c", program], env=os.environ | {"PYTHONPATH": PYTHONPATH})
    report = tmp_path / "report"
    wait_for(lambda: report.exists() and report.read_text(encoding="utf-8"), "report", 30)
    parent.kill()
    parent.wait()
    wait_for(lambda: "unwound" in report.read_text(encoding="utf-8"), "end of the job", 30)


def test_a_job_whose_parent_lives_is_left_alone():
    before = signal.signal(signal.SIGTERM, lambda *_: pytest.fail("asked to stop"))
    with ends_with_its_parent():
        time.sleep(0.1)
    signal.signal(signal.SIGTERM, before)
    assert who_started_this() != os.getpid()


def test_where_nobody_can_be_watched_the_work_goes_on(monkeypatch):
    monkeypatch.delattr(os, "pidfd_open", raising=False)
    with ends_with_its_parent():
        pass
