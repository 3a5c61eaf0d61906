"""A face set made ready for training: labels first, so that mistakes are met before the images are decoded, once."""

from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from semihard.compute.decoded_images import DecodedImages
from semihard.recognizer.model_file import EmbedderSpec
from semihard.recognizer.targets import read_targets
from semihard.storage.faceset import FaceSet


class LabelledImages:
    """Images and weighted labels of a face set.

    Attributes: path; names of the classes; label int64 and weight float32 `[N, J]`. Raises InputError as `read_targets` does.
    """

    def __init__(self, path: Path | str):
        self._faces = FaceSet(path)
        self.path, self.names = self._faces.path, self._faces.identity_names
        self.label, self.weight = read_targets(self._faces)

    def decode(self, spec: EmbedderSpec, device: torch.device, keep_free: int | None = None) -> None:
        """Decode all images at the network's size; `keep_free` as in DecodedImages.

        Raises InputError where they have other proportions.
        """
        spec.check_proportions(self._faces.image_size, self.path, spec.backbone)
        self._images = DecodedImages(self._faces, spec.image_size, device, spec.crop_from, keep_free)

    def __len__(self) -> int:
        return len(self.label)

    def targets(self, indices: np.ndarray) -> tuple[Tensor, Tensor]:
        """Labels int64 and weights float32 `[n, J]` of `indices`, on the CPU."""
        rows = torch.from_numpy(indices)
        return self.label[rows], self.weight[rows]

    def images(self, indices: np.ndarray) -> Tensor:
        """Images uint8 `[n, 3, h, w]` of `indices`, on the device."""
        return self._images[torch.from_numpy(indices)]
