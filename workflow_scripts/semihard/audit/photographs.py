"""Are two images the same photograph, or only of the same person? Told by their pixels, not by an embedding.

Both are reduced to grey thumbnails of 32 × 32 pixels, which JPEG and resizing hardly change, and correlated: as they are,
mirrored, and moved by a 56th of the side (2 pixels of 112), which a thumbnail alone would not bear. What is aligned or cut
out in another way is not recognised.
"""

import itertools

import numpy as np
import torch

from semihard.compute.tensors import resize
from semihard.storage.faceset import FaceSet

# 1,000 photographs of FairFace, each as JPEG of quality 50 or at 64 pixels: r ≥ 0.997; moved by 1 pixel, 99.8 %, by 3, 99.5 %,
# r ≥ 0.95. Of 10,000 pairs of images of one person of LFW 4 have it (2 the
# same photograph, 2 others), of a set of 24 celebrities 7 (all the same photograph or one of the same moment); 99.9 %: r < 0.93.
SAME_PHOTOGRAPH = 0.95
SIDE = 32
MOVED = 56
BLOCK = 512
GREY = (0.299, 0.587, 0.114)  # ITU-R BT.601


def photograph_correlation(first: FaceSet, rows: np.ndarray, second: FaceSet, other_rows: np.ndarray) -> np.ndarray:
    """Pearson's r of the grey thumbnails of image rows[i] of `first` and other_rows[i] of `second`, the greatest of plain,
    mirrored and moved: float32 `[n]`; 0 where one of them is of one grey. rows, other_rows: int64 `[n]`.

    Where the sets have other proportions, the wider images are cut at both sides. Raises InputError where an image does
    not decode.
    """
    proportion = min(width / height for height, width in (first.image_size, second.image_size))
    parts = [np.empty(0, np.float32)]
    for at in range(0, len(rows), BLOCK):
        a = middle_in_grey(first.images(rows[at : at + BLOCK]), proportion)
        b = middle_in_grey(second.images(other_rows[at : at + BLOCK]), proportion)
        parts.append(greatest_correlation(a, b).numpy())
    return np.concatenate(parts)


def middle_in_grey(images: np.ndarray, proportion: float) -> torch.Tensor:
    """Grey levels float32 `[n, h, round(h · proportion)]` of the middle of uint8 RGB `[n, h, w, 3]`."""
    height, width = images.shape[1:3]
    left = (width - round(height * proportion)) // 2
    grey = torch.tensor(GREY)
    return torch.from_numpy(images[:, :, left : width - left]).float() @ grey


def greatest_correlation(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    """Pearson's r of the thumbnails of a `[n, h, w]` and b `[n, h', w']`, the greatest of plain, mirrored and moved: `[n]`."""
    middle = thumbnail(a, 0, 0)
    both = (middle, middle.flip(2))
    best = torch.full((len(a),), -1.0)
    for down, right in itertools.product((-1, 0, 1), repeat=2):
        moved = thumbnail(b, down, right)
        for plain_or_mirrored in both:
            best = torch.maximum(best, (plain_or_mirrored * moved).mean((1, 2)))
    return best.clamp_max(1)


def thumbnail(grey: torch.Tensor, down: int, right: int) -> torch.Tensor:
    """Thumbnails float32 `[n, 32, 32]` of mean 0 and variance 1, all 0 where they are of one grey, of `[n, h, w]` without a 56th
    at every side, moved by so many of these."""
    height, width = grey.shape[1:]
    y, x = max(1, round(height / MOVED)), max(1, round(width / MOVED))
    window = grey[:, y * (1 + down) : height - y * (1 - down), x * (1 + right) : width - x * (1 - right)]
    small = resize(window[:, None], SIDE)[:, 0]
    centred = small - small.mean((1, 2), keepdim=True)
    spread = centred.square().mean((1, 2), keepdim=True).sqrt()
    return torch.where(spread > 0.5, centred / spread.clamp_min(0.5), 0.0)  # of 255 levels
