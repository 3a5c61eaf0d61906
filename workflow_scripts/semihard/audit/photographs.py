"""Are two images the same photograph, or only of the same person? Told by their pixels, not by an embedding.

Both are reduced to grey thumbnails of 32 × 32 pixels, which JPEG and resizing hardly change, and correlated as they are
and mirrored. What is aligned or cut out in another way is not recognised.
"""

import numpy as np
import torch

from semihard.compute.tensors import resize
from semihard.storage.faceset import FaceSet

SAME_PHOTOGRAPH = 0.95
SIDE = 32
BLOCK = 1024
GREY = (0.299, 0.587, 0.114)  # ITU-R BT.601


def photograph_correlation(first: FaceSet, rows: np.ndarray, second: FaceSet, other_rows: np.ndarray) -> np.ndarray:
    """Pearson's r of the grey thumbnails of image rows[i] of `first` and other_rows[i] of `second`, the greater of plain and
    mirrored: float32 `[n]`; 0 where one of them is of one grey. rows, other_rows: int64 `[n]`.

    Where the sets have other proportions, the wider images are cut at both sides. Raises InputError where an image does
    not decode.
    """
    proportion = min(width / height for height, width in (first.image_size, second.image_size))
    parts = [np.empty(0, np.float32)]
    for at in range(0, len(rows), BLOCK):
        a = standardized(first.images(rows[at : at + BLOCK]), proportion)
        b = standardized(second.images(other_rows[at : at + BLOCK]), proportion)
        plain, mirrored = (a * b).mean((1, 2)), (a * b.flip(2)).mean((1, 2))
        parts.append(torch.maximum(plain, mirrored).numpy())
    return np.concatenate(parts)


def standardized(images: np.ndarray, proportion: float) -> torch.Tensor:
    """Grey thumbnails float32 `[n, 32, 32]` of mean 0 and variance 1 (all 0 where they are of one grey) of the middle of uint8
    RGB `[n, h, w, 3]`, as wide as `proportion` times its height."""
    height, width = images.shape[1:3]
    left = (width - round(height * proportion)) // 2
    middle = torch.from_numpy(images[:, :, left : width - left]).permute(0, 3, 1, 2)
    grey = (resize(middle.float(), SIDE) * torch.tensor(GREY)[:, None, None]).sum(1)
    centred = grey - grey.mean((1, 2), keepdim=True)
    spread = centred.square().mean((1, 2), keepdim=True).sqrt()
    return torch.where(spread > 0.5, centred / spread.clamp_min(0.5), 0.0)  # of 255 levels
