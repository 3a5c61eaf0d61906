"""LMDB without a data loader: one file, or a folder with data.mdb, as Vec2Face releases its face sets (HSFace, VFace).

b"0" … b"N-1"     msgpack of (encoded image, label); Vec2Face's training sets have an embedding between the two
b"__keys__"       msgpack list of these keys, in order
b"__len__"        msgpack of N
b"__classnum__"   msgpack of the number of identities; may be missing
"""

from array import array
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

import lmdb
import msgpack
import numpy as np

from semihard.errors import InputError
from semihard.sources.bgr_check import warn_if_bgr
from semihard.sources.face import Face
from semihard.sources.labels import check_labels
from semihard.storage.pixels import decode_image

KEYS, LENGTH, CLASSES = b"__keys__", b"__len__", b"__classnum__"
ROWS_AT_ONCE = 128
COLOUR_SAMPLE = 32
PICKLE = b"\x80"  # opens a pickle of protocol 2 and up, and no msgpack array or number
COPY_AGAIN = "copy the file again"


def read_lmdb(path: Path | str, label_gaps: Literal["refuse", "renumber"] = "refuse") -> Iterator[Face]:
    """The faces of an LMDB file or folder in the order of its `__keys__`, their bytes kept.

    The identity is the label's number, "17". Memory holds the keys, the labels and a block of images.
    label_gaps: "renumber" allows labels without images, which "refuse" takes for a truncated copy.
    Everything but the images is checked before this returns, which reads the file once; InputError tells what is
    wrong: no LMDB, a truncated one, records missing or too many, one that is pickled or no (image, label). An image
    that cannot be decoded raises InputError, naming its key, when its turn comes.
    """
    path = _find_lmdb(Path(path))
    keys, classes = _read_index(path)
    labels = np.array(array("d", (label for _, _, label in _records(path, keys))))
    check_labels(path, labels, list(map(_name, keys)), label_gaps, classes)
    sample = [keys[row] for row in np.linspace(0, len(keys) - 1, COLOUR_SAMPLE).astype(int)]
    means = [_decode(path, key, image).mean((0, 1), keepdims=True) for key, image, _ in _records(path, sample)]
    warn_if_bgr(np.stack(means), path)

    def faces() -> Iterator[Face]:
        for key, image, label in _records(path, keys):
            _decode(path, key, image)
            yield Face(image, str(int(label)), _name(key))

    return faces()


def _find_lmdb(path: Path) -> Path:
    if not path.exists():
        raise InputError(f"{path} does not exist: give the path of an .lmdb file or of the folder that holds it")
    if path.is_file() or (path / "data.mdb").exists():
        return path
    files = sorted(path.glob("*.lmdb"))
    if len(files) != 1:
        names = ", ".join(file.name for file in files) or "none"
        raise InputError(f"{path}: expected data.mdb or a single .lmdb file, found {names}")
    return files[0]


@contextmanager
def _open(path: Path) -> Iterator[lmdb.Environment]:
    """The LMDB, opened to read for as long as it takes: a process may not open one twice.

    Raises InputError where it is none or truncated: reading past the end of a mapped file would kill the process.
    """
    try:
        with lmdb.open(str(path), subdir=path.is_dir(), readonly=True, lock=False) as environment:
            size = (path / "data.mdb" if path.is_dir() else path).stat().st_size
            needed = (environment.info()["last_pgno"] + 1) * environment.stat()["psize"]
            if size < needed:
                raise InputError(f"{path} ends at byte {size} of {needed}: it is truncated; {COPY_AGAIN}")
            yield environment
    except lmdb.Error as error:
        raise InputError(f"{path} is no readable LMDB ({error}): {COPY_AGAIN}") from None


def _read_index(path: Path) -> tuple[list[bytes], int]:
    """The images' keys in order, and the number of identities the file states, 0 where it does not."""
    with _open(path) as environment, environment.begin() as transaction:
        stated = {key: blob for key in (KEYS, LENGTH, CLASSES) if (blob := transaction.get(key)) is not None}
        records = environment.stat()["entries"] - len(stated)
    for key in (KEYS, LENGTH):
        if key not in stated:
            raise InputError(
                f"{path} has no record {_name(key)}: expected an LMDB of Vec2Face's layout whose writing came to its end"
            )
    values = {key: _unpack(path, key, blob) for key, blob in stated.items()}
    keys, length, classes = values[KEYS], values[LENGTH], values.get(CLASSES, 0)
    if not (isinstance(length, int) and isinstance(classes, int) and isinstance(keys, list)) or not all(
        isinstance(key, bytes) for key in keys
    ):
        raise InputError(f"{path}: expected a list of keys as __keys__ and numbers as __len__ and __classnum__")
    if not length == len(keys) == records:
        raise InputError(
            f"{path}: __len__ promises {length} images, __keys__ lists {len(keys)} and {records} are there: {COPY_AGAIN}"
        )
    if not keys:
        raise InputError(f"{path} holds no images: {COPY_AGAIN}")
    if len(set(keys)) < len(keys):
        twice = next(key for key, count in Counter(keys).items() if count > 1)
        raise InputError(f"{path}: __keys__ lists record {_name(twice)} twice: {COPY_AGAIN}")
    return keys, classes


def _records(path: Path, keys: Sequence[bytes]) -> Iterator[tuple[bytes, bytes, float]]:
    """(key, encoded image, label) of each key. Raises InputError naming the first record that is missing or no such.

    The file is mapped anew for each block: the pages of a mapped file stay resident until it is closed.
    """
    for start in range(0, len(keys), ROWS_AT_ONCE):
        block = keys[start : start + ROWS_AT_ONCE]
        with _open(path) as environment, environment.begin() as transaction:
            blobs = [transaction.get(key) for key in block]
        for key, blob in zip(block, blobs, strict=True):
            if blob is None:
                raise InputError(f"{path}: record {_name(key)} is missing: {COPY_AGAIN}")
            match _unpack(path, key, blob):
                case [bytes() as image, *_, int() | float() as label]:
                    yield key, image, label
                case _:
                    raise InputError(f"{path}: record {_name(key)} is no (image, label): expected Vec2Face's layout")


def _unpack(path: Path, key: bytes, blob: bytes) -> object:
    """What `blob` packs; raises InputError unless that is msgpack. Texts come as bytes, as msgpack 0.x packed images."""
    if blob.startswith(PICKLE):
        raise InputError(
            f"{path}: record {_name(key)} is pickled, and a pickle may run any code: it is not read; "
            "pack the records with msgpack, or get a copy that is"
        )
    try:
        return msgpack.unpackb(blob, raw=True)
    except (ValueError, OverflowError, msgpack.UnpackException):
        raise InputError(
            f"{path}: record {_name(key)} is no msgpack (older tools wrote pyarrow): expected Vec2Face's layout"
        ) from None


def _decode(path: Path, key: bytes, image: bytes) -> np.ndarray:
    try:
        return decode_image(image)
    except ValueError as error:
        raise InputError(
            f"{path}: record {_name(key)} holds no readable image ({error}): copy or make the file again"
        ) from None


def _name(key: bytes) -> str:
    return key.decode(errors="backslashreplace")
