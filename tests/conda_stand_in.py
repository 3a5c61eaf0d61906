"""A stand-in for conda, for what Snakemake asks of it: conda_stand_in.py PREFIX ARGUMENT…

An environment is a virtual one of this Python with the packages that its file names: links to those installed here, so that nothing is
fetched, in the versions that are here. A package that it lacks is not to be imported, though Snakemake lends jobs its own; what was
started in it, line by line, stands in `<environment>.started`.
"""

import json
import sys
import venv
from importlib import metadata
from pathlib import Path

import yaml
from packaging.requirements import Requirement

ACTIVATE = 'export CONDA_PREFIX="$1" PATH="$1/bin:$PATH"\n'
ALONE = """
import sys
from importlib.machinery import PathFinder

OWN = [*sys.path]

class Alone(PathFinder):
    @classmethod
    def find_spec(cls, name, path=None, target=None):
        lent = name.startswith(("snakemake", "semihard"))
        return PathFinder.find_spec(name, OWN if path is None and not lent else path, target)

sys.meta_path[sys.meta_path.index(PathFinder)] = Alone
with open(f"{sys.prefix}.started", "a", encoding="utf-8") as file:
    print(sys.orig_argv[-1], file=file)
"""


def conda_program(folder: Path) -> Path:
    """A folder for PATH in which `conda` is this file."""
    program = f'#!/bin/sh\nexec {sys.executable} {__file__} {folder} "$@"\n'
    for name, text in (("activate", ACTIVATE), ("conda", program)):
        file = folder / "bin" / name
        file.parent.mkdir(exist_ok=True)
        file.write_text(text, encoding="utf-8")
        file.chmod(0o755)
    return folder / "bin"


def create(file: Path, prefix: Path) -> None:
    """Make the environment of a file. Raises PackageNotFoundError where a package is not installed here."""
    venv.create(prefix, symlinks=True)
    [packages] = prefix.glob("lib/python*/site-packages")
    (packages / "sitecustomize.py").write_text(ALONE, encoding="utf-8")
    dependencies = yaml.safe_load(file.read_text(encoding="utf-8"))["dependencies"]
    for package in map(Requirement, next(item["pip"] for item in dependencies if isinstance(item, dict))):
        if package.marker is None or package.marker.evaluate():
            distribution = metadata.distribution(package.name)
            for name in {path.parts[0] for path in distribution.files} - {"..", "__pycache__"}:
                if not (packages / name).exists():
                    (packages / name).symlink_to(distribution.locate_file(name))


if __name__ == "__main__":
    match sys.argv[2:]:
        case ["--version"]:
            print("conda 24.11.1")
        case ["info", "--json"]:
            print(json.dumps({"conda_prefix": sys.argv[1], "platform": "linux-64"}))
        case ["config", "--get", "channel_priority", "--json"]:
            print(json.dumps({"get": {"channel_priority": "strict"}}))
        case ["clean", "-y", "--tarballs"]:
            pass
        case ["env", "create", "--quiet", "--no-default-packages", "--file", file, "--prefix", prefix]:
            create(Path(file), Path(prefix))
        case arguments:
            sys.exit(f"this stand-in for conda knows no {arguments}")
