"""Augmentation of a whole batch on its device, each image by draws of its own: the papers' per-image transforms.

What is drawn is drawn on the CPU, from torch's global generator, and follows the images to their device: so a seed
gives the same boxes and orders on every device, and which images are chosen is known without waiting for a GPU.
Images are float RGB in [0, 1], `[n, 3, h, w]`, until `augment` returns them in [−1, 1]; unlike the uint8 images of the
papers' code they are not rounded in between.
"""

import math
from collections.abc import Callable
from typing import Protocol

import torch
from torch import Tensor

from semihard.compute.decoded_images import onto_device
from semihard.recognizer.color_jitter import jitter_colours, uniform
from semihard.recognizer.resampling import INTERPOLATIONS, low_resolution_tables, product, sample

FLIP = 0.5  # probability of the mirror image
ERASE = 0.5  # probability of erasing (torchvision's RandomErasing)
TRIES = 10  # boxes drawn until one fits the image (torchvision's RandomResizedCrop and RandomErasing)
CROP_RATIO = (3 / 4, 4 / 3)  # width / height (RandomResizedCrop)
ERASE_RATIO = (0.3, 3.3)  # height / width (RandomErasing)
CROP_IN_PLACE = (0.2, 1.0)  # area share (AdaFace)
LOW_RESOLUTION = (0.2, 1.0)  # side of the small image (AdaFace)
PHOTOMETRIC = 0.5  # amount (AdaFace)
ZOOM = (7, 6)  # enlargement (SynFace)


class Augmentation(Protocol):
    """The attributes of `settings.Recognizer` that are read here."""

    crop_scale: float
    zoom_crop: float
    crop_in_place: float
    low_resolution: float
    photometric: float
    color_jitter: float
    erasing_scale: tuple[float, float]


def augment(images: Tensor, settings: Augmentation) -> Tensor:
    """uint8 RGB `[n, 3, h, w]` to augmented float32 in [−1, 1].

    One order serves every recipe. AdaFace's (its dataset/augmenter.py): crop in place, low resolution, photometric,
    flip; CemiFace's: crop, flip, jitter, erasing, where flip and jitter commute; SynFace's: zoom crop, flip, erasing.
    """
    x = images.float().div_(255)
    if settings.crop_scale < 1:
        x = crop_and_resize(x, crop_boxes(len(x), x.shape[2:], (settings.crop_scale, 1.0)))
    x = of_some(x, settings.zoom_crop, zoom_crop)
    x = of_some(x, settings.crop_in_place, crop_in_place)
    x = of_some(x, settings.low_resolution, lower_resolution)
    x = of_some(x, settings.photometric, photometric)
    x = of_some(x, FLIP, lambda chosen: chosen.flip(3))
    if settings.color_jitter:
        x = jitter_colours(x, settings.color_jitter, hue=settings.color_jitter)
    x = x.mul(2).sub_(1)
    if settings.erasing_scale[1]:
        x = of_some(x, ERASE, lambda chosen: erase(chosen, settings.erasing_scale))
    return x


def of_some(x: Tensor, probability: float, change: Callable[[Tensor], Tensor]) -> Tensor:
    """`x` with `change` made, in place, to each image with `probability`; the others are not computed."""
    if not probability:
        return x
    chosen = (torch.rand(len(x)) < probability).nonzero()[:, 0]
    if not len(chosen):
        return x
    chosen = onto_device(chosen, x.device)
    return x.index_copy_(0, chosen, change(x[chosen]))


def random_sides(n: int, area: float, scale: tuple[float, float], ratio: tuple[float, float]) -> tuple[Tensor, Tensor]:
    """Integer sides a, b `[n, 10]` of boxes: a b is uniform in `scale` · `area`, a / b log-uniform in `ratio`."""
    areas = area * uniform(*scale, n, TRIES)
    ratios = uniform(math.log(ratio[0]), math.log(ratio[1]), n, TRIES).exp()
    return (areas * ratios).sqrt().round().long(), (areas / ratios).sqrt().round().long()


def place_first(
    height: Tensor, width: Tensor, fits: Tensor, otherwise: tuple[int, int], size: tuple[int, int]
) -> Tensor:
    """The first of the tries `[n, 10]` that fits, at a random place; where none does, `otherwise` in the middle.

    Returns int64 `[4, n]`: top, left, height and width in pixels of the image of `size`.
    """
    fitting, first = fits.any(1), fits.int().argmax(1, keepdim=True)
    sides, corners = [], []
    for tries, fallback, length in zip((height, width), otherwise, size, strict=True):
        side = tries.gather(1, first)[:, 0].where(fitting, torch.tensor(fallback))
        start = (uniform(0, 1, len(side)) * (length - side + 1)).long()
        corners.append(start.where(fitting, (length - side) // 2))
        sides.append(side)
    return torch.stack(corners + sides)


def crop_boxes(n: int, size: tuple[int, int], scale: tuple[float, float]) -> Tensor:
    """Boxes int64 `[4, n]`: top, left, height, width, as torchvision's RandomResizedCrop draws them."""
    tall, wide = size
    width, height = random_sides(n, tall * wide, scale, CROP_RATIO)
    fits = (width > 0) & (width <= wide) & (height > 0) & (height <= tall)
    middle = min(tall, round(wide / CROP_RATIO[0])), min(wide, round(tall * CROP_RATIO[1]))
    return place_first(height, width, fits, middle, size)


def erasing_boxes(n: int, size: tuple[int, int], scale: tuple[float, float]) -> Tensor:
    """Boxes int64 `[4, n]`: top, left, height, width, as torchvision's RandomErasing draws them; empty if none fits."""
    tall, wide = size
    height, width = random_sides(n, tall * wide, scale, ERASE_RATIO)
    return place_first(height, width, (height < tall) & (width < wide), (0, 0), size)


def inside(boxes: Tensor, x: Tensor) -> Tensor:
    """True `[n, 1, h, w]` in the boxes `[4, n]` of the images `x`."""
    top, left, height, width = onto_device(boxes, x.device).view(4, -1, 1, 1, 1)
    row = torch.arange(x.shape[2], device=x.device)[:, None]
    column = torch.arange(x.shape[3], device=x.device)
    return ((row >= top) & (row < top + height)) & ((column >= left) & (column < left + width))


def crop_and_resize(x: Tensor, boxes: Tensor) -> Tensor:
    """The boxes `[4, n]` of images `[n, 3, h, w]`, bilinearly enlarged to the size of the images (RandomResizedCrop).

    What lies outside a box does not shine in at its borders.
    """
    start, length = onto_device(boxes, x.device).view(2, 2, -1, 1)
    places = []
    for first, extent, side in zip(start, length, x.shape[2:], strict=True):
        place = (torch.arange(side, device=x.device) + 0.5) * (extent / side) - 0.5
        places.append(first + place.clamp(min=0).minimum(extent - 1))
    return sample(x, *places)


def zoom_crop(x: Tensor) -> Tensor:
    """A random window, of the image's size, of the image bilinearly enlarged by 7/6 (SynFace, train.py).

    There: Resize(112) of 112 × 96 pixels, then RandomCrop. The window starts at whole pixels of the enlarged image.
    """
    places = []
    for side in x.shape[2:]:
        enlarged = side * ZOOM[0] // ZOOM[1]
        start = onto_device(torch.randint(enlarged - side + 1, (len(x), 1)), x.device)
        place = (start + torch.arange(side, device=x.device) + 0.5) * (side / enlarged) - 0.5
        places.append(place)
    return sample(x, *places)


def crop_in_place(x: Tensor) -> Tensor:
    """All but a random box of 0.2 … 1 of the area black (AdaFace, Sec. 4.1; dataset/augmenter.py, crop_augment)."""
    return x * inside(crop_boxes(len(x), x.shape[2:], CROP_IN_PLACE), x)


def lower_resolution(x: Tensor) -> Tensor:
    """Every image resized to a square of 0.2 … 1 of its height and back (AdaFace; low_res_augmentation).

    Both interpolations are drawn from OpenCV's five. What overshoots is cut after each, as it is in uint8.
    """
    n, _, height, _ = x.shape
    side = (uniform(*LOW_RESOLUTION, n) * height).long().clamp_(min=1)
    draws = onto_device(torch.cat([side[None], torch.randint(len(INTERPOLATIONS), (2, n))]), x.device)
    return resize_and_back(x, *draws)


def resize_and_back(x: Tensor, side: Tensor, shrinking: Tensor, enlarging: Tensor) -> Tensor:
    """Images `[n, 3, h, w]` resized to `side` × `side` and back, by the interpolations of these numbers; all int64 `[n]`."""
    height, width = x.shape[2:]
    (down_rows, up_rows), (down_columns, up_columns) = (
        low_resolution_tables(length, height, width, x.device) for length in (height, width)
    )
    small = product(down_rows[shrinking, side], x, down_columns[shrinking, side]).clamp_(0, 1)
    return product(up_rows[enlarging, side], small, up_columns[enlarging, side]).clamp_(0, 1)


def photometric(x: Tensor) -> Tensor:
    """Brightness, contrast and saturation by 0.5 … 1.5 (AdaFace: ColorJitter(0.5, 0.5, 0.5, 0))."""
    return jitter_colours(x, PHOTOMETRIC, hue=0.0)


def erase(x: Tensor, scale: tuple[float, float]) -> Tensor:
    """A box of `scale` of the area set to 0, mid-grey in [−1, 1] (RandomErasing)."""
    return x.masked_fill(inside(erasing_boxes(len(x), x.shape[2:], scale), x), 0)
