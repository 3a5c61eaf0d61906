"""GPUs for one job: locked for all users of the machine, by locks that end with the process."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from semihard.compute import gpu_locks
from semihard.compute.gpu_locks import take_gpus
from semihard.errors import InputError
from tests.unit.test_project import ROOT

HOLD = """
import pathlib, sys, tempfile, time
from semihard.compute.gpu_locks import take_gpus
tempfile.tempdir = sys.argv[1]
pathlib.Path.glob = lambda self, pattern: [pathlib.Path(f"/dev/nvidia{i}") for i in range(4)]
locks = take_gpus(3)
print("held", flush=True)
time.sleep(600)
"""


@pytest.fixture
def four(tmp_path, monkeypatch):
    """A machine with four GPUs and a folder for temporary files of its own."""
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.setattr(gpu_locks.tempfile, "gettempdir", lambda: str(tmp_path))
    devices = [Path(f"/dev/nvidia{i}") for i in range(4)]
    monkeypatch.setattr(gpu_locks.Path, "glob", lambda self, pattern: devices)
    return tmp_path


def test_gpus_are_locked_and_no_other_job_gets_them(four, monkeypatch):
    """A job of two, another of one, and one of two that finds only one free."""
    locks = take_gpus(2)
    assert os.environ.pop("CUDA_VISIBLE_DEVICES") == "0,1"
    more = take_gpus(1)
    assert os.environ.pop("CUDA_VISIBLE_DEVICES") == "2"
    with pytest.raises(InputError, match="1 of the 4 GPUs of this machine are free, 2 wanted"):
        take_gpus(2)
    for lock in [*locks, *more]:
        lock.close()
    assert len(take_gpus(4)) == 4 and os.environ.pop("CUDA_VISIBLE_DEVICES") == "0,1,2,3"
    assert take_gpus(0) == []
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "7")
    assert take_gpus(1) == []


def test_a_killed_job_leaves_its_gpus(four):
    environment = os.environ | {"PYTHONPATH": str(ROOT / "workflow_scripts")}
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(four)], env=environment, stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdout.readline() == "held\n"
        with pytest.raises(InputError, match="1 of the 4 GPUs of this machine are free, 2 wanted"):
            take_gpus(2)
        other.send_signal(signal.SIGKILL)
    locks = take_gpus(4)
    assert len(locks) == 4 and os.environ.pop("CUDA_VISIBLE_DEVICES") == "0,1,2,3"


def test_the_lock_files_of_another_user_serve(four, monkeypatch):
    """They cannot be written, nor opened as if to be made, in a folder where everybody writes; but they can be locked."""
    for device in range(4):
        (four / f"semihard-nvidia{device}.lock").touch()
    real_open = os.open

    def open_as_another(path, flags, *mode):
        if flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT):
            raise PermissionError(13, "Permission denied", str(path))
        return real_open(path, flags, *mode)

    monkeypatch.setattr(gpu_locks.os, "open", open_as_another)
    locks = take_gpus(3)
    assert os.environ.pop("CUDA_VISIBLE_DEVICES") == "0,1,2"
    with pytest.raises(InputError, match="other jobs, of this user or another, hold the rest"):
        take_gpus(2)
    assert len(locks) == 3


def test_a_gpu_that_pytorch_cannot_use_is_said(monkeypatch, caplog):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")
    monkeypatch.setattr(gpu_locks, "version", lambda _: "2.13.0+cpu")
    assert take_gpus(1) == []
    assert "this job has a GPU, but PyTorch 2.13.0+cpu is built for CPUs: it runs on the CPU" in caplog.text
    caplog.clear()
    take_gpus(0)
    monkeypatch.setattr(gpu_locks, "version", lambda _: "2.13.0")
    take_gpus(1)
    assert not caplog.text
