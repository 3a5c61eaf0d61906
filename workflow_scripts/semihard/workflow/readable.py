"""Can this version of the workflow read a file, and are its bytes those that were written, as far as it tells itself?"""

from enum import Enum
from pathlib import Path
from typing import NamedTuple

import h5py
import numpy as np
from safetensors import SafetensorError, safe_open

from semihard.errors import InputError
from semihard.storage.artifacts import DAMAGE
from semihard.storage.faceset import FaceSet
from semihard.storage.schemas import FACESET, all_schemas
from semihard.storage.seal import SEALED, check_seal
from semihard.storage.tensors_file import read_tensors

VERSIONS = {schema.kind: schema.version for schema in all_schemas()}
ROWS_AT_ONCE = 4096


class State(Enum):
    """What was found of a file."""

    WHOLE = "whole"  # all of it that has a checksum was read
    UNCHECKED = "unchecked"  # it has no checksum, or none was asked for
    FOREIGN = "foreign"  # an HDF5 file that is no artifact of this workflow
    DAMAGED = "damaged"
    OLDER = "older"
    NEWER = "newer"


class Found(NamedTuple):
    """said: what is wrong, as it follows the name of the file; empty where nothing is."""

    state: State
    said: str = ""


def look_at(path: Path, whole: bool) -> Found:
    """Read a file by the functions that jobs use. whole: all of it that has a checksum of its own; else only whether this
    version knows it, of a file that is as a job made it."""
    try:
        if path.suffix == ".safetensors":
            return _model(path, whole)
        return _artifact(path, whole) if path.suffix == ".h5" else Found(State.UNCHECKED)
    except InputError as error:
        return Found(State.DAMAGED, str(error).removeprefix(f"{path}: ").partition("; ")[0])
    except (*DAMAGE, SafetensorError) as error:
        return Found(State.DAMAGED, f"is damaged ({str(error).partition(chr(10))[0]})")


def _model(path: Path, whole: bool) -> Found:
    if not whole:
        with safe_open(path, "np"):  # which knows how long the file must be
            return Found(State.UNCHECKED)
    about, _ = read_tensors(path)
    return Found(State.UNCHECKED if about is None else State.WHOLE)


def _artifact(path: Path, whole: bool) -> Found:
    if whole:
        check_seal(path)  # before the file is opened
    with h5py.File(path) as h5:
        kind, version = h5.attrs.get("kind"), h5.attrs.get("schema")
        is_sealed = bool(SEALED.keys() & h5.attrs.keys())
        if not isinstance(kind, str) or not isinstance(version, int | np.integer):
            return Found(State.FOREIGN)
        if kind not in VERSIONS:
            said = f"is of kind {kind!r}, which this version does not know; made by a newer version"
            return Found(State.NEWER, said) if is_sealed else Found(State.FOREIGN)
        if version != VERSIONS[kind]:
            state, age = (State.NEWER, "a newer") if version > VERSIONS[kind] else (State.OLDER, "an older")
            said = f"is of schema {version} of {kind!r}, made by {age} version; this one has {VERSIONS[kind]}"
            return Found(state, said)
        if not whole:
            return Found(State.UNCHECKED)
        datasets: list[h5py.Dataset] = []
        h5.visititems(lambda _, item: datasets.append(item) if isinstance(item, h5py.Dataset) else None)
        checked = [item for item in datasets if item.fletcher32]
        for dataset in checked:
            for start in range(0, len(dataset), ROWS_AT_ONCE):
                dataset[start : start + ROWS_AT_ONCE]
    if kind == FACESET.kind:
        faces = FaceSet(path)
        for i in range(len(faces)):
            faces.encoded(i)
    return Found(State.WHOLE if is_sealed or checked else State.UNCHECKED)
