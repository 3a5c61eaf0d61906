"""A face set made ready for training: its labels first, so that mistakes are met before the images are decoded, once."""

from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from semihard.compute.decoded_images import DecodedImages
from semihard.errors import InputError
from semihard.recognizer.model_file import EmbedderSpec
from semihard.storage.faceset import FaceSet


class TrainingSet:
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


def read_targets(faces: FaceSet) -> tuple[Tensor, Tensor]:
    """Label int64 and weight float32 `[N, J]`, sum 1 per image: J = 1, or 2 where there are columns `partner` and `phi`.

    An image of identity i with partner j has the labels (i, j) with weights (phi, 1 − phi) (SynFace, ICCV 2021,
    Sec. 3.3); partner −1 is an image of one identity. Raises InputError where images are unlabelled, there is one
    identity only or one without images (and nobody's partner), a label or partner is none of the identities, or phi is
    not in 0 … 1.
    """
    names, identity = faces.identity_names, faces.identity
    unlabelled = np.flatnonzero(identity < 0)
    if len(unlabelled):
        raise InputError(
            f"{faces.path}: image {unlabelled[0]} is unlabelled ({len(unlabelled)} of {len(faces)}); "
            "a recognizer is trained on labelled faces only"
        )
    if len(names) < 2:
        raise InputError(f"{faces.path}: has {len(names)} identity; a recognizer needs two or more")
    _check_range(faces, "identity", identity, 0, len(names) - 1)
    label = torch.from_numpy(identity.astype(np.int64))[:, None]
    weight = torch.ones(len(faces), 1)
    if {"partner", "phi"} <= set(faces.column_names):
        partner, phi = faces.column("partner").astype(np.int64), faces.column("phi").astype(np.float32)
        _check_range(faces, "partner", partner, -1, len(names) - 1)
        _check_range(faces, "phi", phi, 0, 1)
        alone = partner < 0
        phi = np.where(alone, np.float32(1), phi)
        label = torch.cat([label, torch.from_numpy(np.where(alone, identity, partner))[:, None]], 1)
        weight = torch.from_numpy(np.stack([phi, 1 - phi], 1))
    missing = np.flatnonzero(np.bincount(label.flatten(), minlength=len(names)) == 0)
    if len(missing):
        raise InputError(
            f"{faces.path}: identity {missing[0]} ({names[missing[0]]!r}) has no image ({len(missing)} of {len(names)} have "
            "none): labels must be 0 … K−1 without gaps; make the face set again"
        )
    return label, weight


def _check_range(faces: FaceSet, what: str, values: np.ndarray, lowest: int, highest: int) -> None:
    wrong = np.flatnonzero(~((values >= lowest) & (values <= highest)))
    if len(wrong):
        raise InputError(f"{faces.path}: image {wrong[0]} has {what} {values[wrong[0]]}, expected {lowest} … {highest}")
