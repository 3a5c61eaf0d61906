"""What a job takes: time, memory, GPUs and their energy. None of it enters an artifact but the name of the device."""

import ctypes
import os
import resource
import socket
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path


class Usage:
    """Measures one job from the start of its process on. gpus: how many it asked for on each of `nodes`, which are taken to
    be alike; processor time and memory are those of this node, and the energy of several is not known."""

    def __init__(self, gpus: int, nvml: "Callable[[], Nvml | None] | None" = None, nodes: int = 1):
        self._began = time.time() - process_age()
        self.gpus = gpus_in_use(gpus, nvml or Nvml.load) * nodes
        self._meter = (nvml or Nvml.load)() if self.gpus and nodes == 1 else None
        self._energy = self._joules()

    @property
    def device(self) -> str:
        """The name of the GPU, of several, or "cpu"."""
        names = sorted(set(self.gpus))
        counted = [f"{self.gpus.count(name)} x {name}" if len(self.gpus) > 1 else name for name in names]
        return " + ".join(counted) or "cpu"

    def begun(self) -> dict[str, str]:
        """When and where."""
        started = datetime.fromtimestamp(self._began, UTC).isoformat(timespec="seconds")
        return {"started": started, "host": socket.gethostname()}

    def so_far(self) -> dict[str, object]:
        """When and where, and what was taken until now: seconds, bytes, joules (None where nothing tells)."""
        own, ended = resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN)
        wall, energy = time.time() - self._began, self._joules()
        spent = energy - self._energy if energy is not None and self._energy is not None else None
        cpu = own.ru_utime + own.ru_stime + ended.ru_utime + ended.ru_stime
        return self.begun() | {
            "wall_s": round(wall, 2),
            "cpu_s": round(cpu, 2),
            "peak_memory_bytes": max(own_peak(own.ru_maxrss), in_bytes(ended.ru_maxrss)),
            "gpus": self.gpus,
            "gpu_s": round(wall * len(self.gpus), 2),
            "energy_j": spent,
        }

    def _joules(self) -> float | None:
        if self._meter is None:
            return None
        each = [self._meter.joules(which) for which in visible_gpus(len(self.gpus))]
        return None if None in each else round(sum(each), 1)


def process_age() -> float:
    """Seconds since this process began, imports included; 0 where the system does not tell."""
    try:
        ticks = int(Path("/proc/self/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[19])
        return time.clock_gettime(time.CLOCK_BOOTTIME) - ticks / os.sysconf("SC_CLK_TCK")
    except (OSError, AttributeError):
        return 0.0


def own_peak(max_rss: int) -> int:
    """Peak memory of this process in bytes: not that of the Snakemake which it was a fork of, as `max_rss` may be."""
    try:
        lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM:"))
    except (OSError, StopIteration):
        return in_bytes(max_rss)


def in_bytes(max_rss: int) -> int:
    """`ru_maxrss` in bytes, whichever system says it."""
    return max_rss if sys.platform == "darwin" else max_rss * 1024


def visible_gpus(count: int) -> list[int | str]:
    """The first `count` GPUs that this process may use, by index or UUID."""
    named = os.environ.get("CUDA_VISIBLE_DEVICES")
    which = range(count) if named is None else [item.strip() for item in named.split(",") if item.strip()]
    return [int(item) if str(item).isdigit() else str(item) for item in list(which)[:count]]


def gpus_in_use(count: int, nvml: "Callable[[], Nvml | None]") -> list[str]:
    """The names of the GPUs that a job which asked for `count` runs on (Apple's is "mps"), none on a CPU. Where it asked for
    several, its processes use them, not this one, which asks the driver so that it takes no memory of theirs."""
    torch = sys.modules.get("torch")
    if not count or torch is None:
        return []
    if not torch.cuda.is_available():
        return ["mps"] if torch.backends.mps.is_available() else []
    count = min(count, torch.cuda.device_count())
    meter = nvml() if count > 1 else None
    names = [meter.name(which) for which in visible_gpus(count)] if meter else []
    return names if names and all(names) else [torch.cuda.get_device_name(number) for number in range(count)]


class Nvml:
    """NVIDIA's management library, which comes with the driver: a GPU's name, and the energy it has taken so far."""

    def __init__(self, library: ctypes.CDLL):
        self._library = library

    @classmethod
    def load(cls) -> "Nvml | None":
        """None where there is no NVIDIA driver."""
        try:
            library = ctypes.CDLL("libnvidia-ml.so.1")
            return cls(library) if library.nvmlInit_v2() == 0 else None
        except (OSError, AttributeError):
            return None

    def name(self, which: int | str) -> str | None:
        """What a GPU is called, by index or UUID."""
        text = ctypes.create_string_buffer(96)
        return text.value.decode() if self._said("nvmlDeviceGetName", which, text, ctypes.c_uint(len(text))) else None

    def joules(self, which: int | str) -> float | None:
        """The energy that a GPU has taken since its driver was loaded; None of one before Volta, and of a part of one."""
        millijoules = ctypes.c_ulonglong()
        asked = self._said("nvmlDeviceGetTotalEnergyConsumption", which, ctypes.byref(millijoules))
        return millijoules.value / 1000 if asked else None

    def _said(self, function: str, which: int | str, *arguments: object) -> bool:
        device = ctypes.c_void_p()
        try:
            if isinstance(which, int):
                found = self._library.nvmlDeviceGetHandleByIndex_v2(ctypes.c_uint(which), ctypes.byref(device))
            else:
                found = self._library.nvmlDeviceGetHandleByUUID(which.encode(), ctypes.byref(device))
            return found == 0 and getattr(self._library, function)(device, *arguments) == 0
        except AttributeError:  # of an older driver
            return False
