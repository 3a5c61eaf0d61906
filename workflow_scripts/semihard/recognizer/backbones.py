"""Face recognition networks by name: float pixels `[n, 3, h, w]` in the network's own range to raw features `[n, D]`.

IResNet and mbf as in insightface, IR and IR-SE as in AdaFace, MobileFaceNet (Chen et al., CCBR 2018), and
facenet-pytorch's InceptionResnetV1. Features are never normalised here: the norm is a quality cue.
"""

from collections.abc import Callable
from functools import partial

from torch import nn

from semihard.errors import InputError
from semihard.recognizer.iresnet import LAYERS, IResNet
from semihard.recognizer.mobilefacenet import MBF_BLOCKS, MBF_LARGE_BLOCKS, MobileFaceNet


def build_backbone(name: str, image_size: tuple[int, int], embedding_dim: int, **options: object) -> nn.Module:
    """An untrained network for inputs of `image_size` (height, width) pixels and features of `embedding_dim`.

    name: iresnet18 | 34 | 50 | 100 | 200, mbf and mbf_large (insightface), ir_18 | ir_50 | ir_101 | ir_se_50 (AdaFace),
    mobilefacenet, tiny, inception_resnet_v1; options: of the network's class (`dropout` of IResNet, `blocks` of
    MobileFaceNet). Raises InputError for another name.
    """
    if name not in BACKBONES:
        raise InputError(f"backbone {name!r} is not known; expected one of {', '.join(BACKBONES)}")
    return BACKBONES[name](image_size=image_size, embedding_dim=embedding_dim, **options)


def inception_resnet_v1(image_size: tuple[int, int], embedding_dim: int) -> nn.Module:
    """facenet-pytorch's network: any input size, 512 features, already of unit length."""
    from facenet_pytorch import InceptionResnetV1

    if embedding_dim != 512:
        raise InputError(f"backbone 'inception_resnet_v1' has 512 features, not {embedding_dim}")
    return InceptionResnetV1(classify=False)


AdaFaceIR = partial(IResNet, adaface=True, dropout=0.4)

BACKBONES: dict[str, Callable[..., nn.Module]] = {
    **{f"iresnet{depth}": partial(IResNet, layers=layers) for depth, layers in LAYERS.items()},
    "ir_18": partial(AdaFaceIR, layers=LAYERS[18]),
    "ir_50": partial(AdaFaceIR, layers=LAYERS[50]),
    "ir_101": partial(AdaFaceIR, layers=LAYERS[100]),
    "ir_se_50": partial(AdaFaceIR, layers=LAYERS[50], se=True),
    "mobilefacenet": MobileFaceNet,
    "mbf": partial(MobileFaceNet, blocks=MBF_BLOCKS, stem_groups=64),
    "mbf_large": partial(MobileFaceNet, blocks=MBF_LARGE_BLOCKS, stem_groups=0),
    "tiny": partial(IResNet, layers=(1, 1, 1, 1), widths=(16, 32, 64, 128), leak=0.25),
    "inception_resnet_v1": inception_resnet_v1,
}
