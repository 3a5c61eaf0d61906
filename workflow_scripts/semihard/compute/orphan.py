"""A job whose parent has died saves what it has and stops: nobody waits for it, and the next run wants its place."""

import logging
import os
import select
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

log = logging.getLogger("semihard")
SHELLS = {"sh", "bash", "dash", "ash", "ksh", "zsh", "busybox"}


def who_started_this() -> int | None:
    """The nearest ancestor of this process that is no shell; None where there is none but init, or where the system does
    not tell (Linux does). A shell outlives the Snakemake that started a job by it."""
    process = os.getppid()
    while process > 1:
        try:
            stat = Path(f"/proc/{process}/stat").read_text(encoding="utf-8", errors="replace")
        except OSError:
            return None
        name, _, rest = stat.partition("(")[2].rpartition(") ")
        if name not in SHELLS:
            return process
        process = int(rest.split()[1])
    return None


@contextmanager
def ends_with_its_parent() -> Iterator[None]:
    """While the body runs, the death of `who_started_this` is as SIGTERM to this process: a training saves and stops, any
    other work unwinds. Does nothing where the system has no pidfd (Linux since 5.3 has)."""
    parent = who_started_this()
    try:
        watched = os.pidfd_open(parent)  # of this process for ever, whoever gets its number later
    except (AttributeError, TypeError, OSError):
        yield
        return
    is_over, end = os.pipe()
    poll = select.poll()
    poll.register(watched, select.POLLIN)
    poll.register(is_over, select.POLLHUP)

    def watch() -> None:
        if is_over not in dict(poll.poll()):
            log.warning("process %d, which started this job, has died: saving and stopping", parent)
            signal.pthread_kill(threading.main_thread().ident, signal.SIGTERM)

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield
    finally:
        os.close(end)
        thread.join()
        os.close(is_over)
        os.close(watched)
