"""Whose state dict: for every layout of foreign weights its network, its pixels, and its names in ours."""

import re
from collections.abc import Callable

from torch import Tensor

from semihard.recognizer.iresnet import LAYERS
from semihard.recognizer.model_file import EmbedderSpec

ADAFACE_DEPTHS = {"ir_18": 18, "ir_50": 50, "ir_101": 100, "ir_se_50": 50}

SPECS = (
    {name: EmbedderSpec(name, (112, 112), 512) for name in [*(f"iresnet{n}" for n in LAYERS), "mbf", "mbf_large"]}
    | {f"adaface_{name}": EmbedderSpec(name, (112, 112), 512, colour="bgr") for name in ADAFACE_DEPTHS}
    | {
        "mobilefacenet_facexzoo": EmbedderSpec("mobilefacenet", (112, 112), 512, colour="bgr", scale=128.0),
        "mobilefacenet_112x96": EmbedderSpec("mobilefacenet", (112, 96), 128, crop_from=(112, 112), scale=128.0),
    }
)

Renames = tuple[tuple[str, str | Callable[[re.Match], str]], ...]

CONV_BLOCK = ["conv", "bn", "prelu"]
RESIDUAL = [f"{part}.{piece}" for part in ("expand", "depthwise", "project") for piece in CONV_BLOCK]
IR_BLOCK = ["bn1", "conv1", "bn2", "prelu", "conv2", "bn3"]
FACEXZOO_FIRST = {"23": 0, "3": 1, "34": 5, "4": 6, "45": 12, "5": 13}


def adaface(depth: int) -> Renames:
    """AdaFace numbers the blocks of all stages through, and the layers of a block."""
    blocks = [f"layer{stage}.{i}." for stage, count in enumerate(LAYERS[depth], 1) for i in range(count)]
    places = {f"body.{number}.": block for number, block in enumerate(blocks)}
    return (
        (r"^input_layer\.([0-2])\.", lambda found: f"{['conv1', 'bn1', 'prelu'][int(found[1])]}."),
        (r"^body\.\d+\.", lambda found: places.get(found[0], found[0])),
        (r"\.shortcut_layer\.", ".downsample."),
        (r"\.res_layer\.se_block\.", ".se."),
        (r"\.res_layer\.([0-5])\.", lambda found: f".{IR_BLOCK[int(found[1])]}."),
        (r"^output_layer\.0\.", "bn2."),
        (r"^output_layer\.3\.", "fc."),
        (r"^output_layer\.4\.", "features."),
    )


def insightface_mobile(first: dict[str, int]) -> Renames:
    """insightface's MobileFaceNet numbers its groups; `first`: the first of our blocks in each of them."""

    def block(found: re.Match) -> str:
        return (
            f"blocks.{first[found[1]] + int(found['i'] or 0)}.{RESIDUAL[3 * int(found['part']) + int(found['piece'])]}."
        )

    def of(name: str) -> Callable[[re.Match], str]:
        return lambda found: f"{name}.{CONV_BLOCK[int(found[1])]}."

    groups = "|".join(first)
    return (
        (rf"^layers\.({groups})\.(layers\.(?P<i>\d+)\.)?layers\.(?P<part>[0-2])\.layers\.(?P<piece>[0-2])\.", block),
        (r"^layers\.0\.layers\.([0-2])\.", of("stem")),
        (r"^layers\.1\.layers\.([0-2])\.", of("stem_depthwise")),
        (r"^conv_sep\.layers\.([0-2])\.", of("last")),
        (r"^features\.layers\.0\.layers\.([0-1])\.", of("global_depthwise")),
        (r"^features\.layers\.2\.", "linear."),
        (r"^features\.layers\.3\.", "bn."),
    )


# their names → ours, tried in order, all of them applied; a layout that is not here has our names already
RENAMES: dict[str, Renames] = {
    **{f"adaface_{name}": adaface(depth) for name, depth in ADAFACE_DEPTHS.items()},
    "mbf": insightface_mobile({"2": 0, "3": 1, "4": 5, "5": 6, "6": 12, "7": 13}),
    "mbf_large": insightface_mobile({"1": 0, "2": 2, "3": 3, "4": 11, "5": 12, "6": 24, "7": 25}),
    "mobilefacenet_facexzoo": (
        (r"^conv1\.", "stem."),
        (r"^conv2_dw\.", "stem_depthwise."),
        (r"^conv_([345])\.model\.(\d+)\.", lambda found: f"blocks.{FACEXZOO_FIRST[found[1]] + int(found[2])}."),
        (r"^conv_(23|34|45)\.", lambda found: f"blocks.{FACEXZOO_FIRST[found[1]]}."),
        (r"^(blocks\.\d+)\.conv\.", r"\1.expand."),
        (r"^(blocks\.\d+)\.conv_dw\.", r"\1.depthwise."),
        (r"^conv_6_sep\.", "last."),
        (r"^conv_6_dw\.", "global_depthwise."),
    ),
    "mobilefacenet_112x96": (
        (r"^conv1\.", "stem."),
        (r"^dw_conv1\.", "stem_depthwise."),
        (r"^(blocks\.\d+)\.conv\.([0-7])\.", lambda found: f"{found[1]}.{RESIDUAL[int(found[2])]}."),
        (r"^conv2\.", "last."),
        (r"^linear7\.", "global_depthwise."),
        (r"^linear1\.conv\.", "linear."),
        (r"^linear1\.bn\.", "bn."),
    ),
}


def renamed(weights: dict[str, Tensor], layout: str) -> dict[str, Tensor]:
    """The state dict `weights` of `layout` by our names; a name that is not of the layout stays what it is."""
    ours = {}
    for name, value in weights.items():
        for pattern, replacement in RENAMES.get(layout, ()):
            name = re.sub(pattern, replacement, name)
        ours[name] = value.flatten(1) if name == "linear.weight" else value  # a 1×1 convolution is a matrix
    return ours
