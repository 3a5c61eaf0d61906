"""A face set made ready for training: decoded once, labels beside the images, batches handed to the device."""

from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from semihard.decoded import DecodedImages, onto_device
from semihard.faceset import FaceSet
from semihard.recognizer.targets import read_targets


class LabelledImages:
    """Images and weighted labels of a face set; the images live on the GPU where they take less than half of its memory.

    size: (height, width) in pixels the images are decoded to; first_class: what is added to every label.
    Attributes: names of the classes. Raises InputError as `read_targets` does.
    """

    def __init__(self, path: Path | str, size: tuple[int, int], device: torch.device, first_class: int = 0):
        faces = FaceSet(path)
        label, self._weight = read_targets(faces)
        self._label = label + first_class
        self.names = faces.identity_names
        self._device = device
        self._images = DecodedImages(faces, size, device)

    def __len__(self) -> int:
        return len(self._images)

    def batch(self, indices: np.ndarray) -> tuple[Tensor, Tensor, Tensor]:
        """Images uint8 `[n, 3, h, w]`, labels int64 and weights float32 `[n, J]` of `indices`, on the device."""
        rows = torch.from_numpy(indices)
        return self._images[rows], *(onto_device(values[rows], self._device) for values in (self._label, self._weight))
