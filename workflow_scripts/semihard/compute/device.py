"""Where and in what precision the arithmetic runs. The rest of the library asks here."""

import contextlib
import logging
import os
from collections.abc import Callable

import torch

log = logging.getLogger("semihard")


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
    compiled_function, failed = torch.compile(function), False

    def call(*given: object, **named: object) -> object:
        nonlocal failed
        if not failed:
            try:
                return compiled_function(*given, **named)
            except torch._dynamo.exc.TorchDynamoException as error:
                failed = True
                reason = str(error).strip().splitlines()[0]
                log.warning("torch.compile failed (%s: %s): going on without", type(error).__name__, reason)
        return function(*given, **named)

    return call
