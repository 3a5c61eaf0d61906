"""The MobileFaceNet of 112 × 96 pixels and 128 features."""

from semihard.similarity.layout import RESIDUAL, Renames

NAMES = {
    "mobilefacenet_112x96": {
        "backbone": "mobilefacenet", "image_size": (112, 96), "embedding_dim": 128, "crop_from": (112, 112), "scale": 128.0
    }
}  # fmt: skip


def renames(layout: str) -> Renames:
    """Patterns of their names and ours."""
    return (
        (r"^conv1\.", "stem."),
        (r"^dw_conv1\.", "stem_depthwise."),
        (r"^(blocks\.\d+)\.conv\.([0-7])\.", lambda found: f"{found[1]}.{RESIDUAL[int(found[2])]}."),
        (r"^conv2\.", "last."),
        (r"^linear7\.", "global_depthwise."),
        (r"^linear1\.conv\.", "linear."),
        (r"^linear1\.bn\.", "bn."),
    )
