"""Colour augmentation of a batch, each image by its own amounts in its own order (torchvision's ColorJitter).

Images are float RGB in [0, 1], `[n, 3, h, w]`; draws are made on the CPU, from torch's global generator.
"""

import torch
from torch import Tensor

from semihard.compute.decoded_images import onto_device

GREY = (0.299, 0.587, 0.114)  # luma weights (ITU-R BT.601)
BRIGHTNESS, CONTRAST, SATURATION, HUE = range(4)


def uniform(low: float, high: float, *shape: int) -> Tensor:
    """Uniform draws of `shape`, float64 on the CPU, so that their products round as Python's do."""
    return torch.rand(*shape, dtype=torch.float64) * (high - low) + low


def jitter_colours(x: Tensor, amount: float, hue: float) -> Tensor:
    """Brightness, contrast and saturation by 1 ± `amount`, hue by ± `hue` of a turn, in random order (ColorJitter)."""
    n = len(x)
    order = uniform(0, 1, n, 4).argsort(1)
    factor = torch.cat([uniform(1 - amount, 1 + amount, n, 3), uniform(-hue, hue, n, 1)], 1)
    return change_colours(x, order, factor.float())


def change_colours(x: Tensor, order: Tensor, factor: Tensor) -> Tensor:
    """The four changes of ColorJitter, those of image i in the order `order[i]`.

    order: int64 `[n, 4]`, permutations of BRIGHTNESS, CONTRAST, SATURATION, HUE; factor: float `[n, 4]`, of each change
    by its number, hue in full turns; both on the CPU. Brightness, contrast and saturation blend with black, with the
    mean grey and with the grey of each pixel: one formula does an image's change whichever of the three it is.
    """
    x = x.clone()
    for change in order.unbind(1):
        turned = ((change == HUE) & (factor[:, HUE] != 0)).nonzero()[:, 0]
        keep = factor.gather(1, change[:, None])[:, 0].masked_fill(change == HUE, 1)
        terms = torch.stack([keep, (1 - keep) * (change == CONTRAST), (1 - keep) * (change == SATURATION)])
        keep, contrast, saturation = onto_device(terms, x.device).view(3, -1, 1, 1, 1)
        luma = grey(x)
        other = luma.mean((2, 3), keepdim=True) * contrast + luma * saturation
        x = x.mul_(keep).add_(other).clamp_(0, 1)
        if len(turned):
            turn, turned = onto_device(factor[turned, HUE], x.device), onto_device(turned, x.device)
            x.index_copy_(0, turned, shift_hue(x[turned], turn.view(-1, 1, 1, 1)))
    return x


def grey(x: Tensor) -> Tensor:
    """Luma `[n, 1, h, w]`."""
    red, green, blue = x.split(1, 1)
    return (red * GREY[0]).add_(green, alpha=GREY[1]).add_(blue, alpha=GREY[2])


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
