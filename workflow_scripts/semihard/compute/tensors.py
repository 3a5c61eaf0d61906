"""Images as tensors: the one resize, and the way to the diffusion models' range and back.

Nothing here normalises for a recognizer: that is the embedder's business.
"""

import torch


def resize(images: torch.Tensor, size: tuple[int, int] | int) -> torch.Tensor:
    """Antialiased bilinear resize of `[n, 3, h, w]`, uint8 (rounded) or floating (differentiable), to `size` pixels."""
    size = (size, size) if isinstance(size, int) else size
    if tuple(images.shape[-2:]) == tuple(size):
        return images
    floating = images if images.is_floating_point() else images.float()
    resized = torch.nn.functional.interpolate(floating, size, mode="bilinear", antialias=True, align_corners=False)
    return resized if images.is_floating_point() else resized.round_().clamp_(0, 255).to(torch.uint8)


def fit(images: torch.Tensor, size: tuple[int, int] | int, crop_from: tuple[int, int] | None = None) -> torch.Tensor:
    """Images `[n, 3, h, w]` brought to `size`: resized, or resized to `crop_from` and the middle cut out.

    Images that have the proportions of `size` already are never cut. (Alignment at 112 × 96 is that at 112 × 112
    without eight columns at either side, so both give the same pixels.)
    """
    height, width = (size, size) if isinstance(size, int) else size
    if crop_from is None or images.shape[-2] * width == images.shape[-1] * height:
        return resize(images, (height, width))
    images = resize(images, crop_from)
    top, left = (images.shape[-2] - height) // 2, (images.shape[-1] - width) // 2
    return images[..., top : top + height, left : left + width]


def to_float(images: torch.Tensor) -> torch.Tensor:
    """uint8 `[n, 3, h, w]` to float32 in [-1, 1], the range of the diffusion models and of every embedder's input."""
    return images.float().div_(127.5).sub_(1)


def to_uint8(images: torch.Tensor) -> torch.Tensor:
    """float `[n, 3, h, w]` in [-1, 1] to uint8, rounded to the nearest grey level and clipped."""
    return images.float().add(1).mul_(127.5).round_().clamp_(0, 255).to(torch.uint8)
