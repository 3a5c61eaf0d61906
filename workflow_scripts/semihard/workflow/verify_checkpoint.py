"""The study of one checkpoint: what `make verify` writes, runs and prints."""

import argparse
import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import yaml

from semihard.errors import InputError
from semihard.settings.paths import expand_path
from semihard.settings.registry import names_of
from semihard.workflow.study import Plan

RESULTS = "results/verify"


def study_of(model: str, benchmarks: Sequence[str], layout: str = "", pixels: str = "") -> dict:
    """The configuration that verifies a checkpoint on `.bin` benchmarks, named after their files.

    layout: whose state dict it is; without one, an ONNX file or a model file of this workflow. pixels: colour, mean and scale of
    an ONNX file that does not state them, "rgb 127.5 127.5". Raises InputError where a file is missing, a state dict has no
    layout, two benchmarks have one name, or nothing is named.
    """
    if not model or not benchmarks:
        raise InputError(
            'name a checkpoint and what to verify it on: make verify MODEL=backbone.pth LAYOUT=iresnet50 BENCHMARKS="lfw.bin"'
        )
    for path in (model, *benchmarks):
        if not expand_path(path).is_file():
            raise InputError(f"{path}: not found")
    if not layout and Path(model).suffix not in (".safetensors", ".onnx"):
        raise InputError(f"{model}: say whose state dict it is: LAYOUT={'|'.join(names_of('similarity.layouts'))}")
    names = [name_of(path) for path in benchmarks]
    if len(set(names)) < len(names):
        raise InputError(f"two of {' '.join(benchmarks)} have one name; rename a file")
    name = name_of(model)
    if Path(RESULTS, name).resolve() in expand_path(model).resolve().parents:
        raise InputError(f"{model}: lies among the results that it would be the source of; copy it to another place")
    source = "weights" if layout else "onnx" if Path(model).suffix == ".onnx" else "file"
    embedder = {"source": source, "path": model} | ({"layout": layout} if layout else {}) | _pixels(pixels)
    return {
        "results": f"{RESULTS}/{name}",
        "embedders": {name: embedder},
        "benchmarks": {own: {"source": "bin", "path": path} for own, path in zip(names, benchmarks, strict=True)},
        "study": {"references": [name], "benchmarks": names},
    }


def _pixels(text: str) -> dict:
    if not text:
        return {}
    try:
        colour, mean, scale = text.split()
        return {"colour": colour, "mean": float(mean), "scale": float(scale)}
    except ValueError:
        raise InputError(f"PIXELS={text!r}: expected colour, mean and scale, as in PIXELS='rgb 127.5 127.5'") from None


def name_of(path: str) -> str:
    """What an entry is called after the file of `path`; a `model.safetensors` after its folder."""
    file = expand_path(path)
    name = file.parent.resolve().name if file.stem == "model" else file.stem
    return re.sub(r"\W", "_", name).lstrip("_") or "model"


def main(arguments: Sequence[str] | None = None) -> None:
    """Write the study, run it by Snakemake in the current folder, and print its table."""
    parser = argparse.ArgumentParser(description=study_of.__doc__)
    parser.add_argument("model", help="a state dict, an ONNX file, or a model.safetensors of this workflow")
    parser.add_argument("benchmarks", nargs="*", help="insightface's .bin files")
    parser.add_argument("--layout", default="", help=f"one of {', '.join(names_of('similarity.layouts'))}")
    parser.add_argument("--pixels", default="", help="of an ONNX file that does not state them: 'rgb 127.5 127.5'")
    parser.add_argument("--cores", default="all")
    given = parser.parse_args(arguments)
    try:
        study = study_of(given.model, given.benchmarks, given.layout, given.pixels)
        plan = Plan(study)
    except InputError as error:
        sys.exit(f"Nothing is verified:\n{error}")
    file = Path(f"{plan.results}.yaml")
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(yaml.safe_dump(study, sort_keys=False, allow_unicode=True), encoding="utf-8")
    command = [sys.executable, "-m", "snakemake", "--cores", given.cores, "--configfile", str(file)]
    if code := subprocess.run(command).returncode:
        sys.exit(code)
    print(Path(plan.path("scores", form="md")).read_text(encoding="utf-8"))


if __name__ == "__main__":
    main()
