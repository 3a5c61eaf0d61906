"""Foreign recognition weights to this workflow's model file: names, layout, preprocessing and checksum settled once."""

import logging
import os
from pathlib import Path

import torch
from torch import Tensor

from semihard.errors import InputError
from semihard.recognizer.backbone import build_backbone
from semihard.recognizer.model_file import EmbedderSpec, copy_model, load_weights, save_model
from semihard.settings.paths import expand_path
from semihard.similarity.import_onnx import read_onnx
from semihard.similarity.layout import renamed, spec_of
from semihard.similarity.settings import (
    FacenetEmbedder,
    FileEmbedder,
    OnnxEmbedder,
    TimmEmbedder,
    WeightsEmbedder,
)
from semihard.similarity.state_dict import read_state_dict
from semihard.storage.checksum import check_sha256
from semihard.storage.pipeline_folder import EMBEDDER, weights_file
from semihard.storage.provenance import Provenance

log = logging.getLogger("semihard")

RELEASE = "https://github.com/timesler/facenet-pytorch/releases/download/v2.2.9/"
FACENET_FILES = {"vggface2": "20180402-114759-vggface2.pt", "casia-webface": "20180408-102900-casia-webface.pt"}
FACENET_SHA256 = {"vggface2": "281cebca8662831adb987a874bdcb36e73f5b1c6dc5ee5878f305e985625d99b"}

FACENET = EmbedderSpec("inception_resnet_v1", (160, 160), 512, scale=128.0)


def import_embedder(
    settings: FacenetEmbedder | FileEmbedder | OnnxEmbedder | TimmEmbedder | WeightsEmbedder,
    output: Path | str,
    provenance: Provenance | None = None,
) -> None:
    """Write the model file of a pretrained network.

    Raises InputError where the weight file is missing, has another checksum, holds pickled code (never run), or is not
    of the layout it is said to be: the first tensor that does not fit is named with both shapes.
    """
    path = facenet_path(settings) if isinstance(settings, FacenetEmbedder) else expand_path(settings.path)
    if not path.exists():
        raise InputError(f"{path}: not found; the embedder's `path` must name its file")
    sha256 = FACENET_SHA256.get(settings.pretrained) if isinstance(settings, FacenetEmbedder) else settings.sha256
    check_sha256(weights_file(path, EMBEDDER), sha256)
    if isinstance(settings, FileEmbedder):
        return copy_model(path, output, provenance)
    if isinstance(settings, OnnxEmbedder):
        return save_model(output, *read_onnx(settings, path), provenance=provenance)
    if isinstance(settings, FacenetEmbedder):
        spec, weights = FACENET, read_state_dict(path)
    elif isinstance(settings, TimmEmbedder):
        pixels = {name: getattr(settings, name) for name in ("image_size", "embedding_dim", "colour", "mean", "scale")}
        spec, weights = EmbedderSpec("timm", options={"model": settings.model}, **pixels), read_state_dict(path, ())
    else:
        spec, weights = spec_of(settings.layout), renamed(read_state_dict(path), settings.layout)
    weights = {name: checked(value, name, path) for name, value in weights.items()}
    backbone = build_backbone(spec.backbone, spec.image_size, spec.embedding_dim, **spec.options)
    load_weights(backbone, weights, path)
    save_model(output, backbone, spec, provenance=provenance)
    log.info("%s: %d tensors of %s imported", path, len(weights), spec.backbone)


def checked(value: Tensor, name: str, path: Path) -> Tensor:
    """A weight as float32, or a counter as it is. Raises InputError where it is sparse, quantized, or not finite in float32."""
    if name.endswith("num_batches_tracked"):
        return value
    if value.layout != torch.strided or value.is_quantized or not value.is_floating_point():
        kind = str(value.layout if value.layout != torch.strided else value.dtype).removeprefix("torch.")
        raise InputError(f"{path}: tensor {name!r} is {kind}, expected floating point; save the weights as float32")
    value = value.float()
    if not value.isfinite().all():
        raise InputError(
            f"{path}: tensor {name!r} holds values that are not finite in float32; the file is damaged, get it again"
        )
    return value


def facenet_path(settings: FacenetEmbedder) -> Path:
    """The weight file: the one given, else where facenet-pytorch keeps its download. Raises InputError where absent."""
    file = FACENET_FILES[settings.pretrained]
    cache = os.environ.get("XDG_CACHE_HOME", "~/.cache")
    path = expand_path(settings.path or f"{os.environ.get('TORCH_HOME', f'{cache}/torch')}/checkpoints/{file}")
    if not path.is_file():
        raise InputError(
            f"{path}: not found; fetch {RELEASE}{file} and put it there, or name it in the embedder's `path`"
        )
    return path
