"""Are two folders of results the same? Every dataset, weight and byte but the provenance is compared, and what differs named.

.venv/bin/python bench/same_results.py results/demo /elsewhere/results/demo
"""

import sys
from pathlib import Path

import h5py
import numpy as np
from safetensors.numpy import load_file

PROVENANCE = {"code", "settings", "versions", "inputs", "device"}
LEFT_OUT = {"logs", "benchmarks", "provenance", "costs.csv"}  # times


def datasets(path: Path) -> dict[str, np.ndarray]:
    """The datasets and attributes of an HDF5 file, by name, provenance aside."""
    with h5py.File(path) as h5:
        values = {f"@{name}": np.asarray(value) for name, value in h5.attrs.items() if name not in PROVENANCE}
        h5.visititems(lambda name, item: values.update({name: item[()]} if isinstance(item, h5py.Dataset) else {}))
    return values


def is_same(first: Path, second: Path) -> bool:
    """True where both files hold the same."""
    read = {".h5": datasets, ".safetensors": load_file}.get(first.suffix)
    if read is None:
        return first.read_bytes() == second.read_bytes()
    one, other = ({name: np.asarray(value) for name, value in read(path).items()} for path in (first, second))
    return one.keys() == other.keys() and all(
        np.array_equal(one[name], other[name], equal_nan=one[name].dtype.kind == "f") for name in one
    )


def files(folder: Path) -> set[Path]:
    """The results in a folder, relative to it."""
    paths = (path.relative_to(folder) for path in folder.rglob("*") if path.is_file())
    return {path for path in paths if not LEFT_OUT & set(path.parts) and not path.name.startswith(".")}


if __name__ == "__main__":
    first, second = map(Path, sys.argv[1:3])
    shared = files(first) & files(second)
    different = sorted(path for path in shared if not is_same(first / path, second / path))
    print(f"{len(shared) - len(different)} of {len(shared)} files are the same")
    for what, paths in (("differs", different), ("in one only", sorted(files(first) ^ files(second)))):
        for path in paths:
            print(f"{what}: {path}")
    sys.exit(bool(different))
