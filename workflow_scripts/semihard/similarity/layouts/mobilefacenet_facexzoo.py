"""FaceX-Zoo's MobileFaceNet."""

from semihard.similarity.layout import Renames

NAMES = {
    "mobilefacenet_facexzoo": {
        "backbone": "mobilefacenet", "image_size": (112, 112), "embedding_dim": 512, "colour": "bgr", "scale": 128.0
    }
}  # fmt: skip
FIRST = {"23": 0, "3": 1, "34": 5, "4": 6, "45": 12, "5": 13}


def renames(layout: str) -> Renames:
    """Patterns of their names and ours."""
    return (
        (r"^conv1\.", "stem."),
        (r"^conv2_dw\.", "stem_depthwise."),
        (r"^conv_([345])\.model\.(\d+)\.", lambda found: f"blocks.{FIRST[found[1]] + int(found[2])}."),
        (r"^conv_(23|34|45)\.", lambda found: f"blocks.{FIRST[found[1]]}."),
        (r"^(blocks\.\d+)\.conv\.", r"\1.expand."),
        (r"^(blocks\.\d+)\.conv_dw\.", r"\1.depthwise."),
        (r"^conv_6_sep\.", "last."),
        (r"^conv_6_dw\.", "global_depthwise."),
    )
