"""IResNet and IR-SE: the residual networks of ArcFace and its heirs, in insightface's and in AdaFace's variant."""

from torch import Tensor, nn

NAMES = {  # insightface's, AdaFace's, and ours for CPUs: ten layers whose activations have a fixed slope
    "iresnet18": {"layers": (2, 2, 2, 2)},
    "iresnet34": {"layers": (3, 4, 6, 3)},
    "iresnet50": {"layers": (3, 4, 14, 3)},
    "iresnet100": {"layers": (3, 13, 30, 3)},
    "iresnet200": {"layers": (6, 26, 60, 6)},
    "ir_18": {"layers": (2, 2, 2, 2), "adaface": True, "dropout": 0.4},
    "ir_50": {"layers": (3, 4, 14, 3), "adaface": True, "dropout": 0.4},
    "ir_101": {"layers": (3, 13, 30, 3), "adaface": True, "dropout": 0.4},
    "ir_se_101": {"layers": (3, 13, 30, 3), "adaface": True, "dropout": 0.4, "se": True},
    "ir_se_50": {"layers": (3, 4, 14, 3), "adaface": True, "dropout": 0.4, "se": True},
    "tiny": {"layers": (1, 1, 1, 1), "widths": (16, 32, 64, 128), "leak": 0.25},
}
WIDTHS = (64, 128, 256, 512)


def conv3(inputs: int, outputs: int, stride: int = 1) -> nn.Conv2d:
    return nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)


def conv1(inputs: int, outputs: int, stride: int = 1) -> nn.Conv2d:
    return nn.Conv2d(inputs, outputs, 1, stride, bias=False)


def activation(channels: int, leak: float | None) -> nn.Module:
    """PReLU, or where its slopes are not learned LeakyReLU, whose backward pass on a CPU takes a seventh of the time."""
    return nn.PReLU(channels) if leak is None else nn.LeakyReLU(leak)


class SqueezeExcitation(nn.Module):
    """Channel weights from the channel means (Hu et al., CVPR 2018), reduction 16."""

    def __init__(self, channels: int):
        super().__init__()
        self.fc1, self.fc2 = conv1(channels, channels // 16), conv1(channels // 16, channels)

    def forward(self, x: Tensor) -> Tensor:  # [n, c, h, w]
        weight = self.fc2(self.fc1(x.mean((2, 3), keepdim=True)).relu()).sigmoid()
        return x * weight


class IRBlock(nn.Module):
    """Improved residual block: BN, conv 3×3, BN, PReLU, conv 3×3 with the stride, BN (ArcFace, CVPR 2019, Sec. 3.1).

    pooled: where the width is kept, the skip takes every `stride`-th pixel and learns nothing.
    """

    def __init__(self, inputs: int, outputs: int, stride: int, pooled: bool, se: bool, leak: float | None = None):
        super().__init__()
        self.bn1 = nn.BatchNorm2d(inputs)
        self.conv1 = conv3(inputs, outputs)
        self.bn2 = nn.BatchNorm2d(outputs)
        self.prelu = activation(outputs, leak)
        self.conv2 = conv3(outputs, outputs, stride)
        self.bn3 = nn.BatchNorm2d(outputs)
        self.se = SqueezeExcitation(outputs) if se else nn.Identity()
        if stride == 1 and inputs == outputs:
            self.downsample = nn.Identity()
        elif pooled and inputs == outputs:
            self.downsample = nn.MaxPool2d(1, stride)
        else:
            self.downsample = nn.Sequential(conv1(inputs, outputs, stride), nn.BatchNorm2d(outputs))

    def forward(self, x: Tensor) -> Tensor:  # [n, inputs, h, w] -> [n, outputs, ⌈h/stride⌉, ⌈w/stride⌉]
        residual = self.conv1(self.bn1(x))
        residual = self.conv2(self.prelu(self.bn2(residual)))
        return self.se(self.bn3(residual)) + self.downsample(x)


class IResNet(nn.Module):
    """Stem, four stages that begin with stride 2, then BN, dropout, FC, BN; raw features.

    adaface=False: insightface's names, layout, N(0, 0.1) initialisation and last BN of frozen scale. adaface=True: the
    variant of face.evoLVe and AdaFace, max-pool skips, Kaiming initialisation, last BN without affine part.
    leak: slope below zero of all activations; learned, one a channel, where not given.
    """

    def __init__(
        self,
        image_size: tuple[int, int],
        embedding_dim: int,
        layers: tuple[int, ...],
        widths: tuple[int, ...] = WIDTHS,
        adaface: bool = False,
        se: bool = False,
        dropout: float = 0.0,
        leak: float | None = None,
    ):
        super().__init__()
        self.conv1 = conv3(3, widths[0])
        self.bn1 = nn.BatchNorm2d(widths[0])
        self.prelu = activation(widths[0], leak)
        inputs = widths[0]
        for stage, (width, depth) in enumerate(zip(widths, layers, strict=True), 1):
            sizes = [(inputs, 2), *[(width, 1)] * (depth - 1)]
            blocks = [IRBlock(before, width, stride, adaface, se, leak) for before, stride in sizes]
            self.add_module(f"layer{stage}", nn.Sequential(*blocks))
            inputs = width
        self.bn2 = nn.BatchNorm2d(inputs)
        self.dropout = nn.Dropout(dropout)
        self.fc = nn.Linear(inputs * reduced(image_size), embedding_dim)
        self.features = nn.BatchNorm1d(embedding_dim, affine=not adaface)
        for module in self.modules():
            if isinstance(module, nn.Conv2d | nn.Linear) and adaface:
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
            elif isinstance(module, nn.Conv2d):
                nn.init.normal_(module.weight, 0, 0.1)
        if not adaface:
            self.features.weight.requires_grad = False  # a scale before the normalisation of the head means nothing

    def forward(self, x: Tensor) -> Tensor:  # [n, 3, h, w] -> [n, D]
        x = self.prelu(self.bn1(self.conv1(x)))
        x = self.layer4(self.layer3(self.layer2(self.layer1(x))))
        x = self.dropout(self.bn2(x)).flatten(1)
        return self.features(self.fc(x))


def reduced(image_size: tuple[int, int]) -> int:
    """Positions left of `image_size` after four strides of 2, each rounding up."""
    height, width = image_size
    return -(-height // 16) * -(-width // 16)


Backbone = IResNet
