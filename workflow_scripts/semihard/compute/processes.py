"""How many processes a training runs in, how they start, and what they agree on."""

import functools
import logging
import multiprocessing
import os
import tempfile
from collections.abc import Callable
from multiprocessing.queues import SimpleQueue

import torch
from torch import distributed
from torch.distributed.elastic.multiprocessing import DefaultLogsSpecs, SignalException
from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
from torch.distributed.launcher.api import LaunchConfig, elastic_launch

from semihard.compute.nodes import RENDEZVOUS
from semihard.compute.orphan import ends_with_its_parent
from semihard.errors import InputError, NonFiniteLossError

log = logging.getLogger("semihard")
SECONDS_TO_SAVE = 600  # after SIGTERM, for the step that is going on and the checkpoint


def in_processes(training: Callable[..., None]) -> Callable[..., None]:
    """Decorator: the function, whose first argument has `processes`, runs in that many at once.

    Where torchrun has started this process already (on several machines, say), it is one of them.
    """

    @functools.wraps(training)
    def call(settings: object, *arguments: object, **named: object) -> None:
        if settings.processes == 1 or "RANK" in os.environ:
            return training(settings, *arguments, **named)
        launch(settings.processes, functools.partial(call, settings, *arguments, **named))

    return call


def launch(processes: int, function: Callable, *arguments: object) -> None:
    """Call function(*arguments) in `processes` processes that can form a process group.

    The processes are torch's elastic workers, started afresh: function and arguments must be picklable. What a worker
    raises as InputError or NonFiniteLossError is raised here, InputError also where this job sees fewer GPUs than
    processes; SIGTERM reaches the workers, and SystemExit(143) is raised when they have ended. On several nodes
    (compute.nodes) each starts its share.
    """
    nodes, _, meeting_place = os.environ.get(RENDEZVOUS, "1 localhost:0").partition(" ")
    own = processes // int(nodes)
    if torch.cuda.is_available() and (seen := torch.cuda.device_count()) < own:
        raise InputError(
            f"processes {processes}: this job sees {seen} GPU(s) of {own}; set `processes` to that, or start Snakemake with "
            f"--resources gpu={own}"
        )
    files = [handler.baseFilename for handler in log.root.handlers if isinstance(handler, logging.FileHandler)]
    problems = multiprocessing.get_context("spawn").SimpleQueue()
    logging.getLogger("torch.distributed.elastic.multiprocessing").setLevel(logging.CRITICAL)  # what it logs is raised
    with tempfile.TemporaryDirectory(prefix="semihard-") as folder:
        config = LaunchConfig(
            int(nodes), int(nodes), own, DefaultLogsSpecs(folder), "semihard", rdzv_backend="c10d", rdzv_endpoint=meeting_place,
            max_restarts=0, shutdown_timeout=SECONDS_TO_SAVE,
        )  # fmt: skip
        try:
            elastic_launch(config, _worker)(files, problems, function, arguments)
        except SignalException:
            raise SystemExit(143) from None
        except ChildFailedError as error:
            if not problems.empty():
                raise problems.get() from None
            rank, failure = error.get_first_failure()
            if failure.exitcode >= 0:
                raise
            raise ChildProcessError(
                f"process {rank} of {processes} was killed (signal {-failure.exitcode}), perhaps for want of memory: lower the "
                "batch, or run again to go on from the last checkpoint"
            ) from None


def _worker(log_files: list[str], problems: SimpleQueue, function: Callable, arguments: tuple) -> None:
    if os.environ["RANK"] == "0":
        handlers = [logging.StreamHandler(), *map(logging.FileHandler, log_files)]
        logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", datefmt="%H:%M:%S", handlers=handlers)
    try:
        with ends_with_its_parent():
            function(*arguments)
    except (InputError, NonFiniteLossError) as problem:
        problems.put(problem)
        raise  # a process that fails ends the others, which may be waiting for it


def is_first_process() -> bool:
    """True in the process that writes: the only one, or the first of several."""
    return not distributed.is_initialized() or distributed.get_rank() == 0


class Agreement:
    """Flags that are true where they are in any process: a signal reaches processes at different steps.

    Asked over gloo, on the CPU, so that no process waits for its GPU.
    """

    def __init__(self):
        self._group = distributed.new_group(backend="gloo") if distributed.is_initialized() else None

    def __call__(self, *flags: bool) -> tuple[bool, ...]:
        if self._group is None:
            return flags
        either = torch.tensor(flags, dtype=torch.int32)
        distributed.all_reduce(either, distributed.ReduceOp.MAX, self._group)
        return tuple(map(bool, either.tolist()))
