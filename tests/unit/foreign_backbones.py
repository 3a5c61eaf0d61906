"""AdaFace's and insightface's networks written once more, straight from a state dict with their own names."""

import torch
from torch import Tensor
from torch.nn import functional as F

from semihard.recognizer.backbones.iresnet import NAMES


class State:
    """A state dict that makes each tensor when it is first asked for: what a network asks for is its layout."""

    def __init__(self):
        self.tensors: dict[str, Tensor] = {}
        self._random = torch.Generator().manual_seed(0)

    def tensor(self, name: str, *shape: int, mean: float = 0.0, std: float = 0.1) -> Tensor:
        if name not in self.tensors:
            self.tensors[name] = mean + std * torch.randn(shape, generator=self._random)
        return self.tensors[name]

    def conv(
        self, x: Tensor, name: str, outputs: int, kernel: int = 1, stride: int = 1, padding=None, groups=1
    ) -> Tensor:
        inputs = x.shape[1] // groups
        weight = self.tensor(f"{name}.weight", outputs, inputs, kernel, kernel, std=(inputs * kernel**2) ** -0.5)
        return F.conv2d(x, weight, None, stride, kernel // 2 if padding is None else padding, groups=groups)

    def norm(self, x: Tensor, name: str, affine: bool = True) -> Tensor:
        shape = (1, -1, 1, 1)[: x.ndim]
        mean = self.tensor(f"{name}.running_mean", x.shape[1]).view(shape)
        variance = self.tensor(f"{name}.running_var", x.shape[1], mean=1.0).abs().view(shape)
        self.tensors[f"{name}.running_var"].abs_()
        self.tensors.setdefault(f"{name}.num_batches_tracked", torch.tensor(7))
        x = (x - mean) / (variance + 1e-5).sqrt()
        if not affine:
            return x
        weight, bias = self.tensor(f"{name}.weight", x.shape[1], mean=1.0), self.tensor(f"{name}.bias", x.shape[1])
        return x * weight.view(shape) + bias.view(shape)

    def prelu(self, x: Tensor, name: str) -> Tensor:
        slope = self.tensor(f"{name}.weight", x.shape[1], mean=0.25).view(1, -1, 1, 1)
        return torch.where(x > 0, x, slope * x)

    def linear(self, x: Tensor, name: str, outputs: int, bias: bool) -> Tensor:
        y = x @ self.tensor(f"{name}.weight", outputs, x.shape[1], std=x.shape[1] ** -0.5).T
        return y + self.tensor(f"{name}.bias", outputs) if bias else y


def adaface_ir(state: State, x: Tensor, depth: int, se: bool = False) -> Tensor:
    """Features before the normalisation, of AdaFace's IR network of `depth` (100 is its ir_101); x: BGR."""
    x = state.prelu(state.norm(state.conv(x, "input_layer.0", 64, 3), "input_layer.1"), "input_layer.2")
    number = 0
    for width, repeats in zip((64, 128, 256, 512), NAMES[f"iresnet{depth}"]["layers"], strict=True):
        for i in range(repeats):
            stride, body = (1, 2)[i == 0], f"body.{number}"
            number += 1
            if x.shape[1] == width:
                shortcut = x[:, :, ::stride, ::stride]
            else:
                shortcut = state.conv(x, f"{body}.shortcut_layer.0", width, 1, stride)
                shortcut = state.norm(shortcut, f"{body}.shortcut_layer.1")
            y = state.norm(x, f"{body}.res_layer.0")
            y = state.norm(state.conv(y, f"{body}.res_layer.1", width, 3), f"{body}.res_layer.2")
            y = state.conv(state.prelu(y, f"{body}.res_layer.3"), f"{body}.res_layer.4", width, 3, stride)
            y = state.norm(y, f"{body}.res_layer.5")
            if se:
                weight = state.conv(y.mean((2, 3), keepdim=True), f"{body}.res_layer.se_block.fc1", width // 16)
                y = y * torch.sigmoid(state.conv(F.relu(weight), f"{body}.res_layer.se_block.fc2", width))
            x = y + shortcut
    x = state.norm(x, "output_layer.0").flatten(1)
    return state.norm(state.linear(x, "output_layer.3", 512, bias=True), "output_layer.4", affine=False)


def insightface_mbf(state: State, x: Tensor, scale: int, repeats: tuple[int, int, int, int]) -> Tensor:
    """Features of insightface's get_mbf (scale 2, repeats 1 4 6 2) or get_mbf_large (4, 2 8 12 4); x: RGB."""

    def block(x: Tensor, name: str, outputs: int, kernel=1, stride=1, groups=1) -> Tensor:
        x = state.conv(x, f"{name}.layers.0", outputs, kernel, stride, groups=groups)
        return state.prelu(state.norm(x, f"{name}.layers.1"), f"{name}.layers.2")

    def depthwise(x: Tensor, name: str, outputs: int, middle: int, stride: int) -> Tensor:
        y = block(block(x, f"{name}.layers.0", middle), f"{name}.layers.1", middle, 3, stride, middle)
        return state.norm(state.conv(y, f"{name}.layers.2.layers.0", outputs), f"{name}.layers.2.layers.1")

    def residual(x: Tensor, name: str, count: int, middle: int) -> Tensor:
        for i in range(count):
            x = x + depthwise(x, f"{name}.layers.{i}", x.shape[1], middle, 1)
        return x

    narrow, wide = 64 * scale, 128 * scale
    x = block(x, "layers.0", narrow, 3, 2)
    x = block(x, "layers.1", narrow, 3, groups=64) if repeats[0] == 1 else residual(x, "layers.1", repeats[0], 128)
    x = residual(depthwise(x, "layers.2", narrow, 128, 2), "layers.3", repeats[1], 128)
    x = residual(depthwise(x, "layers.4", wide, 256, 2), "layers.5", repeats[2], 256)
    x = residual(depthwise(x, "layers.6", wide, 512, 2), "layers.7", repeats[3], 256)
    x = block(x, "conv_sep", 512)
    x = state.norm(
        state.conv(x, "features.layers.0.layers.0", 512, 7, padding=0, groups=512), "features.layers.0.layers.1"
    )
    return state.norm(state.linear(x.flatten(1), "features.layers.2", 512, bias=False), "features.layers.3")
