"""FID's Inception network (Heusel et al., NeurIPS 2017): torch-fidelity's port of the TensorFlow graph."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from semihard.audit.inception_file import check_inception_file
from semihard.compute.device import best_device
from semihard.compute.progress import progress
from semihard.storage.faceset import FaceSet

BATCH = 64
FEATURES = "2048"


def inception_features(path: Path | str) -> Callable[[FaceSet, np.ndarray], torch.Tensor]:
    """A function of a face set and rows of it: the network's 2,048 pooled features, float32 `[n, 2048]` on the CPU.

    path: torch-fidelity's weight file; images are brought to 299 pixels by the network itself, as TensorFlow does.
    Raises InputError where the file is another one: its bytes are looked at before it is unpickled.
    """
    check_inception_file(path)
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
