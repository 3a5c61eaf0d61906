"""Face recognition networks by name: float pixels `[n, 3, h, w]` in the network's own range to raw features `[n, D]`.

IResNet as in insightface (its state dict loads as it is), IR-SE as in face.evoLVe and AdaFace, MobileFaceNet (Chen et
al., CCBR 2018), and facenet-pytorch's InceptionResnetV1. Features are never normalised here: the norm is a quality cue.
"""

from collections import OrderedDict
from collections.abc import Callable
from functools import partial

from torch import Tensor, nn

from semihard.errors import InputError

LAYERS = {
    "iresnet18": (2, 2, 2, 2),
    "iresnet34": (3, 4, 6, 3),
    "iresnet50": (3, 4, 14, 3),
    "iresnet100": (3, 13, 30, 3),
}
WIDTHS = (64, 128, 256, 512)
# (expansion, width, repeats, stride of the first) of each group of inverted residuals (MobileFaceNet Table 1)
MOBILE_BLOCKS = ((2, 64, 5, 2), (4, 128, 1, 2), (2, 128, 6, 1), (4, 128, 1, 2), (2, 128, 2, 1))


def build_backbone(name: str, image_size: tuple[int, int], embedding_dim: int, **options: object) -> nn.Module:
    """An untrained network for inputs of `image_size` (height, width) pixels and features of `embedding_dim`.

    name: iresnet18 | iresnet34 | iresnet50 | iresnet100 | ir_se_50 | mobilefacenet | tiny | inception_resnet_v1;
    options: of the network's class (`dropout` of IResNet, `blocks` of MobileFaceNet).
    Raises InputError for another name.
    """
    if name not in BACKBONES:
        raise InputError(f"backbone {name!r} is not known; expected one of {', '.join(BACKBONES)}")
    return BACKBONES[name](image_size=image_size, embedding_dim=embedding_dim, **options)


def conv3(inputs: int, outputs: int, stride: int = 1) -> nn.Conv2d:
    return nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)


def conv1(inputs: int, outputs: int, stride: int = 1) -> nn.Conv2d:
    return nn.Conv2d(inputs, outputs, 1, stride, bias=False)


class SqueezeExcitation(nn.Module):
    """Channel weights from the channel means (Hu et al., CVPR 2018), reduction 16."""

    def __init__(self, channels: int):
        super().__init__()
        self.fc1, self.fc2 = conv1(channels, channels // 16), conv1(channels // 16, channels)

    def forward(self, x: Tensor) -> Tensor:  # [n, c, h, w]
        weight = self.fc2(self.fc1(x.mean((2, 3), keepdim=True)).relu()).sigmoid()
        return x * weight


class IRBlock(nn.Module):
    """Improved residual block: BN, conv 3×3, BN, PReLU, conv 3×3 with the stride, BN (ArcFace, CVPR 2019, Sec. 3.1)."""

    def __init__(self, inputs: int, outputs: int, stride: int, se: bool):
        super().__init__()
        self.bn1 = nn.BatchNorm2d(inputs)
        self.conv1 = conv3(inputs, outputs)
        self.bn2 = nn.BatchNorm2d(outputs)
        self.prelu = nn.PReLU(outputs)
        self.conv2 = conv3(outputs, outputs, stride)
        self.bn3 = nn.BatchNorm2d(outputs)
        self.se = SqueezeExcitation(outputs) if se else nn.Identity()
        if se and inputs == outputs:  # face.evoLVe subsamples where insightface learns a projection
            self.downsample = nn.MaxPool2d(1, stride)
        elif stride > 1 or inputs != outputs:
            self.downsample = nn.Sequential(conv1(inputs, outputs, stride), nn.BatchNorm2d(outputs))
        else:
            self.downsample = nn.Identity()

    def forward(self, x: Tensor) -> Tensor:  # [n, inputs, h, w] -> [n, outputs, h/stride, w/stride]
        residual = self.conv1(self.bn1(x))
        residual = self.conv2(self.prelu(self.bn2(residual)))
        return self.se(self.bn3(residual)) + self.downsample(x)


class IResNet(nn.Module):
    """The networks of ArcFace and its heirs; four stages of stride 2, then BN, dropout, FC, BN.

    se=False: insightface's layout, names, N(0, 0.1) initialisation and no dropout. se=True: face.evoLVe's and AdaFace's
    IR-SE: squeeze and excitation, max-pool skips, Kaiming initialisation, dropout 0.4, last BN without affine part.
    """

    def __init__(
        self,
        image_size: tuple[int, int],
        embedding_dim: int,
        layers: tuple[int, ...],
        widths: tuple[int, ...] = WIDTHS,
        se: bool = False,
        dropout: float = 0.0,
    ):
        super().__init__()
        self.conv1 = conv3(3, widths[0])
        self.bn1 = nn.BatchNorm2d(widths[0])
        self.prelu = nn.PReLU(widths[0])
        inputs = widths[0]
        for stage, (width, depth) in enumerate(zip(widths, layers, strict=True), 1):
            blocks = [IRBlock(inputs if i == 0 else width, width, 2 if i == 0 else 1, se) for i in range(depth)]
            self.add_module(f"layer{stage}", nn.Sequential(*blocks))
            inputs = width
        self.bn2 = nn.BatchNorm2d(inputs)
        self.dropout = nn.Dropout(dropout)
        self.fc = nn.Linear(inputs * reduced(image_size), embedding_dim)
        self.features = nn.BatchNorm1d(embedding_dim, affine=not se)
        for module in self.modules():
            if isinstance(module, nn.Conv2d | nn.Linear) and se:
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
            elif isinstance(module, nn.Conv2d):
                nn.init.normal_(module.weight, 0, 0.1)
        if not se:
            self.features.weight.requires_grad = False  # a scale before the normalisation of the head means nothing

    def forward(self, x: Tensor) -> Tensor:  # [n, 3, h, w] -> [n, D]
        x = self.prelu(self.bn1(self.conv1(x)))
        x = self.layer4(self.layer3(self.layer2(self.layer1(x))))
        x = self.dropout(self.bn2(x)).flatten(1)
        return self.features(self.fc(x))


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
    """Expand, depthwise 3×3, project; with a skip where the shape is kept."""

    def __init__(self, inputs: int, outputs: int, stride: int, expansion: int):
        super().__init__()
        middle = inputs * expansion
        self.expand = ConvBlock(inputs, middle, 1)
        self.depthwise = ConvBlock(middle, middle, 3, stride, groups=middle)
        self.project = ConvBlock(middle, outputs, 1, linear=True)
        self.skip = stride == 1 and inputs == outputs

    def forward(self, x: Tensor) -> Tensor:
        y = self.project(self.depthwise(self.expand(x)))
        return x + y if self.skip else y


class MobileFaceNet(nn.Module):
    """MobileFaceNet: stem, inverted residuals, a global depthwise convolution of the whole map, FC, BN.

    blocks: (expansion, width, repeats, stride of the first) of each group; the stem has the first group's width.
    """

    def __init__(
        self,
        image_size: tuple[int, int],
        embedding_dim: int,
        blocks: tuple[tuple[int, int, int, int], ...] = MOBILE_BLOCKS,
        width: int = 512,
    ):
        super().__init__()
        inputs = blocks[0][1]
        self.stem = ConvBlock(3, inputs, 3, 2)
        self.stem_depthwise = ConvBlock(inputs, inputs, 3, groups=inputs)
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
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, x: Tensor) -> Tensor:  # [n, 3, h, w] -> [n, D]
        x = self.blocks(self.stem_depthwise(self.stem(x)))
        x = self.global_depthwise(self.last(x))
        return self.bn(self.linear(x.flatten(1)))


def reduced(image_size: tuple[int, int]) -> int:
    """Positions left of `image_size` after four strides of 2, each rounding up."""
    height, width = image_size
    return -(-height // 16) * -(-width // 16)


def inception_resnet_v1(image_size: tuple[int, int], embedding_dim: int) -> nn.Module:
    """facenet-pytorch's network: any input size, 512 features, already of unit length."""
    from facenet_pytorch import InceptionResnetV1

    if embedding_dim != 512:
        raise InputError(f"backbone 'inception_resnet_v1' has 512 features, not {embedding_dim}")
    return InceptionResnetV1(classify=False)


BACKBONES: dict[str, Callable[..., nn.Module]] = {
    **{name: partial(IResNet, layers=layers) for name, layers in LAYERS.items()},
    "ir_se_50": partial(IResNet, layers=LAYERS["iresnet50"], se=True, dropout=0.4),
    "mobilefacenet": MobileFaceNet,
    "tiny": partial(IResNet, layers=(1, 1, 1, 1), widths=(16, 32, 64, 128)),
    "inception_resnet_v1": inception_resnet_v1,
}
