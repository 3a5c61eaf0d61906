"""Decode-once data for shuffled training: all images of a face set as one uint8 tensor, in memory or memory-mapped."""

import logging
import os
import tempfile
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import numpy as np
import torch
from torch import distributed

from semihard.compute.progress import progress
from semihard.compute.seeds import seed_for
from semihard.compute.tensors import fit
from semihard.errors import InputError
from semihard.storage.faceset import FaceSet

log = logging.getLogger("semihard")
BYTES_IN_MEMORY = 8 << 30  # half of a common workstation's memory; above it a temporary file is mapped


class DecodedImages:
    """All images of a face set at one size, decoded once: on the GPU where they fit, else in memory or mapped from a file.

    faces; size, crop_from: as of `tensors.fit`, in pixels; device: where batches are wanted; keep_free: bytes of the GPU
    that something else needs; where not given, as many as the images take. One line of the log says where they are.
    """

    def __init__(
        self,
        faces: FaceSet,
        size: tuple[int, int] | int,
        device: torch.device,
        crop_from: tuple[int, int] | None = None,
        keep_free: int | None = None,
    ):
        self.device = device
        self._images, where = decode_all(faces, size, crop_from)
        needed = self._images.nbytes + (self._images.nbytes if keep_free is None else keep_free)
        if device.type == "cuda" and needed < torch.cuda.mem_get_info(device)[0]:
            self._images, where = self._images.to(device), f"on {torch.cuda.get_device_name(device)}"
        what = f"{faces.path.stem}: {len(self):,} images, {self._images.nbytes / 1e9:.3g} GB of pixels"
        log.info("%s, decoded once, %s", what, where)

    def __len__(self) -> int:
        return len(self._images)

    def __getitem__(self, rows: torch.Tensor) -> torch.Tensor:
        """Images uint8 `[n, 3, h, w]` on the device; rows: int64 `[n]`, on the CPU."""
        return onto_device(self._images[onto_device(rows, self._images.device)], self.device)

    def split(self, size: int) -> Iterator[torch.Tensor]:
        """All images, `size` at a time, where they lie."""
        return iter(self._images.split(size))


def onto_device(values: torch.Tensor, device: torch.device) -> torch.Tensor:
    """`values` on `device`; a copy from host to a CUDA GPU does not wait for what the GPU is doing."""
    if values.device == device:
        return values
    return values.pin_memory().to(device, non_blocking=True) if device.type == "cuda" else values.to(device)


def decode_all(
    faces: FaceSet, size: tuple[int, int] | int, crop_from: tuple[int, int] | None = None
) -> tuple[torch.Tensor, str]:
    """All images of `faces` brought to `size` as by `tensors.fit`, uint8 RGB `[N, 3, h, w]`, and where they are.

    One process holds up to 8 GiB in memory. More, and what several processes share, is spooled to a file and mapped: the
    first process of a machine writes it, and it is unlinked once all have mapped it, so that memory stays bounded as N
    grows and the file vanishes with the processes however they end.
    """
    height, width = (size, size) if isinstance(size, int) else size
    shape = (len(faces), 3, height, width)
    if int(np.prod(shape)) <= BYTES_IN_MEMORY and not distributed.is_initialized():
        store = torch.empty(shape, dtype=torch.uint8)
        _decode_into(store, faces, (height, width), crop_from)
        return store, "in memory"
    folder = scratch_folder(faces.path.parent)
    if not distributed.is_initialized():
        with tempfile.NamedTemporaryFile(prefix="semihard-", suffix=".raw", dir=folder) as file:
            store = torch.from_numpy(np.memmap(file.name, np.uint8, "w+", shape=shape))
        _decode_into(store, faces, (height, width), crop_from)
        return store, f"mapped from {folder}"
    run = "".join(os.environ.get(name, "") for name in ("TORCHELASTIC_RUN_ID", "MASTER_PORT", "SLURMD_NODENAME"))
    path = folder / f"semihard-{seed_for(run, str(faces.path.resolve()), str(shape), str(crop_from)):016x}.raw"
    first = int(os.environ.get("LOCAL_RANK", 0)) == 0
    everyone = distributed.new_group(backend="gloo", timeout=timedelta(hours=3))
    try:
        if first:
            _decode_into(
                torch.from_numpy(np.memmap(path, np.uint8, "w+", shape=shape)), faces, (height, width), crop_from
            )
        distributed.barrier(everyone)
        store = torch.from_numpy(np.memmap(path, np.uint8, "r+", shape=shape))
        distributed.barrier(everyone)
    finally:
        if first:
            path.unlink(missing_ok=True)
    return store, f"mapped from {folder}, once for all processes"


def _decode_into(store: torch.Tensor, faces: FaceSet, size: tuple[int, int], crop_from: tuple[int, int] | None) -> None:
    with progress(f"decode {faces.path.stem}", len(faces), "images") as advance:
        for rows in faces.blocks():
            images = torch.from_numpy(faces.images(rows)).permute(0, 3, 1, 2)
            store[rows] = fit(images, size, crop_from)
            advance(len(images))


def scratch_folder(beside: Path) -> Path:
    """Where pixels are spooled: the folder for temporary files (TMPDIR), or where that is memory, `beside`.

    Raises InputError where neither can be written.
    """
    try:
        temporary = Path(tempfile.gettempdir())
    except FileNotFoundError as error:
        raise InputError(f"no folder for temporary files: {error}; set TMPDIR to one that can be written") from None
    folder = beside if is_memory(temporary) else temporary
    if not os.access(folder, os.W_OK):
        raise InputError(
            f"{folder}: cannot be written, and decoded images are spooled there; set TMPDIR to another folder"
        )
    return folder


def is_memory(folder: Path) -> bool:
    """True where a folder lies in memory (tmpfs), as /tmp does on many clusters."""
    try:
        mounts = [
            line.split()[1:3]
            for line in Path("/proc/mounts").read_text(encoding="utf-8", errors="replace").splitlines()
        ]
    except OSError:  # no Linux
        return False
    above = [(point, kind) for point, kind in mounts if folder.resolve().is_relative_to(point)]
    return bool(above) and max(above, key=lambda mount: len(mount[0]))[1] in ("tmpfs", "ramfs")
