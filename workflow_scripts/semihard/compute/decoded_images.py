"""Decode-once data for shuffled training: all images of a face set as one uint8 tensor, in memory or memory-mapped."""

import logging
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch

from semihard.compute.progress import progress
from semihard.compute.tensors import fit
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
    """`values` on `device`; a copy from host to GPU does not wait for what the GPU is doing."""
    if values.device == device:
        return values
    return (values.pin_memory() if device.type == "cuda" else values).to(device, non_blocking=True)


def decode_all(
    faces: FaceSet, size: tuple[int, int] | int, crop_from: tuple[int, int] | None = None
) -> tuple[torch.Tensor, str]:
    """All images of `faces` brought to `size` as by `tensors.fit`, uint8 RGB `[N, 3, h, w]`, and where they are.

    Up to 8 GiB are held in memory; more is spooled to an unlinked temporary file (TMPDIR) and mapped, so that memory
    stays bounded as N grows and the file vanishes with the process however it ends.
    """
    height, width = (size, size) if isinstance(size, int) else size
    shape = (len(faces), 3, height, width)
    if int(np.prod(shape)) <= BYTES_IN_MEMORY:
        store, where = torch.empty(shape, dtype=torch.uint8), "in memory"
    else:
        with tempfile.NamedTemporaryFile(prefix="semihard-", suffix=".raw") as file:
            store = torch.from_numpy(np.memmap(file.name, np.uint8, "w+", shape=shape))
            where = f"mapped from {Path(file.name).parent}"
    with progress(f"decode {faces.path.stem}", len(faces), "images") as advance:
        for rows in faces.blocks():
            images = torch.from_numpy(faces.images(rows)).permute(0, 3, 1, 2)
            store[rows] = fit(images, (height, width), crop_from)
            advance(len(images))
    return store, where
