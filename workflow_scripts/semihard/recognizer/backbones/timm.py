"""Any network of timm, and a linear embedding in the place of its classifier."""

import difflib

import timm
from torch import nn

from semihard.errors import InputError


def Backbone(image_size: tuple[int, int], embedding_dim: int, model: str) -> nn.Module:
    """The network `model` of timm, untrained: its pooled features, then a linear layer to `embedding_dim`.

    Raises InputError where timm has no such network, or it takes no images of this size.
    """
    if not timm.is_model(model.split(".")[0]):
        near = difflib.get_close_matches(model, timm.list_models())
        raise InputError(f"timm has no network {model!r}{'; near to it are ' + ', '.join(near) if near else ''}")
    size = {"img_size": tuple(image_size)}  # where positions are embedded, the network has to know
    try:
        try:
            return timm.create_model(model, pretrained=False, num_classes=embedding_dim, **size)
        except TypeError:
            return timm.create_model(model, pretrained=False, num_classes=embedding_dim)
    except (AssertionError, RuntimeError, ValueError, TypeError) as error:
        raise InputError(
            f"timm's {model} cannot be made for {image_size[0]}x{image_size[1]} pixels: {str(error).splitlines()[0]}"
        ) from None
