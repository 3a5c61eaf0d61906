"""AdaFace's IR and IR-SE networks, as its own releases hold them and as CVLface's do, which see RGB."""

from semihard.recognizer.backbones import iresnet
from semihard.similarity.layout import Renames

NAMES = {
    "adaface_ir_18": {"backbone": "ir_18", "image_size": (112, 112), "embedding_dim": 512, "colour": "bgr"},
    "adaface_ir_50": {"backbone": "ir_50", "image_size": (112, 112), "embedding_dim": 512, "colour": "bgr"},
    "adaface_ir_101": {"backbone": "ir_101", "image_size": (112, 112), "embedding_dim": 512, "colour": "bgr"},
    "adaface_ir_se_50": {"backbone": "ir_se_50", "image_size": (112, 112), "embedding_dim": 512, "colour": "bgr"},
    "cvlface_ir_18": {"backbone": "ir_18", "image_size": (112, 112), "embedding_dim": 512},
    "cvlface_ir_50": {"backbone": "ir_50", "image_size": (112, 112), "embedding_dim": 512},
    "cvlface_ir_101": {"backbone": "ir_101", "image_size": (112, 112), "embedding_dim": 512},
}
IR_BLOCK = ["bn1", "conv1", "bn2", "prelu", "conv2", "bn3"]


def renames(layout: str) -> Renames:
    """Patterns of their names and ours, of `layout`."""
    return adaface(iresnet.NAMES[NAMES[layout]["backbone"]]["layers"])


def adaface(layers: tuple[int, ...]) -> Renames:
    """AdaFace numbers the blocks of all stages through, and the layers of a block."""
    blocks = [f"layer{stage}.{i}." for stage, count in enumerate(layers, 1) for i in range(count)]
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
