"""insightface's IResNets, which have our names, and its MobileFaceNets."""

import re
from collections.abc import Callable

from semihard.similarity.layout import CONV_BLOCK, RESIDUAL, Renames

NAMES = {
    "iresnet18": {"backbone": "iresnet18", "image_size": (112, 112), "embedding_dim": 512},
    "iresnet34": {"backbone": "iresnet34", "image_size": (112, 112), "embedding_dim": 512},
    "iresnet50": {"backbone": "iresnet50", "image_size": (112, 112), "embedding_dim": 512},
    "iresnet100": {"backbone": "iresnet100", "image_size": (112, 112), "embedding_dim": 512},
    "iresnet200": {"backbone": "iresnet200", "image_size": (112, 112), "embedding_dim": 512},
    "mbf": {"backbone": "mbf", "image_size": (112, 112), "embedding_dim": 512},
    "mbf_large": {"backbone": "mbf_large", "image_size": (112, 112), "embedding_dim": 512},
}
# of insightface's MobileFaceNets: the first of our blocks in each of their groups
FIRST = {
    "mbf": {"2": 0, "3": 1, "4": 5, "5": 6, "6": 12, "7": 13},
    "mbf_large": {"1": 0, "2": 2, "3": 3, "4": 11, "5": 12, "6": 24, "7": 25},
}


def renames(layout: str) -> Renames:
    """Patterns of their names and ours, of `layout`."""
    return insightface_mobile(FIRST[layout]) if layout in FIRST else ()


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
