"""Embedders: a frozen recognition network with its own preprocessing, uint8 RGB in, raw features out."""

import copy
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.fx.experimental.optimization import fuse

from semihard.compute.device import has_fast_bf16
from semihard.compute.tensors import fit, to_float
from semihard.errors import InputError
from semihard.recognizer.model_file import EmbedderSpec, load_model

CUDA_BATCH = 512
PIXELS = 8 * 112 * 112  # of a batch elsewhere: an IResNet's widest map stays within a CPU's cache


class Embedder(nn.Module):
    """A frozen network in evaluation mode that resizes, crops, orders colours and scales as its specification says.

    Attributes: spec; embedding_dim; backbone, its weights float32 and its batch norms folded.
    """

    def __init__(self, backbone: nn.Module, spec: EmbedderSpec):
        super().__init__()
        self.backbone = folded(backbone.eval()).requires_grad_(False).to(memory_format=torch.channels_last)
        self.bf16_backbone: nn.Module | None = None  # the backbone in bf16, made when `embed` first needs it
        self.spec = spec
        self.embedding_dim = spec.embedding_dim

    def train(self, mode: bool = True) -> "Embedder":
        """Stays in evaluation mode: its batch statistics are those it was trained with."""
        return super().train(False)

    def prepare(self, x: Tensor) -> Tensor:
        """RGB in [−1, 1] `[n, 3, h, w]` to the network's input `[n, 3, *image_size]`; differentiable."""
        spec = self.spec
        x = fit(x, spec.image_size, spec.crop_from)
        x = x.flip(1) if spec.colour == "bgr" else x
        mean, scale = (per_channel(value, x.device) for value in (spec.mean, spec.scale))
        x = x * (127.5 / scale) + (127.5 - mean) / scale
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
        device = next(iter(self.state_dict().values())).device
        network, dtype = self.backbone, torch.float32
        if has_fast_bf16(device) and casts_whole(self.backbone):
            if self.bf16_backbone is None:
                self.bf16_backbone = in_bf16(self.backbone)
            network, dtype = self.bf16_backbone, torch.bfloat16
        height, width = self.spec.image_size
        batch = CUDA_BATCH if device.type == "cuda" else max(1, PIXELS // (height * width))
        features = []
        for part in images.split(batch):
            pixels = self.prepare(to_float(part.to(device))).to(dtype)
            feature = network(pixels).float()
            features.append(feature + network(pixels.flip(3)).float() if flip else feature)
        return torch.cat(features) if features else torch.empty(0, self.embedding_dim, device=device)


def per_channel(value: float | tuple[float, ...], device: torch.device) -> float | Tensor:
    """One value for all channels as it is, one for each as `[3, 1, 1]`."""
    return torch.tensor(value, device=device)[:, None, None] if isinstance(value, tuple) else value


def casts_whole(backbone: nn.Module) -> bool:
    """True where all weights are of layers that `in_bf16` knows; other people's networks stay in float32."""
    owners = [module for module in backbone.modules() if next(module.parameters(recurse=False), None) is not None]
    known = (nn.Conv2d, nn.Linear, nn.PReLU, nn.modules.batchnorm._BatchNorm)
    return bool(owners) and all(isinstance(module, known) for module in owners)


@torch.inference_mode(False)
def in_bf16(backbone: nn.Module) -> nn.Module:
    """A copy with weights cast once, where autocast does it for every batch; what batch norm is left stays float32."""
    half = copy.deepcopy(backbone)
    for module in half.modules():
        if isinstance(module, nn.Conv2d | nn.Linear | nn.PReLU):
            module.to(torch.bfloat16)
    return half


def folded(backbone: nn.Module) -> nn.Module:
    """The network with batch norms folded into the convolutions before them, up to twice as fast on a CPU; as it is where it
    has none."""
    norms = any(isinstance(module, nn.modules.batchnorm._BatchNorm) for module in backbone.modules())
    return fuse(with_affine_norms(backbone)) if norms else backbone


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
