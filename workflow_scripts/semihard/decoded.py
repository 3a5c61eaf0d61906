"""Decode-once data for shuffled training: all images of a face set as one uint8 tensor, in memory or memory-mapped."""

import logging
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch

from semihard.faceset import FaceSet
from semihard.progress import progress
from semihard.tensors import resize

log = logging.getLogger("semihard")
BYTES_IN_MEMORY = 8 << 30  # half of a common workstation's memory; above it a temporary file is mapped


class DecodedImages:
    """All images of a face set at one size, decoded once: on the GPU where they take less than half of what is free there.

    faces; size: (height, width) or side in pixels; device: where batches are wanted.
    """

    def __init__(self, faces: FaceSet, size: tuple[int, int] | int, device: torch.device):
        self.device = device
        self._images = decode_all(faces, size)
        if device.type == "cuda" and 2 * self._images.nbytes < torch.cuda.mem_get_info(device)[0]:
            self._images = self._images.to(device)

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


def decode_all(faces: FaceSet, size: tuple[int, int] | int) -> torch.Tensor:
    """All images of `faces` resized to `size` pixels: uint8 RGB `[N, 3, h, w]`.

    Up to 8 GiB are held in memory; more is spooled to an unlinked temporary file (TMPDIR) and mapped, so that memory
    stays bounded as N grows and the file vanishes with the process however it ends.
    """
    height, width = (size, size) if isinstance(size, int) else size
    shape = (len(faces), 3, height, width)
    if (n_bytes := int(np.prod(shape))) <= BYTES_IN_MEMORY:
        store = torch.empty(shape, dtype=torch.uint8)
    else:
        with tempfile.NamedTemporaryFile(prefix="semihard-", suffix=".raw") as file:
            log.info("%s: %.1f GB of pixels are mapped from %s", faces.path, n_bytes / 1e9, Path(file.name).parent)
            store = torch.from_numpy(np.memmap(file.name, np.uint8, "w+", shape=shape))
    with progress(f"decode {faces.path.stem}", len(faces), "images") as advance:
        for rows in faces.blocks():
            images = torch.from_numpy(faces.images(rows)).permute(0, 3, 1, 2)
            store[rows] = resize(images, (height, width))
            advance(len(images))
    return store
