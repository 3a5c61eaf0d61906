"""GPUs of this machine for one job, by file locks that end with its process, however it ends."""

import fcntl
import logging
import os
import tempfile
from importlib.metadata import version
from pathlib import Path
from typing import IO

from semihard.errors import InputError

log = logging.getLogger("semihard")


def take_gpus(count: int) -> list[IO]:
    """Lock `count` GPUs of this machine for this process, and make only those visible. Returns the open lock files.

    Snakemake counts GPUs but does not hand them out. Nothing happens where CUDA_VISIBLE_DEVICES is set (a user or SLURM has
    decided) or where there is at most one NVIDIA device. The locks lie in the folder for temporary files and count for all
    users of the machine. Raises InputError where fewer are free.
    """
    devices = sorted(Path("/dev").glob("nvidia[0-9]*"))
    if count and (devices or os.environ.get("CUDA_VISIBLE_DEVICES")) and version("torch").endswith("+cpu"):
        log.warning("this job has a GPU, but PyTorch %s is built for CPUs: it runs on the CPU", version("torch"))
    if "CUDA_VISIBLE_DEVICES" in os.environ or len(devices) < 2 or not count:
        return []
    taken: dict[str, IO] = {}
    for device in devices:
        if len(taken) < count and (lock := _lock(Path(tempfile.gettempdir(), f"semihard-{device.name}.lock"))):
            taken[device.name.removeprefix("nvidia")] = lock
    if len(taken) < count:
        for lock in taken.values():
            lock.close()
        raise InputError(
            f"{len(taken)} of the {len(devices)} GPUs of this machine are free, {count} wanted; other jobs, of this user or "
            f"another, hold the rest: start Snakemake with --resources gpu={len(devices)}, or run on the GPUs that "
            "CUDA_VISIBLE_DEVICES names (none: on the CPU)"
        )
    os.environ["CUDA_VISIBLE_DEVICES"] = ",".join(taken)
    return list(taken.values())


def _lock(path: Path) -> IO | None:
    """The open lock file, None where another process has it. Opened for reading: it may be another user's."""
    try:
        number = os.open(path, os.O_RDONLY)
    except FileNotFoundError:
        number = os.open(path, os.O_RDONLY | os.O_CREAT, 0o644)
    lock = os.fdopen(number, "rb")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        lock.close()
        return None
    return lock
