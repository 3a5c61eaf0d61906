"""The seam between a Snakemake job and the library: the only module here that knows what a `snakemake` object is."""

import errno
import hashlib
import logging
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import IO

from semihard.compute.gpu_locks import take_gpus
from semihard.compute.nodes import is_on_each_node, on_each_node
from semihard.compute.orphan import ends_with_its_parent
from semihard.compute.tracking import Tracker
from semihard.errors import InputError, InUseError, NonFiniteLossError
from semihard.storage.provenance import Provenance
from semihard.workflow.fingerprint import SCRIPTS
from semihard.workflow.run_record import recorded


@contextmanager
def job(snakemake) -> Iterator[Provenance]:
    """Run the body of a workflow script.

    Logs to the rule's log file and to stderr, takes a GPU of its own where several are in the machine and nobody has
    assigned one, stops where its Snakemake has died, and turns bad input or a full disk into one sentence and exit status 1.
    (Snakemake itself limits the threads.)
    What will end so again, bad input or a loss that is not finite, is kept beside the log: a further attempt of the same
    run (resource `attempt`) on the same input repeats the sentence at once. Yields the provenance that the artifacts of
    this job carry; its record is written when the body has ended (workflow.run_record).
    """
    handlers: list[logging.Handler] = [logging.StreamHandler()]
    if snakemake.log:
        Path(snakemake.log[0]).parent.mkdir(parents=True, exist_ok=True)
        handlers.append(logging.FileHandler(snakemake.log[0], encoding="utf-8", errors="backslashreplace"))
    logging.basicConfig(
        level=logging.INFO, format="%(asctime)s %(message)s", datefmt="%H:%M:%S", handlers=handlers, force=True
    )
    log = logging.getLogger("semihard")
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, unwind)
    failure = _Failure(snakemake)
    if sentence := failure.before():
        log.error("%s: %s (as before; not tried again)", snakemake.rule, sentence)
        sys.exit(1)
    gpus: list[IO] = []
    started = False
    try:
        check_library(snakemake.scriptdir)
        nodes = getattr(snakemake.resources, "nodes", 1)
        with nullcontext() if nodes == 1 or is_on_each_node() else recorded(snakemake):
            on_each_node(nodes)
        gpus = take_gpus(getattr(snakemake.resources, "gpu", 0))
        started = True  # from here on: that no GPU is free may change
        with ends_with_its_parent(), recorded(snakemake) as provenance:
            yield provenance
    except Exception as error:
        if reason := disk_full(error):
            log.error("%s: %s; nothing finished was lost: free space and run again", snakemake.rule, reason)
        elif reason := out_of_memory(error):
            log.error("%s: %s; lower the batch or give the job more memory, and run again", snakemake.rule, reason)
        elif isinstance(error, InputError | NonFiniteLossError | OSError):
            log.error("%s: %s", snakemake.rule, error)
            if started and not isinstance(error, InUseError) and isinstance(error, InputError | NonFiniteLossError):
                failure.keep(str(error))
        else:
            log.exception("%s failed", snakemake.rule)
        sys.exit(1)
    finally:
        for gpu in gpus:
            gpu.close()


def unwind(number: int, _: object) -> None:
    """End this process by way of its `finally`s, which remove temporary files; a further SIGTERM does not break into them."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    logging.getLogger("semihard").warning("told to stop (%s)", signal.Signals(number).name)
    sys.exit(128 + number)


def check_library(scripts: str) -> None:
    """Raises InputError where this library is not the one beside the workflow's scripts, whose fingerprint is recorded: a
    package that is installed comes before it on the path of a job. (In a container it may be mounted elsewhere alone.)"""
    if Path(scripts).is_dir() and not SCRIPTS.samefile(scripts):
        raise InputError(
            f"the job would run the library in {SCRIPTS}, not that of {Path(scripts).resolve()}: uninstall the package semihard "
            "from the environment of the workflow"
        )


def tracker_of(snakemake) -> Tracker | None:
    """Who shows the training of this job, by the configuration's `study.tracker`: in no parameter of a rule, so that it
    comes and goes without a training being made again. Its files lie in <results>/logs/tracker."""
    kind = snakemake.config.get("study", {}).get("tracker")
    if not kind:
        return None
    logs = Path(snakemake.config.get("results", "results"), "logs")
    return Tracker(kind, logs / "tracker", str(Path(snakemake.log[0]).with_suffix("").relative_to(logs)))


class _Failure:
    """Why this job failed where it will fail so again: a file beside the log, which outlives it, of the state of the job's
    parameters and inputs and of the sentence. Snakemake has no way to tell it not to retry."""

    def __init__(self, snakemake):
        self.file = Path(f"{snakemake.log[0]}.failed") if snakemake.log else None
        self.is_retry = int(getattr(snakemake.resources, "attempt", 1)) > 1
        self.state = hashlib.sha256(repr(list(snakemake.params.items())).encode("utf-8", "surrogateescape"))
        for path in map(str, snakemake.input):
            stat = Path(path).stat() if Path(path).exists() else None
            self.state.update(repr(stat and (path, stat.st_size, stat.st_mtime_ns)).encode("utf-8", "surrogateescape"))

    def before(self) -> str | None:
        """The sentence of the attempt before this one, where nothing has changed since; a first attempt forgets it."""
        if self.file is None or not self.file.exists():
            return None
        state, _, sentence = self.file.read_text(encoding="utf-8").partition("\n")
        if self.is_retry and state == self.state.hexdigest():
            return sentence
        self.file.unlink()
        return None

    def keep(self, sentence: str) -> None:
        """Keep it for the next attempt."""
        if self.file is not None:
            text = f"{self.state.hexdigest()}\n{sentence}"
            self.file.write_text(text, encoding="utf-8", errors="backslashreplace")


def disk_full(error: BaseException | None) -> str | None:
    """What the system says where `error` comes from a full disk, quota or file size limit, else None.

    Libraries wrap it in errors of their own, but keep the system's words in the message or in what came before.
    """
    while error:
        for reason in map(os.strerror, (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)):
            if reason in str(error):
                return reason
        error = error.__context__
    return None


def out_of_memory(error: BaseException) -> str | None:
    """What is said of it where `error` is for want of memory, else None: the first line of it, without torch's advice."""
    said = str(error).partition("\n")[0]
    words = ("out of memory", "not enough memory", "t allocate memory", os.strerror(errno.ENOMEM))
    lacking = isinstance(error, MemoryError) or any(word in said for word in words)
    return f"not enough memory ({said or type(error).__name__})" if lacking else None
