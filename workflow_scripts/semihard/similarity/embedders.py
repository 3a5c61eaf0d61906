"""Embedders: a frozen recognition network with its own preprocessing, uint8 RGB in, raw features out."""

import copy
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.fx.experimental.optimization import fuse

from semihard.device import autocast
from semihard.errors import InputError
from semihard.recognizer.model_file import EmbedderSpec, load_model
from semihard.tensors import resize, to_float

BATCH = {"cuda": 512, "cpu": 64}


class Embedder(nn.Module):
    """A frozen network in evaluation mode that resizes, crops, orders colours and scales as its specification says.

    Attributes: spec; embedding_dim.
    """

    def __init__(self, backbone: nn.Module, spec: EmbedderSpec):
        super().__init__()
        folded = fuse(with_affine_norms(backbone).eval())  # BN into convolutions: up to twice as fast on CPU
        self.backbone = folded.requires_grad_(False).to(memory_format=torch.channels_last)
        self.spec = spec
        self.embedding_dim = spec.embedding_dim

    def train(self, mode: bool = True) -> "Embedder":
        """Stays in evaluation mode: its batch statistics are those it was trained with."""
        return super().train(False)

    def prepare(self, x: Tensor) -> Tensor:
        """RGB in [−1, 1] `[n, 3, h, w]` to the network's input `[n, 3, *image_size]`; differentiable."""
        spec = self.spec
        height, width = spec.image_size
        x = resize(x, spec.crop_from or spec.image_size)
        top, left = (x.shape[-2] - height) // 2, (x.shape[-1] - width) // 2
        x = x[..., top : top + height, left : left + width]
        x = x.flip(1) if spec.colour == "bgr" else x
        x = x * (127.5 / spec.scale) + (127.5 - spec.mean) / spec.scale
        return x.contiguous(memory_format=torch.channels_last)

    def forward(self, x: Tensor) -> Tensor:
        """Raw features float32 `[n, D]` of RGB images in [−1, 1] `[n, 3, h, w]` of any size; differentiable in `x`."""
        return self.backbone(self.prepare(x)).float()

    @torch.inference_mode()
    def embed(self, images: Tensor, flip: bool = True) -> Tensor:
        """Raw features float32 `[n, D]`, on the network's device, of uint8 RGB `[n, 3, h, w]`.

        flip: the sum of the features of image and mirror image, neither normalised (insightface's protocol), else the
        image's alone. bf16 where that is fast; images go through the network a fixed number at a time.
        """
        device = next(self.backbone.parameters()).device
        features = []
        for part in images.split(BATCH.get(device.type, 64)):
            pixels = to_float(part.to(device))
            with autocast(device, "auto"):
                found = self(pixels)
                features.append(found + self(pixels.flip(3)) if flip else found)
        return torch.cat(features) if features else torch.empty(0, self.embedding_dim, device=device)


def with_affine_norms(backbone: nn.Module) -> nn.Module:
    """A copy whose batch norms without weight and bias have those that change nothing: torch's fusion needs them."""
    backbone = copy.deepcopy(backbone)
    for module in backbone.modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm) and not module.affine:
            module.weight = nn.Parameter(torch.ones(module.num_features))
            module.bias = nn.Parameter(torch.zeros(module.num_features))
            module.affine = True
    return backbone


def load_embedder(path: Path | str, device: torch.device | str = "cpu") -> Embedder:
    """The embedder of a model file, whatever made it, on `device`. Raises InputError where it is no model file."""
    backbone, spec = load_model(path)
    if spec.colour not in ("rgb", "bgr"):
        raise InputError(f"{path}: colour order {spec.colour!r}, expected rgb or bgr")
    return Embedder(backbone, spec).to(device)
