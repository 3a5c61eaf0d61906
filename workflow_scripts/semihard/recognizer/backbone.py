"""Face recognition networks by name: float pixels `[n, 3, h, w]` in the network's own range to raw features `[n, D]`.

Features are never normalised here: the norm is a quality cue.
"""

from torch import nn

from semihard.recognizer.settings import Recognizer
from semihard.settings import registry

FAMILIES = "recognizer.backbones"


def build_backbone(name: str, image_size: tuple[int, int], embedding_dim: int, **options: object) -> nn.Module:
    """An untrained network for inputs of `image_size` (height, width) pixels and features of `embedding_dim`.

    name: one that a file of recognizer/backbones gives; options: of the network's class (`dropout` of IResNet, `blocks`
    of MobileFaceNet). Raises InputError for another name.
    """
    family = registry.load(FAMILIES, name)
    own = family.NAMES[name] if hasattr(family, "NAMES") else {}
    return family.Backbone(image_size=image_size, embedding_dim=embedding_dim, **own | options)


def options_of(settings: Recognizer) -> dict[str, str]:
    """The options of the network that a recognizer is trained with."""
    return {"model": settings.timm_model} if settings.timm_model else {}
