"""The model file: one `model.safetensors` with weights, preprocessing, class centers and provenance, whatever made it.

Tensors `backbone.*` and, where the recognizer has a head, `head.weight` `[K, D]`; everything else is JSON in the file's
metadata, under one key, so that the same model gives the same bytes.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

from safetensors import SafetensorError, safe_open
from torch import Tensor, nn

from semihard.errors import InputError
from semihard.recognizer.backbone import build_backbone
from semihard.recognizer.pipeline_part import read_part
from semihard.storage.pipeline_folder import EMBEDDER
from semihard.storage.provenance import Provenance
from semihard.storage.tensors_file import KEY, read_tensors, write_tensors

PREFIX = "recognizer."  # of weights in a pipeline (recognizer.diffusers_model)


@dataclass(frozen=True)
class EmbedderSpec:
    """A network and the pixels it expects: uint8 RGB x → resize to `crop_from` or `image_size`, centre crop to
    `image_size`, `colour` order, (x − mean) / scale.

    backbone, options: name and keyword arguments of `build_backbone`; sizes are (height, width) in pixels;
    mean, scale: grey levels of 0 … 255, one for all channels or one for each, in the order of `colour`.
    """

    backbone: str
    image_size: tuple[int, int]
    embedding_dim: int
    options: dict = field(default_factory=dict)
    crop_from: tuple[int, int] | None = None
    colour: str = "rgb"
    mean: float | tuple[float, float, float] = 127.5
    scale: float | tuple[float, float, float] = 127.5

    @classmethod
    def of(cls, about: dict) -> "EmbedderSpec":
        """From what a model's file says."""
        lists = {name: tuple(value) for name, value in about.items() if isinstance(value, list)}  # JSON has no tuples
        return cls(**(about | lists | {"options": dict(about.get("options") or {})}))

    def check_proportions(self, size: tuple[int, int], whose: object, network: object) -> None:
        """Raises InputError where images of `size` would be squeezed; another scale is resized away.

        whose: the images, network: what looks at them, for the message.
        """
        square = self.crop_from or self.image_size
        if not any(size[0] * shape[1] == size[1] * shape[0] for shape in (square, self.image_size)):
            raise InputError(
                f"{whose} has images of {size[0]}x{size[1]} pixels (height x width), but {network} was made for "
                f"{square[0]}x{square[1]}: align them to these proportions"
            )


def save_model(
    path: Path | str,
    backbone: nn.Module,
    spec: EmbedderSpec,
    head_weight: Tensor | None = None,
    identity_names: list[str] | tuple[str, ...] = (),
    provenance: Provenance | None = None,
) -> None:
    """Write `backbone` and what is needed to use it; `head_weight` `[K, D]` has one row per identity name."""
    tensors = {f"backbone.{name}": value for name, value in backbone.state_dict().items()}
    if head_weight is not None:
        tensors["head.weight"] = head_weight
    about = {
        "spec": asdict(spec),
        "identity_names": list(identity_names),
        "provenance": (provenance or Provenance()).attributes(),
    }
    write_tensors(path, tensors, about)


def load_model(path: Path | str) -> tuple[nn.Module, EmbedderSpec]:
    """The backbone (on the CPU, in training mode) and its specification.

    Raises InputError where the file is no model file, or its weights are not those of the network it names.
    """
    return _model_of(*_read(path), path)


def _model_of(about: dict, tensors: dict[str, Tensor], path: Path | str) -> tuple[nn.Module, EmbedderSpec]:
    weights = {name.removeprefix("backbone."): value for name, value in tensors.items() if name.startswith("backbone.")}
    return network_of(about["spec"], weights, path)


def network_of(about: dict, weights: dict[str, Tensor], path: Path | str) -> tuple[nn.Module, EmbedderSpec]:
    """The network that a file at `path` says it is, with its weights. Raises InputError where they are not its own."""
    try:
        spec = EmbedderSpec.of(about)
        backbone = build_backbone(spec.backbone, spec.image_size, spec.embedding_dim, **spec.options)
    except (KeyError, TypeError) as error:
        raise InputError(
            f"{path}: does not say which network its weights are of ({error}); get the file again"
        ) from None
    load_weights(backbone, weights, path)
    return backbone, spec


def copy_model(path: Path | str, output: Path | str, provenance: Provenance | None = None) -> None:
    """Write the model of another study, class weights included, after its checks. path: its file, or the folder of a pipeline
    with an embedder. Raises InputError where it is no model file.
    """
    if Path(path).is_dir():
        about, weights = read_part(path, EMBEDDER, PREFIX)
        about = {name: about[name] for name in EmbedderSpec.__dataclass_fields__ if name in about}
        return save_model(output, *network_of(about, weights, path), provenance=provenance)
    about, tensors = _read(path)
    backbone, spec = _model_of(about, tensors, path)
    names = about.get("identity_names", ())
    save_model(output, backbone, spec, tensors.get("head.weight"), names, provenance)


def identities_of(path: Path | str) -> list[str]:
    """Names of the identities that a recognizer was trained on; none for weights from elsewhere."""
    return list(_read(path)[0].get("identity_names", ()))


def provenance_of(path: Path | str) -> dict:
    """How the model was made, as its file says; its tensors are not read."""
    with safe_open(path, "pt") as file:
        return json.loads((file.metadata() or {}).get(KEY, "{}")).get("provenance", {})


def weights_digest(path: Path | str) -> str:
    """SHA-256 of the backbone's weights and what it does to pixels, in hex: the same whoever wrote the file, and when."""
    about, tensors = _read(path)
    prefix = "backbone."
    return digest_of(
        about["spec"], {name.removeprefix(prefix): tensors[name] for name in tensors if name.startswith(prefix)}
    )


def digest_of(spec: dict, weights: Mapping[str, Tensor]) -> str:
    """`weights_digest` of a network's own tensors, and what `asdict` says of its specification."""
    digest = hashlib.sha256(json.dumps(spec, sort_keys=True).encode())
    for name in sorted(weights):
        digest.update(f"backbone.{name}".encode())
        digest.update(weights[name].cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()


def load_class_centers(path: Path | str) -> tuple[Tensor, list[str]]:
    """Class weights of the head, float32 `[K, D]`, not normalised, and the name of each row's identity.

    Raises InputError where the model has no head: weights from elsewhere keep none.
    """
    about, tensors = _read(path)
    if "head.weight" not in tensors:
        raise InputError(
            f"{path}: has no class weights; use mean centers, or an embedder whose source is a recognizer of this study"
        )
    return tensors["head.weight"].float(), about["identity_names"]


def load_weights(network: nn.Module, weights: dict[str, Tensor], path: Path | str) -> None:
    """Load a state dict into `network`.

    Raises InputError naming the first tensor that is missing, unknown or of another shape, with both shapes.
    """
    wanted = network.state_dict()
    for name in [*wanted, *weights]:
        expected, shape = (list(s[name].shape) if name in s else None for s in (wanted, weights))
        if expected != shape and not (name.endswith("num_batches_tracked") and shape is None):
            raise InputError(
                f"{path}: tensor {name!r} is {'missing' if shape is None else shape}, "
                f"{type(network).__name__} has {'no such tensor' if expected is None else expected}"
            )
    network.load_state_dict(weights, strict=False)  # only num_batches_tracked may be missing: old files have none


def _read(path: Path | str) -> tuple[dict, dict[str, Tensor]]:
    if not Path(path).is_file():
        raise InputError(f"{path}: model file not found")
    try:
        about, tensors = read_tensors(path)
    except SafetensorError as error:
        raise InputError(
            f"{path}: not a readable safetensors file ({error}); get it again, or delete it and run again"
        ) from None
    if about and about.get("kind") == "generator":
        raise InputError(
            f"{path}: is a generator, not a recognition network; give the model file of a recognizer or an embedder"
        )
    if about is None:
        raise InputError(
            f"{path}: a safetensors file, but no model file of this workflow; name it in an embedder of source weights"
        )
    return about, tensors
