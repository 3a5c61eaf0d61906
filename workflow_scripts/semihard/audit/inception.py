"""FID's Inception network (Heusel et al., NeurIPS 2017): torch-fidelity's port of the TensorFlow graph."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from semihard.compute.device import best_device
from semihard.compute.progress import progress
from semihard.errors import InputError
from semihard.storage.checksum import sha256_of
from semihard.storage.faceset import FaceSet

SHA256 = "6726825d0af5f729cebd5821db510b11b1cfad8faad88a03f1befd49fb9129b2"
RELEASE = "https://github.com/toshas/torch-fidelity/releases/download/v0.2.0/weights-inception-2015-12-05-6726825d.pth"
BATCH = 64
FEATURES = "2048"


def inception_features(path: Path | str) -> Callable[[FaceSet, np.ndarray], torch.Tensor]:
    """A function of a face set and rows of it: the network's 2,048 pooled features, float32 `[n, 2048]` on the CPU.

    path: torch-fidelity's weight file; images are brought to 299 pixels by the network itself, as TensorFlow does.
    Raises InputError where the file is another one: its bytes are looked at before it is unpickled.
    """
    if (checksum := sha256_of(path)) != SHA256:
        raise InputError(
            f"{path}: SHA-256 {checksum}, expected {SHA256}: not FID's Inception weights. Get {RELEASE}, or remove the file to "
            "leave these columns out"
        )
    from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3

    device = best_device()
    network = FeatureExtractorInceptionV3("inception-v3-compat", [FEATURES], str(path)).to(device).eval()

    @torch.inference_mode()
    def features(faces: FaceSet, rows: np.ndarray) -> torch.Tensor:
        parts = []
        with progress(f"Inception {faces.path.stem}", len(rows), "images") as advance:
            for at in range(0, len(rows), BATCH):
                images = torch.from_numpy(faces.images(rows[at : at + BATCH])).permute(0, 3, 1, 2)
                parts.append(network(images.to(device))[0].float().cpu())
                advance(len(images))
        return torch.cat(parts)

    return features
