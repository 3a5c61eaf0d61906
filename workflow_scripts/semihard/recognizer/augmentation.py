"""Augmentation of a whole batch on its device. Every draw is torch's global generator's, per image unless said otherwise.

Images are float RGB in [0, 1], `[n, 3, h, w]`, until `augment` returns them in [−1, 1].
"""

import math
from typing import Protocol

import torch
from torch import Tensor
from torch.nn import functional as F

FLIP = 0.5  # probability of the mirror image
ERASE = 0.5  # probability of erasing (torchvision's RandomErasing)
CROP_RATIO = (3 / 4, 4 / 3)  # aspect ratios (torchvision's RandomResizedCrop)
ERASE_RATIO = (0.3, 3.3)  # (torchvision's RandomErasing)
TRIES = 10  # boxes drawn until one fits the image (both)
GREY = (0.299, 0.587, 0.114)  # luma weights (ITU-R BT.601)
LOW_RESOLUTION = (0.2, 1.0)  # side of the small image (AdaFace)
INTERPOLATIONS = ("nearest", "area", "bilinear", "bicubic")


class Augmentation(Protocol):
    """The attributes of `settings.Recognizer` that are read here."""

    crop_scale: float
    erasing_scale: tuple[float, float]
    colour_jitter: float
    low_resolution: float


def augment(images: Tensor, settings: Augmentation) -> Tensor:
    """uint8 RGB `[n, 3, h, w]` to augmented float in [−1, 1]: crop and flip, colours, low resolution, erasing."""
    x = images.float().div_(255)
    x = crop_and_flip(x, settings.crop_scale)
    if settings.colour_jitter:
        x = jitter_colours(x, settings.colour_jitter)
    if settings.low_resolution:
        x = lower_resolution(x, settings.low_resolution)
    x = x.mul(2).sub_(1)
    return erase(x, settings.erasing_scale) if settings.erasing_scale[1] else x


def uniform(n: int, low: float, high: float, device: torch.device, *more: int) -> Tensor:
    """`[n, …]` uniform draws."""
    return torch.rand(n, *more, device=device) * (high - low) + low


def random_boxes(
    n: int, scale: tuple[float, float], ratio: tuple[float, float], aspect: float, device: torch.device
) -> Tensor:
    """Boxes `[n, 4]`: top, left, height, width as shares of the image; area share and log aspect ratio are uniform.

    aspect: width / height of the image. The first of ten tries that fits is taken; where none does, size 0 at (0, 0).
    """
    area = uniform(n, *scale, device, TRIES)
    log_ratio = uniform(n, math.log(ratio[0]), math.log(ratio[1]), device, TRIES)
    width, height = (area * log_ratio.exp() / aspect).sqrt(), (area / log_ratio.exp() * aspect).sqrt()
    fits = (width <= 1) & (height <= 1)
    first = fits.float().argmax(1, keepdim=True)
    found = fits.any(1, keepdim=True)
    height, width = (side.gather(1, first) * found for side in (height, width))
    place = torch.rand(n, 2, device=device)
    return torch.cat([place[:, :1] * (1 - height), place[:, 1:] * (1 - width), height, width], 1) * found


def crop_and_flip(x: Tensor, least_area: float) -> Tensor:
    """Random resized crop (torchvision's, the whole image where no box fits) and mirror image, in one resampling."""
    n, _, height, width = x.shape
    mirrored = torch.rand(n, device=x.device) < FLIP
    if least_area == 1:
        return torch.where(mirrored.view(n, 1, 1, 1), x.flip(3), x)
    top, left, tall, wide = random_boxes(n, (least_area, 1.0), CROP_RATIO, width / height, x.device).unbind(1)
    whole = tall == 0
    tall, wide = tall.masked_fill(whole, 1), wide.masked_fill(whole, 1)
    mirror, zero = 1 - 2 * mirrored.float(), torch.zeros_like(top)
    theta = torch.stack([wide * mirror, zero, 2 * left + wide - 1, zero, tall, 2 * top + tall - 1], 1).view(n, 2, 3)
    grid = F.affine_grid(theta, x.shape, align_corners=False)
    return F.grid_sample(x, grid, mode="bilinear", padding_mode="border", align_corners=False)


def blend(x: Tensor, other: Tensor | float, factor: Tensor) -> Tensor:
    """factor · x + (1 − factor) · other, clipped; factor `[n, 1, 1, 1]`."""
    return (x * factor + other * (1 - factor)).clamp_(0, 1)


def grey(x: Tensor) -> Tensor:
    """Luma `[n, 1, h, w]`."""
    return sum(share * channel for share, channel in zip(GREY, x.split(1, 1), strict=True))


def shift_hue(x: Tensor, turn: Tensor) -> Tensor:
    """Hue moved by `turn` `[n, 1, 1, 1]` full turns in HSV."""
    value, lowest = x.amax(1, keepdim=True), x.amin(1, keepdim=True)
    chroma = value - lowest
    red, green, blue = x.split(1, 1)
    by = chroma.clamp_min(1e-8)
    sixth = torch.where(
        value == red, (green - blue) / by, torch.where(value == green, 2 + (blue - red) / by, 4 + (red - green) / by)
    )
    place = torch.cat([sixth + 6 * turn + start for start in (5, 3, 1)], 1).remainder(6)
    return value - chroma * torch.minimum(place, 4 - place).clamp(0, 1)


def jitter_colours(x: Tensor, amount: float) -> Tensor:
    """Brightness, contrast, saturation by 1 ± amount and hue by ± amount of a turn (torchvision's ColorJitter).

    Amounts are drawn per image, the order of the four once per batch.
    """
    n = len(x)
    for which in torch.randperm(4).tolist():
        draw = uniform(n, -amount, amount, x.device, 1, 1, 1)
        if which == 0:
            x = blend(x, 0.0, 1 + draw)
        elif which == 1:
            x = blend(x, grey(x).mean((2, 3), keepdim=True), 1 + draw)
        elif which == 2:
            x = blend(x, grey(x), 1 + draw)
        else:
            x = shift_hue(x, draw)
    return x


def lower_resolution(x: Tensor, probability: float) -> Tensor:
    """Images resized to 0.2 … 1 of their side and back with probability `probability` (AdaFace's augmentation).

    The share and the two interpolations are drawn once per batch, so that the batch stays one tensor.
    """
    size = x.shape[-2:]
    share = float(uniform(1, *LOW_RESOLUTION, torch.device("cpu")))
    down, up = (INTERPOLATIONS[i] for i in torch.randint(len(INTERPOLATIONS), (2,)).tolist())
    small = F.interpolate(x, [max(1, round(side * share)) for side in size], mode=down)
    coarse = F.interpolate(small, size, mode=up).clamp(0, 1)
    return torch.where(torch.rand(len(x), 1, 1, 1, device=x.device) < probability, coarse, x)


def erase(x: Tensor, scale: tuple[float, float]) -> Tensor:
    """A box of `scale` of the area set to 0, mid-grey in [−1, 1], in half of the images (torchvision's RandomErasing)."""
    n, _, height, width = x.shape
    top, left, tall, wide = random_boxes(n, scale, ERASE_RATIO, width / height, x.device).view(n, 4, 1, 1).unbind(1)
    row = ((torch.arange(height, device=x.device) + 0.5) / height).view(1, height, 1)
    column = ((torch.arange(width, device=x.device) + 0.5) / width).view(1, 1, width)
    inside = (row >= top) & (row < top + tall) & (column >= left) & (column < left + wide)
    chosen = torch.rand(n, 1, 1, device=x.device) < ERASE
    return x.masked_fill((inside & chosen)[:, None], 0)
