"""Parts of a diffusers pipeline, each a folder with config.json and weights: found, and read without diffusers, strictly."""

import json
from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from semihard.errors import InputError

CONFIG, WEIGHTS = "config.json", "diffusion_pytorch_model.safetensors"


def part_files(path: Path | str, part: str) -> list[Path]:
    """Configuration and weights of `part` of the pipeline in the folder `path`. Raises InputError where one is missing."""
    files = [Path(path) / part / name for name in (CONFIG, WEIGHTS)]
    for file in files:
        if not file.is_file():
            raise InputError(
                f"{path}: is a folder without {part}/{file.name}, so no pipeline that this workflow wrote; give that folder, or "
                "a model.safetensors"
            )
    return files


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
