"""What of an HDF5 file no checksum of its own covers is sealed when it is written: attributes, text, and how data are stored.

HDF5 checks the numbers of a dataset in chunks (fletcher32). Its attributes, the text in its heap and the headers of its
datasets it does not: a digest of what they say is the attribute `seal` of the file, and `seal` of each dataset of text.
"""

import hashlib
import shlex
from pathlib import Path

import h5py
import numpy as np

from semihard.errors import InputError

SEAL = "seal"
CHUNK = 1 << 16  # texts that are digested at once


def seal(h5: h5py.File) -> None:
    """Seal a file that is complete."""
    for dataset in datasets(h5):
        if is_text(dataset):
            dataset.attrs[SEAL] = digest_of_text(dataset.asstr()[()])
    h5.flush()  # a chunk has its place now
    h5.attrs[SEAL] = digest_of(h5)


def check_seal(h5: h5py.File, path: Path | str) -> None:
    """Raises InputError where the file `path` does not say what it was sealed with; a file of before has no seal. Text is
    checked where it is read, by `text_of`."""
    if SEAL in h5.attrs and h5.attrs[SEAL] != digest_of(h5):
        raise InputError(
            f"{path}: its bytes have changed since they were written; delete it and run again (rm {shlex.quote(str(path))})"
        )


def text_of(dataset: h5py.Dataset, path: Path | str) -> np.ndarray:
    """All of a dataset of text, as an object array of str. Raises InputError where it is not what was written."""
    text, sealed = dataset.asstr(errors="replace")[()], dataset.attrs.get(SEAL)
    if sealed is not None and sealed != digest_of_text(text):
        raise InputError(
            f"{path}: text has changed since it was written; delete it and run again (rm {shlex.quote(str(path))})"
        )
    return text


def is_text(dataset: h5py.Dataset) -> bool:
    """True for text, which `text_of` reads."""
    return dataset.dtype.kind == "O"


def datasets(h5: h5py.File) -> list[h5py.Dataset]:
    """All datasets of a file, in the order of their names."""
    found: list[h5py.Dataset] = []
    h5.visititems(lambda _, item: found.append(item) if isinstance(item, h5py.Dataset) else None)
    return found


def digest_of(h5: h5py.File) -> str:
    """SHA-256 of what is said of the data: attributes, names, types, shapes, where their chunks lie (one that is not found
    reads as zeros), and values that have no checksum."""
    said = [_attributes(h5)]
    for dataset in datasets(h5):
        plain = not is_text(dataset) and (dataset.shape == () or not dataset.size)
        value = dataset[()].tobytes().hex() if plain else ""
        stored = dataset.dtype.str, dataset.shape, dataset.chunks, dataset.fletcher32, dataset.maxshape
        said.append((dataset.name, *map(str, stored), _places(dataset), value, _attributes(dataset)))
    return hashlib.sha256(repr(said).encode("utf-8", "surrogateescape")).hexdigest()


def _places(dataset: h5py.Dataset) -> list[tuple]:
    if dataset.chunks is None:
        return [] if is_text(dataset) else [(dataset.id.get_offset(),)]
    found: list[tuple] = []
    dataset.id.chunk_iter(lambda chunk: found.append(tuple(chunk)))
    return sorted(found)


def _attributes(item: h5py.File | h5py.Dataset) -> list[tuple[str, str, str]]:
    """Name, type and value of each, by name; of a file without its seal."""
    own = {SEAL} if isinstance(item, h5py.File) else set()
    values = [(name, item.attrs[name]) for name in sorted(item.attrs) if name not in own]
    return [(name, type(value).__name__, _plain(value)) for name, value in values]


def _plain(value: object) -> str:
    return value if isinstance(value, str) else np.asarray(value).tobytes().hex()


def digest_of_text(text: np.ndarray | str) -> str:
    """SHA-256 of texts in their order."""
    digest, flat = hashlib.sha256(), np.asarray(text, object).ravel()
    for start in range(0, len(flat), CHUNK):
        digest.update(
            "".join(f"{len(value)}\0{value}" for value in flat[start : start + CHUNK]).encode("utf-8", "surrogatepass")
        )
    return digest.hexdigest()
