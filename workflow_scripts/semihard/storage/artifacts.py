"""Writing and reading HDF5 artifacts, each true to its schema (storage.schemas)."""

import logging
import math
import shlex
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import h5py
import numpy as np

from semihard.errors import InputError, UnmeasurableError
from semihard.storage.atomic import atomic_path
from semihard.storage.provenance import Provenance
from semihard.storage.schema import Schema
from semihard.storage.seal import SEALED, check_seal, seal

log = logging.getLogger("semihard")
TEXT = h5py.string_dtype()
BYTES_PER_CHUNK = 1 << 18
DAMAGE = (OSError, KeyError, ValueError, TypeError, RuntimeError)  # what h5py makes of changed bytes


class ArtifactWriter:
    """What `create_artifact` yields: `write` a whole dataset, or `create` one and fill it block by block."""

    def __init__(self, h5: h5py.File, schema: Schema):
        self._h5, self._datasets = h5, schema.datasets

    def create(self, name: str, shape: tuple[int, ...]) -> h5py.Dataset:
        """A dataset of the schema's dtype, to be filled in blocks."""
        dtype = np.dtype(self._datasets[name].dtype)
        return self._h5.create_dataset(name, shape, dtype, **checked(shape, dtype.itemsize))

    def write(self, name: str, values: np.ndarray | list) -> None:
        """Write one dataset of the schema (or a `columns/…`)."""
        dtype = self._datasets[name if name in self._datasets else "columns/*"].dtype
        if dtype == "str":
            self._h5.create_dataset(name, data=np.array(list(values), object), dtype=TEXT)
        else:
            array = np.asarray(values) if dtype == "any" else np.asarray(values, dtype)
            self._h5.create_dataset(name, data=array, **checked(array.shape, array.dtype.itemsize))


def checked(shape: tuple[int, ...], itemsize: int) -> dict[str, object]:
    """How a dataset is stored so that a byte that changes later is seen when it is read: in chunks of some rows, with a
    checksum each. Nothing for a scalar or an empty one, which HDF5 cannot store so."""
    if not shape or not all(shape):
        return {}
    row = itemsize * math.prod(shape[1:])
    return {"chunks": (max(1, min(shape[0], BYTES_PER_CHUNK // row)), *shape[1:]), "fletcher32": True}


@contextmanager
def create_artifact(
    path: Path | str,
    schema: Schema,
    provenance: Provenance | None = None,
    attrs: Mapping[str, str | int | float] | None = None,
) -> Iterator[ArtifactWriter]:
    """Write an artifact of `schema` under a temporary name; it appears only when complete and true to its schema."""
    with atomic_path(path) as temporary, h5py.File(temporary, "w") as h5:
        h5.attrs.update(
            {
                "kind": schema.kind,
                "schema": schema.version,
                **SEALED,
                **(provenance or Provenance()).attributes(),
                **(attrs or {}),
            }
        )
        yield ArtifactWriter(h5, schema)
        _check(h5, schema, path)
        h5.close()
        seal(temporary)


def write_artifact(
    path: Path | str,
    schema: Schema,
    data: Mapping[str, np.ndarray | list],
    provenance: Provenance | None = None,
    attrs: Mapping[str, str | int | float] | None = None,
) -> None:
    """Write a whole artifact at once: `data` maps dataset names to values, `attrs` adds attributes."""
    with create_artifact(path, schema, provenance, attrs) as writer:
        for name, values in data.items():
            writer.write(name, values)


@contextmanager
def or_unmeasured(path: Path | str, schema: Schema, provenance: Provenance | None = None) -> Iterator[None]:
    """Where the body finds that its face set does not allow the measure, write an artifact that says so in its attribute
    `unmeasured`, and log it. What reads that artifact raises UnmeasurableError with the same sentence."""
    try:
        yield
    except UnmeasurableError as problem:
        log.warning("not measured: %s", problem)
        with atomic_path(path) as temporary, h5py.File(temporary, "w") as h5:
            h5.attrs.update({"kind": schema.kind, "schema": schema.version, "unmeasured": str(problem), **SEALED})
            h5.attrs.update((provenance or Provenance()).attributes())
            h5.close()
            seal(temporary)


def read_artifact(path: Path | str, schema: Schema) -> dict[str, np.ndarray]:
    """All datasets of an artifact by name; text as object arrays of str. Raises InputError where it is not of `schema`."""
    with open_artifact(path, schema) as h5:
        values: dict[str, np.ndarray] = {}

        def collect(name: str, item: h5py.Dataset | h5py.Group) -> None:
            if isinstance(item, h5py.Dataset):
                values[name] = item.asstr()[:] if item.dtype.kind == "O" else item[()]

        h5.visititems(collect)
        return values


def read_attributes(path: Path | str, schema: Schema) -> dict:
    """The attributes of an artifact of `schema`."""
    with open_artifact(path, schema) as h5:
        return dict(h5.attrs)


def attributes_of(path: Path | str) -> dict:
    """The attributes of an artifact of any kind, whether or not there was something to measure."""
    with h5py.File(path) as h5:
        return dict(h5.attrs)


def kind_of(path: Path | str) -> str:
    """The kind of an artifact, whichever it is; empty for a file that is none."""
    try:
        with h5py.File(path) as h5:
            return str(h5.attrs.get("kind", ""))
    except OSError:
        return ""


@contextmanager
def open_artifact(path: Path | str, schema: Schema) -> Iterator[h5py.File]:
    """An artifact opened for reading, for block-wise access.

    Raises InputError where the file is not of `schema`, or its bytes have changed since they were written;
    UnmeasurableError where it says that there was nothing to measure.
    """
    if not Path(path).is_file():
        raise InputError(f"{path}: not found, expected an artifact of kind {schema.kind!r}")
    whole = False
    try:
        check_seal(path)
        with h5py.File(path) as h5:
            kind, version = h5.attrs.get("kind", "something else"), h5.attrs.get("schema")
            if (kind, version) != (schema.kind, schema.version):
                of_schema = f" of schema {version}" if version is not None else ""
                raise InputError(
                    f"{path}: is {kind!r}{of_schema}, expected {schema.kind!r} of schema {schema.version}; make it again "
                    "with this version of the workflow"
                )
            if reason := h5.attrs.get("unmeasured"):
                raise UnmeasurableError(reason)
            missing = [name for name in schema.datasets if name != "columns/*" and name not in h5]
            if missing:
                raise InputError(
                    f"{path}: has no dataset {missing[0]!r}; delete it and run again (rm {shlex.quote(str(path))})"
                )
            whole = True
            yield h5
    except InputError:
        raise
    except DAMAGE as error:
        if whole and not (isinstance(error, OSError) and "read data" in str(error)):
            raise  # what goes wrong here is another file's
        damaged = "its bytes have changed since they were written" if whole else "is no whole HDF5 file"
        raise InputError(
            f"{path}: {damaged} ({error}); delete it and run again (rm {shlex.quote(str(path))})"
        ) from None


def _check(h5: h5py.File, schema: Schema, path: Path | str) -> None:
    lengths: dict[str, int] = {}
    for name, dataset in schema.datasets.items():
        letters = dataset.shape.split(",") if dataset.shape else []
        for item in h5.get("columns", {}).values() if name == "columns/*" else [h5[name]]:
            if len(letters) > item.ndim or any(
                lengths.setdefault(a, n) != n for a, n in zip(letters, item.shape, strict=False)
            ):
                raise ValueError(f"{path}: {item.name} has shape {item.shape}, the schema says [{dataset.shape}]")
