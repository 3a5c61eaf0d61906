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
    """Autocast to the type that `precision` means on `device`; for float32 nothing."""
    dtype = dtype_of(device, precision)
    return contextlib.nullcontext() if dtype == torch.float32 else torch.autocast(device.type, dtype)


def dtype_of(device: torch.device, precision: str) -> torch.dtype:
    """What the precision "bf16", "fp16", "fp32" or "auto" means on `device`: auto is bfloat16 where it is fast, else float32."""
    named = {"bf16": torch.bfloat16, "fp16": torch.float16, "fp32": torch.float32}
    return named["bf16" if has_fast_bf16(device) else "fp32"] if precision == "auto" else named[precision]


def loss_scaler(device: torch.device, precision: str) -> torch.amp.GradScaler:
    """What keeps small gradients of float16 from becoming zero; with any other precision it does nothing."""
    return torch.amp.GradScaler(device.type, enabled=precision == "fp16")


def loss_scale(scaler: torch.amp.GradScaler, device: torch.device) -> dict[str, torch.Tensor]:
    """The scale as a loss to be recorded, on the device, and nothing where there is none. NaN where it has fallen out of
    float16's range: one step after the other was skipped, so that nothing is learned."""
    if not scaler.is_enabled():
        return {}
    scale = scaler.scale(torch.ones((), device=device))
    return {"loss_scale": torch.where(scale < torch.finfo(torch.float16).tiny, torch.nan, scale)}


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
