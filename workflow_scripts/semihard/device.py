"""Where and in what precision the arithmetic runs. The rest of the library asks here and nowhere else."""

import contextlib

import torch


def best_device() -> torch.device:
    """The CUDA device that is visible, else Apple's, else the CPU."""
    if torch.cuda.is_available():
        return torch.device("cuda")
    return torch.device("mps" if torch.backends.mps.is_available() else "cpu")


def has_fast_bf16(device: torch.device) -> bool:
    """True where bfloat16 matrix products are faster than float32: CUDA from Ampere on, CPUs with AVX-512 BF16 or AMX."""
    if device.type == "cuda":
        return torch.cuda.get_device_capability(device) >= (8, 0)
    supported = getattr(torch.cpu, "_is_avx512_bf16_supported", lambda: False)  # private: absent in some releases
    return device.type == "cpu" and supported()


def autocast(device: torch.device, precision: str) -> contextlib.AbstractContextManager:
    """Autocast to bfloat16 for precision "bf16"; for "auto" only where it is fast; for "fp32" nothing."""
    wanted = precision == "bf16" or (precision == "auto" and has_fast_bf16(device))
    return torch.autocast(device.type, torch.bfloat16) if wanted else contextlib.nullcontext()
