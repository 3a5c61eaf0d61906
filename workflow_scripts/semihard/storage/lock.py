"""One job at a time in a checkpoint folder: a lock that ends with its process, however it ends."""

import errno
import fcntl
import logging
import os
import socket
import time
import weakref
from contextlib import suppress
from pathlib import Path

from semihard.errors import InUseError
from semihard.storage.atomic import make_folder

log = logging.getLogger("semihard")
UNSUPPORTED = {errno.ENOLCK, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS}
REFUSED = "refused\n"
SECONDS_TO_REMOVE = 600.0  # in which Snakemake has removed the outputs of a job that was refused
_held: "weakref.WeakValueDictionary[tuple[int, Path], Lock]" = weakref.WeakValueDictionary()


def hold(folder: Path) -> "Lock":
    """The lock of `folder`, which this process has or takes now; it is let go of with the object or the process.

    Raises InUseError where another process has it. A file system without locks is said once, and the work goes on.
    """
    key = os.getpid(), folder.absolute()
    lock = _held.get(key)
    if lock is None:
        lock = _held[key] = Lock(folder)
    return lock


class Lock:
    """The file `<folder>.lock` beside the folder, which may be renamed or removed meanwhile. It holds the process and host
    that has it, and a line for every job that was refused since."""

    def __init__(self, folder: Path):
        self.path = Path(f"{folder}.lock")
        make_folder(self.path.parent)
        if not self._take():
            time.sleep(1)  # who has it may have looked for refused jobs just before, and be about to let go of it
            if not self._take():
                process, host = self._holder()
                raise InUseError(
                    f"{folder}: process {process} on {host} is at work in it; wait until it has ended, or end it (on {host}: "
                    f"kill {process}), then run again"
                )

    def _take(self) -> bool:
        while True:
            file = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o666)
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                os.write(file, REFUSED.encode())
                os.close(file)
                return False
            except OSError as error:
                if error.errno not in UNSUPPORTED:
                    os.close(file)
                    raise
                log.warning("%s: no locks there (%s): see to it that no second run is at work", self.path, error)
            if self.path.exists() and os.path.samestat(os.fstat(file), self.path.stat()):
                break
            os.close(file)  # removed by who had it, just before
        os.ftruncate(file, 0)
        os.write(file, f"{os.getpid()} {socket.gethostname()}\n".encode())
        self.release = weakref.finalize(self, _let_go, file, self.path, os.getpid())
        return True

    def _holder(self) -> tuple[str, str]:
        text = self.path.read_text(encoding="utf-8") if self.path.exists() else ""
        process, _, host = text.partition("\n")[0].partition(" ")
        return (process, host) if host else ("of another job", "this machine")

    def refused_another(self) -> bool:
        """True where another job was refused a moment ago: its Snakemake may be about to remove the outputs of a failed
        job, which are those of this one."""
        try:
            refused = REFUSED in self.path.read_text(encoding="utf-8")
            return refused and time.time() - self.path.stat().st_mtime < SECONDS_TO_REMOVE
        except OSError:
            return False


def _let_go(file: int, path: Path, process: int) -> None:
    if os.getpid() == process:  # not a fork of it that ends
        with suppress(OSError):
            path.unlink()
    os.close(file)
