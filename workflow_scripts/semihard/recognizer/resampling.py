"""Resampling of a batch where every image has positions or a kernel of its own.

Bilinear sampling at given rows and columns, and the five interpolations of OpenCV's `resize`. These are separable and
linear, out = rows · image · columnsᵀ: the matrices of all sizes are made once, then looked up per image.
"""

from functools import cache

import torch
from torch import Tensor
from torch.nn import functional as F

INTERPOLATIONS = ("nearest", "linear", "area", "cubic", "lanczos4")
REACH = 8  # pixels beyond the border that a kernel may weigh; lanczos4 comes to 4


def sample(x: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
    """Bilinear samples `[n, c, i, j]` of images `[n, c, h, w]` at rows `[n, i]` and columns `[n, j]`.

    Positions are in pixels: 0 is the centre of the first one, h − 1 of the last; beyond them the border is continued.
    """
    n, height, width = len(x), rows.shape[1], columns.shape[1]
    y = ((2 * rows + 1) / x.shape[2] - 1).view(n, height, 1).expand(-1, -1, width)
    across = ((2 * columns + 1) / x.shape[3] - 1).view(n, 1, width).expand(-1, height, -1)
    return F.grid_sample(x, torch.stack([across, y], 3), padding_mode="border", align_corners=False)


def product(rows: Tensor, x: Tensor, columns: Tensor) -> Tensor:
    """rows · x · columnsᵀ `[n, c, i, j]` of images `[n, c, h, w]`; rows `[n, i, h]`, columns `[n, j, w]`."""
    return torch.einsum("nih,nchj->ncij", rows, torch.einsum("nchw,njw->nchj", x, columns))


@cache
def low_resolution_tables(side: int, height: int, width: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """Kernels along one side of an image of `height` × `width`, `side` being one of these, to s × s pixels and back.

    Returns down `[5, height + 1, height, side]` and up `[5, height + 1, side, height]`, float32: entry [k, s] resizes by
    INTERPOLATIONS[k] from `side` to s or back, and is 0 beyond s. At 112 pixels the two take 57 MB.
    """
    down = torch.zeros(len(INTERPOLATIONS), height + 1, height, side)
    up = torch.zeros(len(INTERPOLATIONS), height + 1, side, height)
    for k, interpolation in enumerate(INTERPOLATIONS):
        for s in range(1, height + 1):
            down[k, s, :s] = kernel(interpolation, side, s, shrinks=s <= min(height, width))
            up[k, s, :, :s] = kernel(interpolation, s, side, shrinks=s >= max(height, width))
    return down.to(device), up.to(device)


def kernel(interpolation: str, source: int, target: int, shrinks: bool) -> Tensor:
    """The matrix `[target, source]`, float64, of OpenCV's `resize` along one side, as its float32 images get it.

    shrinks: whether neither side of the image becomes longer; "area" is then the mean over the pixel's box, else a
    linear rule of its own. OpenCV holds some positions in float32, which counts where they are rounded next.
    """
    scale = 1 / (target / source)  # as OpenCV writes it: the floors below depend on the last bit
    place = torch.arange(target, dtype=torch.float64)
    centre = (place + 0.5) * scale - 0.5
    if interpolation == "nearest":
        return hat((place * scale).floor(), source)
    if interpolation == "linear":
        return hat(centre, source)
    if interpolation == "area":
        return box(place * scale, scale, source) if shrinks else hat(area_position(place, scale), source)
    distance = (centre if interpolation == "cubic" else centre.float())[:, None] - torch.arange(-REACH, source + REACH)
    weight = (cubic if interpolation == "cubic" else lanczos4)(distance.double().abs())
    weight[:, REACH] += weight[:, :REACH].sum(1)  # the border pixel stands for those beyond it
    weight[:, -REACH - 1] += weight[:, -REACH:].sum(1)
    return weight[:, REACH:-REACH]


def hat(position: Tensor, source: int) -> Tensor:
    """Linear interpolation `[target, source]` at positions `[target]`, the border pixels continued."""
    return (1 - (position.clamp(0, source - 1)[:, None] - torch.arange(source)).abs()).clamp(min=0)


def box(start: Tensor, length: float, source: int) -> Tensor:
    """Share `[target, source]` of each pixel in the interval of `length` from `start` `[target]`."""
    first = torch.arange(source)
    return (torch.minimum(start[:, None] + length, first + 1) - torch.maximum(start[:, None], first)).clamp(0) / length


def area_position(place: Tensor, scale: float) -> Tensor:
    """Where OpenCV's "area" samples when it enlarges: on a source pixel, but for the targets that two of them share."""
    pixel = (place * scale).floor()
    share = (place + 1 - (pixel + 1) / scale).float().double().clamp(min=0)
    return pixel + share - share.floor()


def cubic(distance: Tensor) -> Tensor:
    """Keys' cubic convolution with a = −0.75."""
    near = (1.25 * distance - 2.25) * distance**2 + 1
    far = -0.75 * (((distance - 5) * distance + 8) * distance - 4)
    return torch.where(distance <= 1, near, torch.where(distance < 2, far, 0))


def lanczos4(distance: Tensor) -> Tensor:
    """Lanczos' window over four lobes; rows sum to 1."""
    weight = torch.where(distance < 4, torch.sinc(distance) * torch.sinc(distance / 4), 0)
    return weight / weight.sum(1, keepdim=True)
