"""Poor inquiries give poor identities (CemiFace, NeurIPS 2024, Sec. 5): two signs of a poor one, and a gate.

The norm of the embedding (MagFace, CVPR 2021; AdaFace, CVPR 2022) and the variance of the image's Laplacian (Pech-Pacheco
et al., ICPR 2000).
"""

from pathlib import Path

import numpy as np
import torch

from semihard.compute.progress import progress
from semihard.similarity.embedding_pairs import open_embeddings
from semihard.storage.faceset import FaceSet

IMAGES_AT_ONCE = 256
GREY = torch.tensor([0.299, 0.587, 0.114])  # luma, ITU-R BT.601
GREY_LAPLACIAN = GREY[None, :, None, None] * torch.tensor([[0.0, 1, 0], [1, -4, 1], [0, 1, 0]])


class QualityGate:
    """Leaves out candidates whose embedding's norm or whose sharpness is in the lowest `share` of the first candidates.

    The first call fixes both limits: of n candidates at most share · (n − 1) lie below each. With share 0 all pass and
    no image is read.
    """

    def __init__(self, faces: FaceSet, embeddings_path: Path | str, share: float):
        self._faces, self._embeddings_path, self._share = faces, embeddings_path, share
        self._lowest: np.ndarray | None = None

    def __call__(self, candidates: np.ndarray) -> np.ndarray:
        """Those of `candidates`, distinct images int64 `[n]`, that are good enough, in their order."""
        if not self._share:
            return candidates
        quality = measure_quality(self._faces, self._embeddings_path, candidates)
        if self._lowest is None:
            self._lowest = np.quantile(quality, self._share, axis=0, method="lower")
        return candidates[(quality >= self._lowest).all(1)]


def measure_quality(faces: FaceSet, embeddings_path: Path | str, rows: np.ndarray) -> np.ndarray:
    """Norm of the raw embedding and sharpness of distinct images, int64 `[n]`: float64 `[n, 2]`. Reads them in blocks."""
    quality = np.empty((len(rows), 2))
    order = np.argsort(rows)  # as they lie in the file
    with (
        open_embeddings(embeddings_path, len(faces)) as h5,
        progress("inquiry quality", len(rows), "images") as advance,
    ):
        for start in range(0, len(rows), IMAGES_AT_ONCE):
            at = order[start : start + IMAGES_AT_ONCE]
            quality[at, 0] = np.linalg.norm(h5["embedding"][rows[at]], axis=1)
            quality[at, 1] = sharpness(faces.images(rows[at]))
            advance(len(at))
    return quality


def sharpness(images: np.ndarray) -> np.ndarray:
    """Variance of the Laplacian of the grey images, border left out: uint8 RGB `[n, h, w, 3]` → float64 `[n]`."""
    laplacian = torch.nn.functional.conv2d(torch.from_numpy(images).permute(0, 3, 1, 2).float(), GREY_LAPLACIAN)
    return laplacian.flatten(1).var(1, correction=0).double().numpy()
