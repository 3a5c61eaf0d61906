"""Whose state dict: for every layout of foreign weights its network, its pixels, and its names in ours."""

import re
from collections.abc import Callable

from torch import Tensor

from semihard.recognizer.model_file import EmbedderSpec
from semihard.settings import registry

Renames = tuple[tuple[str, str | Callable[[re.Match], str]], ...]  # tried in order, all of them applied

CONV_BLOCK = ["conv", "bn", "prelu"]
RESIDUAL = [f"{part}.{piece}" for part in ("expand", "depthwise", "project") for piece in CONV_BLOCK]


def spec_of(layout: str) -> EmbedderSpec:
    """The network of `layout` (a file of similarity/layouts gives it) and its pixels."""
    return EmbedderSpec(**registry.load("similarity.layouts", layout).NAMES[layout])


def renamed(weights: dict[str, Tensor], layout: str) -> dict[str, Tensor]:
    """The state dict `weights` of `layout` by our names; a name that is not of the layout stays what it is."""
    renames, ours = registry.load("similarity.layouts", layout).renames(layout), {}
    for name, value in weights.items():
        for pattern, replacement in renames:
            name = re.sub(pattern, replacement, name)
        ours[name] = value.flatten(1) if name == "linear.weight" else value  # a 1×1 convolution is a matrix
    return ours
