"""The folder of a diffusers pipeline: its parts, each a folder with config.json and weights."""

from pathlib import Path

from semihard.errors import InputError

GENERATOR, EMBEDDER = "generator", "embedder"  # the parts
CONFIG, WEIGHTS = "config.json", "diffusion_pytorch_model.safetensors"


def weights_file(path: Path, part: str) -> Path:
    """The file of the weights: `path` itself, or where that is the folder of a pipeline, that of its `part`."""
    return part_files(path, part)[1] if path.is_dir() else path


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
