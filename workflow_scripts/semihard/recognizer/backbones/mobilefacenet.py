"""MobileFaceNet (Chen et al., CCBR 2018), and insightface's wider variants of it."""

from collections import OrderedDict

from torch import Tensor, nn

NAMES = {  # Chen et al.'s, and insightface's
    "mobilefacenet": {"blocks": ((2, 64, 5, 2), (4, 128, 1, 2), (2, 128, 6, 1), (4, 128, 1, 2), (2, 128, 2, 1))},
    "mbf": {"blocks": ((1, 128, 5, 2), (2, 256, 1, 2), (1, 256, 6, 1), (2, 256, 1, 2), (1, 256, 2, 1)), "stem_groups": 64},
    "mbf_large": {
        "blocks": (
            (0.5, 256, 2, 1), (0.5, 256, 9, 2), (1, 512, 1, 2), (0.5, 512, 12, 1), (1, 512, 1, 2), (0.5, 512, 4, 1)
        ),
        "stem_groups": 0,
    },
}  # fmt: skip


class ConvBlock(nn.Sequential):
    """Convolution, BN and, where not linear, PReLU."""

    def __init__(
        self,
        inputs: int,
        outputs: int,
        kernel: int | tuple[int, int],
        stride: int = 1,
        groups: int = 1,
        linear: bool = False,
    ):
        padding = kernel // 2 if isinstance(kernel, int) else 0
        parts: dict[str, nn.Module] = {
            "conv": nn.Conv2d(inputs, outputs, kernel, stride, padding, groups=groups, bias=False),
            "bn": nn.BatchNorm2d(outputs),
        }
        if not linear:
            parts["prelu"] = nn.PReLU(outputs)
        super().__init__(OrderedDict(parts))


class InvertedResidual(nn.Module):
    """Expand (below 1: narrow), depthwise 3×3, project; with a skip where the shape is kept."""

    def __init__(self, inputs: int, outputs: int, stride: int, expansion: float):
        super().__init__()
        middle = int(inputs * expansion)
        self.expand = ConvBlock(inputs, middle, 1)
        self.depthwise = ConvBlock(middle, middle, 3, stride, groups=middle)
        self.project = ConvBlock(middle, outputs, 1, linear=True)
        self.skip = stride == 1 and inputs == outputs

    def forward(self, x: Tensor) -> Tensor:
        y = self.project(self.depthwise(self.expand(x)))
        return x + y if self.skip else y


class MobileFaceNet(nn.Module):
    """MobileFaceNet: stem, inverted residuals, a global depthwise convolution of the whole map, FC, BN.

    blocks: (expansion, width, repeats, stride of the first) of each group of inverted residuals (Table 1); the
    stem has the first group's width.
    stem_groups: groups of the stem's second convolution; depthwise where not given, 0 leaves it out.
    """

    def __init__(
        self,
        image_size: tuple[int, int],
        embedding_dim: int,
        blocks: tuple[tuple[float, int, int, int], ...],
        width: int = 512,
        stem_groups: int | None = None,
    ):
        super().__init__()
        inputs = blocks[0][1]
        self.stem = ConvBlock(3, inputs, 3, 2)
        groups = inputs if stem_groups is None else stem_groups
        self.stem_depthwise = ConvBlock(inputs, inputs, 3, groups=groups) if groups else nn.Identity()
        self.blocks = nn.Sequential()
        rows, columns = (-(-side // 2) for side in image_size)
        for expansion, outputs, repeats, stride in blocks:
            for i in range(repeats):
                self.blocks.append(InvertedResidual(inputs, outputs, stride if i == 0 else 1, expansion))
                inputs = outputs
            rows, columns = -(-rows // stride), -(-columns // stride)
        self.last = ConvBlock(inputs, width, 1)
        self.global_depthwise = ConvBlock(width, width, (rows, columns), groups=width, linear=True)
        self.linear = nn.Linear(width, embedding_dim, bias=False)
        self.bn = nn.BatchNorm1d(embedding_dim)
        for module in self.modules():
            if isinstance(module, nn.Conv2d | nn.Linear):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, x: Tensor) -> Tensor:  # [n, 3, h, w] -> [n, D]
        x = self.blocks(self.stem_depthwise(self.stem(x)))
        x = self.global_depthwise(self.last(x))
        return self.bn(self.linear(x.flatten(1)))


Backbone = MobileFaceNet
