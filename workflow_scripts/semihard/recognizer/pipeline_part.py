"""Parts of a diffusers pipeline, each a folder with config.json and weights: read without diffusers, strictly."""

import json
from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from semihard.errors import InputError
from semihard.storage.pipeline_folder import part_files


def read_part(path: Path | str, part: str, prefix: str) -> tuple[dict, dict[str, Tensor]]:
    """What the part says of itself, and its tensors without `prefix`, on the CPU. Raises InputError where it is no such part."""
    config, weights = part_files(path, part)
    try:
        about = json.loads(config.read_text(encoding="utf-8"))
        tensors = load_file(weights)
    except (OSError, ValueError, SafetensorError) as error:
        raise InputError(f"{config.parent}: is no readable part of a pipeline ({error})") from None
    if not isinstance(about, dict):
        raise InputError(f"{config}: expected an object, found {type(about).__name__}; get the file again")
    if alien := [name for name in tensors if not name.startswith(prefix)]:
        raise InputError(
            f"{weights}: tensor {alien[0]!r} is not expected, all begin with {prefix!r}; get the file again"
        )
    return about, {name.removeprefix(prefix): tensor for name, tensor in tensors.items()}
