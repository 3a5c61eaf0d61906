"""Where and in what precision the arithmetic runs, and in how many processes. The rest of the library asks here."""

import contextlib
import logging
import multiprocessing
import os
import tempfile
from collections.abc import Callable
from multiprocessing.queues import SimpleQueue

import torch
from torch.distributed.elastic.multiprocessing import DefaultLogsSpecs, SignalException
from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
from torch.distributed.launcher.api import LaunchConfig, elastic_launch

from semihard.errors import InputError, NonFiniteLossError

log = logging.getLogger("semihard")
SECONDS_TO_SAVE = 600  # after SIGTERM, for the step that is going on and the checkpoint


def best_device() -> torch.device:
    """The CUDA device that is visible (in one of several processes, its own), else Apple's, else the CPU.

    cuDNN may try its algorithms first: here every batch but the last has the same shape.
    """
    if torch.cuda.is_available():
        torch.backends.cudnn.benchmark = True
        return torch.device("cuda", int(os.environ.get("LOCAL_RANK", 0)))
    return torch.device("mps" if torch.backends.mps.is_available() else "cpu")


def has_fast_bf16(device: torch.device) -> bool:
    """True where bfloat16 matrix products are faster than float32: CUDA from Ampere on, CPUs with AVX-512 BF16 or AMX."""
    if device.type == "cuda":
        return torch.cuda.get_device_capability(device) >= (8, 0)
    supported = getattr(torch.cpu, "_is_avx512_bf16_supported", lambda: False)  # private: absent in some releases
    return device.type == "cpu" and supported()


def autocast(device: torch.device, precision: str) -> contextlib.AbstractContextManager:
    """Autocast to bfloat16 for precision "bf16"; for "auto" only where it is fast; for "fp32" nothing."""
    wanted = uses_bf16(device, precision)
    return torch.autocast(device.type, torch.bfloat16) if wanted else contextlib.nullcontext()


def uses_bf16(device: torch.device, precision: str) -> bool:
    """What the precision "bf16", "fp32" or "auto" means on `device`."""
    return precision == "bf16" or (precision == "auto" and has_fast_bf16(device))


def unet_layout(device: torch.device, compiled: bool) -> torch.memory_format:
    """Channels-last only where torch.compile fuses the group norms: PyTorch's own copies to NCHW and back on a GPU (dcface_112
    on an H100 in bf16: 311 training images a second, 431 in NCHW), and is 4 (fp32) to 30 times (bf16) slower on a CPU."""
    return torch.channels_last if device.type == "cuda" and compiled else torch.contiguous_format


def compiled(function: Callable, wanted: bool = True) -> Callable:
    """torch.compile of `function`, made at its first call; where that fails, one line says so and it runs as it is."""
    if not wanted:
        return function
    made, failed = torch.compile(function), False

    def call(*given: object, **named: object) -> object:
        nonlocal failed
        if not failed:
            try:
                return made(*given, **named)
            except torch._dynamo.exc.TorchDynamoException as error:
                failed = True
                reason = str(error).strip().splitlines()[0]
                log.warning("torch.compile failed (%s: %s): going on without", type(error).__name__, reason)
        return function(*given, **named)

    return call


def launch(processes: int, function: Callable, *arguments: object) -> None:
    """Call function(*arguments) in `processes` processes that can form a process group, or simply call it for one.

    The processes are torch's elastic workers, started afresh: function and arguments must be picklable. Where torchrun
    has started this process already (on several machines, say), it is one of them. What a worker raises as InputError
    or NonFiniteLossError is raised here, InputError also where this job sees fewer GPUs than processes; SIGTERM reaches
    the workers, and SystemExit(143) is raised when they have ended.
    """
    if processes == 1 or "RANK" in os.environ:
        return function(*arguments)
    if torch.cuda.is_available() and (seen := torch.cuda.device_count()) < processes:
        raise InputError(
            f"processes {processes}: this job sees {seen} GPU(s); set `processes` to that, or start Snakemake with "
            f"--resources gpu={processes}"
        )
    files = [handler.baseFilename for handler in log.root.handlers if isinstance(handler, logging.FileHandler)]
    problems = multiprocessing.get_context("spawn").SimpleQueue()
    logging.getLogger("torch.distributed.elastic.multiprocessing").setLevel(logging.CRITICAL)  # what it logs is raised
    with tempfile.TemporaryDirectory(prefix="semihard-") as folder:
        config = LaunchConfig(
            1, 1, processes, DefaultLogsSpecs(folder), "semihard", rdzv_backend="c10d", rdzv_endpoint="localhost:0",
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
        function(*arguments)
    except (InputError, NonFiniteLossError) as problem:
        problems.put(problem)
        raise  # a process that fails ends the others, which may be waiting for it
