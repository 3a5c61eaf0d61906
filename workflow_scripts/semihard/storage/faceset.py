"""The face set: one HDF5 file with one schema for every collection of faces, whatever made it (docs/artifacts.md).

Image bytes lie back to back in one contiguous dataset, so that a reader maps them into memory and needs no HDF5
handle, no lock and no per-worker file: it survives fork, spawn and pickling.
"""

import hashlib
import shlex
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path

import h5py
import numpy as np

from semihard.errors import InputError
from semihard.storage.artifacts import DAMAGE
from semihard.storage.atomic import atomic_path
from semihard.storage.pixels import decode_image, encode_image
from semihard.storage.provenance import Provenance
from semihard.storage.schemas import FACESET
from semihard.storage.seal import SEALED, check_seal, seal

COPY = "inquiry_copy"  # column: 1 for a copy of an inquiry, 0 for an image that was synthesized
ROWS_PER_CHUNK = 4096
BYTES_PER_COPY = 1 << 22
DIGEST = 8  # bytes: of ten million images, any two that differ share one with a chance of three in a million
TEXT = h5py.string_dtype()


class FaceSetWriter:
    """Streaming writer with memory bounded by one flush of rows; the file appears under its name only when complete.

    path: the face set; image_size: (height, width) in pixels of every image; codec: how pixels given as arrays are
    stored ("jpeg" | "png" | "raw"); encoded images keep their bytes. `attrs` adds e.g. source, licence, template.
    Use as a context manager; an exception inside leaves nothing behind.
    """

    def __init__(
        self,
        path: Path | str,
        image_size: tuple[int, int],
        codec: str = "jpeg",
        provenance: Provenance | None = None,
        attrs: Mapping[str, str | int | float] | None = None,
    ):
        self.image_size, self.codec = image_size, codec
        self.attrs = {"alignment": "", "source": "", "licence": "", **(attrs or {})}
        self.attrs |= (provenance or Provenance()).attributes()
        self.path = Path(path)
        self.count = 0
        self._names: dict[str, int] = {}
        self._rows: dict[str, list[np.ndarray]] = {}
        self._pending = 0
        self._end = 0

    def __enter__(self) -> "FaceSetWriter":
        with ExitStack() as stack:
            self._temporary = temporary = stack.enter_context(atomic_path(self.path))
            spool = temporary.with_suffix(".spool")
            stack.callback(spool.unlink, missing_ok=True)
            self._spool = stack.enter_context(spool.open("w+b"))
            # without a cache of chunks, a failed write is an error here, not one ignored when a dataset is freed
            self._h5 = stack.enter_context(h5py.File(temporary, "w", rdcc_nbytes=0))
            self._stack = stack.pop_all()
        return self

    def add(
        self,
        images: np.ndarray | Sequence[bytes],
        identity: Sequence[str],
        columns: Mapping[str, np.ndarray | Sequence[str]] | None = None,
    ) -> None:
        """Append `n` faces.

        images: uint8 RGB `[n, h, w, 3]`, or `n` encoded images whose bytes are kept; identity: `n` names, "" where
        unlabelled (stored as class -1); columns: what else is known per image, `[n, …]` each, the same names at every call.
        Raises InputError where images have another size than the set's.
        """
        if isinstance(images, np.ndarray):
            if images.dtype != np.uint8 or images.shape[1:] != (*self.image_size, 3):
                raise InputError(
                    f"{self.path}: images are {images.dtype}{list(images.shape)}, expected uint8 RGB of {self.image_size} pixels"
                )
            images = [encode_image(image, self.codec) for image in images]
        sizes = np.array([len(blob) for blob in images], np.int64)
        self._spool.writelines(images)
        ends = self._end + np.cumsum(sizes)
        checksums = np.array([zlib.crc32(blob) for blob in images], np.uint32)
        rows = {"images/offsets": ends, "images/checksum": checksums, "identity": self.classes(identity)}
        rows |= {f"columns/{name}": np.asarray(values) for name, values in (columns or {}).items()}
        for name, values in rows.items():
            if len(values) != len(sizes):
                raise ValueError(f"{name} has {len(values)} rows for {len(sizes)} images")
            self._rows.setdefault(name, []).append(values)
        if len(sizes):
            self._end = int(ends[-1])
        self.count += len(sizes)
        self._pending += len(sizes)
        if self._pending >= ROWS_PER_CHUNK:
            self._flush()

    def classes(self, names: Sequence[str]) -> np.ndarray:
        """Class index of each name, int32 `[n]`, in order of first appearance; −1 for ""."""
        return np.array([self._names.setdefault(name, len(self._names)) if name else -1 for name in names], np.int32)

    def _flush(self) -> None:
        for name, parts in self._rows.items():
            values = np.concatenate(parts) if parts else np.empty(0, np.int64)
            dtype = TEXT if values.dtype.kind in "UO" else values.dtype
            if name not in self._h5:
                start = 1 if name == "images/offsets" else 0
                chunks = (ROWS_PER_CHUNK, *values.shape[1:])
                dataset = self._h5.create_dataset(
                    name,
                    (start, *values.shape[1:]),
                    dtype,
                    chunks=chunks,
                    maxshape=(None, *values.shape[1:]),
                    fletcher32=dtype is not TEXT,
                )
                if start:
                    dataset[0] = 0
            dataset = self._h5[name]
            dataset.resize(len(dataset) + len(values), axis=0)
            dataset[len(dataset) - len(values) :] = values.astype(object) if dtype is TEXT else values
            parts.clear()
        self._pending = 0

    def __exit__(self, kind, error, trace) -> None:
        if kind is not None:
            self._stack.__exit__(kind, error, trace)
            return
        with self._stack:  # it closes and removes what was opened, also where finishing or closing fails
            self._finish()

    def _finish(self) -> None:
        if not self.count:
            raise InputError(f"{self.path}: no face was found, so no face set was written")
        self._flush()
        self._h5.create_dataset("identity_names", data=np.array(list(self._names), object), dtype=TEXT)
        height, width = self.image_size
        self._h5.attrs.update(
            {**self.attrs, "kind": FACESET.kind, "schema": FACESET.version, "codec": self.codec, "colour": "RGB"}
        )
        self._h5.attrs.update({"count": self.count, "image_height": height, "image_width": width, **SEALED})
        data = self._h5.create_dataset("images/data", (self._end,), np.uint8)
        self._spool.seek(0)
        start = 0
        while block := self._spool.read(BYTES_PER_COPY):
            data[start : start + len(block)] = np.frombuffer(block, np.uint8)
            start += len(block)
        self._h5.close()
        seal(self._temporary)


class FaceSet:
    """Read access to a face set: picklable, fork- and spawn-safe, memory-mapped.

    Attributes: path; identity int32 `[N]` (−1 = unlabelled); identity_names list of K; offsets int64 `[N+1]`;
    image_size (height, width); codec; attrs (provenance). Raises InputError where the file is no face set.
    """

    def __init__(self, path: Path | str):
        self.path = Path(path)
        if not self.path.is_file():
            raise InputError(f"{self.path}: face set not found")
        try:
            check_seal(self.path)
            with h5py.File(self.path) as h5:
                if h5.attrs.get("kind") != FACESET.kind or h5.attrs.get("schema") != FACESET.version:
                    kind, version = h5.attrs.get("kind", "something else"), h5.attrs.get("schema", "none")
                    raise InputError(
                        f"{self.path}: is {kind!r} of schema {version}, expected a face set of schema {FACESET.version}; make "
                        "it again with this version"
                    )
                self.attrs = dict(h5.attrs)
                self.identity = h5["identity"][:]
                self.identity_names: list[str] = h5["identity_names"].asstr()[:].tolist()
                self.offsets = h5["images/offsets"][:]
                known = "images/checksum" in h5  # not in files of before
                self._checksums = h5["images/checksum"][:] if known else None
                self.column_names = list(h5.get("columns", ()))
                self._data_offset = h5["images/data"].id.get_offset()
        except InputError:
            raise
        except DAMAGE as error:
            raise InputError(
                f"{self.path}: is no whole face set ({error}); delete it and run again (rm {shlex.quote(str(self.path))})"
            ) from None
        self.image_size = (int(self.attrs["image_height"]), int(self.attrs["image_width"]))
        self.codec = str(self.attrs["codec"])
        self._map: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.identity)

    def __getstate__(self) -> dict:
        return self.__dict__ | {"_map": None}

    @property
    def _bytes(self) -> np.ndarray:
        if self._map is None:
            self._map = np.memmap(self.path, np.uint8, "r", self._data_offset, (int(self.offsets[-1]),))
        return self._map

    def encoded(self, i: int) -> bytes:
        """The stored bytes of image `i`. Raises InputError where they have changed."""
        blob = self._bytes[self.offsets[i] : self.offsets[i + 1]].tobytes()
        if self._checksums is not None and zlib.crc32(blob) != self._checksums[i]:
            raise InputError(
                f"{self.path}: the bytes of image {i} have changed since they were written; delete it and run again "
                f"(rm {shlex.quote(str(self.path))})"
            )
        return blob

    def digests(self) -> np.ndarray:
        """A digest of the stored bytes of every image, int64 `[N]`: the same for the same file in any face set."""
        found = np.empty((len(self), DIGEST), np.uint8)
        for i in range(len(self)):
            found[i] = np.frombuffer(hashlib.blake2b(self.encoded(i), digest_size=DIGEST).digest(), np.uint8)
        return found.view("<i8")[:, 0]

    def images(self, indices: Sequence[int] | np.ndarray | slice) -> np.ndarray:
        """Decoded images, uint8 RGB `[n, h, w, 3]`, in the order of `indices`. Raises InputError naming an unreadable one."""
        indices = np.arange(len(self))[indices] if isinstance(indices, slice) else np.asarray(indices, np.int64)
        shape = (*self.image_size, 3)
        if self.codec == "raw":
            pixels = b"".join(map(self.encoded, indices.tolist()))
            return np.frombuffer(bytearray(pixels), np.uint8).reshape(-1, *shape)
        out = np.empty((len(indices), *shape), np.uint8)
        for row, i in enumerate(indices):
            blob = self.encoded(i)
            try:
                out[row] = decode_image(blob)
            except ValueError as error:
                raise InputError(
                    f"{self.path}: image {i} does not decode to {self.image_size} pixels ({error})"
                ) from None
        return out

    def column(self, name: str) -> np.ndarray:
        """A per-image column `[N, …]`; text columns as an object array of str. Raises InputError where there is none."""
        with h5py.File(self.path) as h5:
            if f"columns/{name}" not in h5:
                raise InputError(
                    f"{self.path}: has no column {name!r}; it has {', '.join(self.column_names) or 'none'}"
                )
            data = h5[f"columns/{name}"]
            try:
                return data.asstr()[:] if data.dtype.kind == "O" else data[:]
            except OSError as error:
                raise InputError(
                    f"{self.path}: the bytes of column {name!r} have changed since they were written ({error}); delete it and "
                    f"run again (rm {shlex.quote(str(self.path))})"
                ) from None

    def counts(self) -> np.ndarray:
        """Images per identity, int64 `[K]`."""
        return np.bincount(self.identity[self.identity >= 0], minlength=len(self.identity_names))

    def is_own(self) -> np.ndarray:
        """Which images the set is measured by, bool `[N]`: all but copies of inquiries, which are other people's faces."""
        if COPY not in self.column_names:
            return np.ones(len(self), bool)
        return self.column(COPY) == 0

    def blocks(self, rows: int = 1024) -> Iterator[slice]:
        """Slices that cover the set in order, `rows` images at most each: for streaming with bounded memory."""
        return (slice(start, min(start + rows, len(self))) for start in range(0, len(self), rows))


def copy_faces(
    source: FaceSet,
    indices: np.ndarray,
    path: Path | str,
    provenance: Provenance,
    columns: Mapping[str, np.ndarray] | None = None,
) -> None:
    """Write the faces `indices` of `source` as a face set of their own: bytes, names and columns are kept, in that order.

    columns: further per-image columns `[len(indices), …]`; `source_index` is added where the source has none.
    """
    kept = {name: source.column(name)[indices] for name in source.column_names} | dict(columns or {})
    kept.setdefault("source_index", np.asarray(indices, np.int64))
    names = np.array([*source.identity_names, ""], object)
    inherited = {name: source.attrs[name] for name in ("alignment", "source", "licence")}
    with FaceSetWriter(path, source.image_size, source.codec, provenance, inherited) as writer:
        for start in range(0, len(indices), ROWS_PER_CHUNK):
            rows = slice(start, start + ROWS_PER_CHUNK)
            chosen = indices[rows]
            part = {name: values[rows] for name, values in kept.items()}
            if "partner" in part:  # a class index: it follows its name, also where the partner's own images stay behind
                part["partner"] = writer.classes(names[part["partner"]])
            writer.add([source.encoded(i) for i in chosen], names[source.identity[chosen]], part)
