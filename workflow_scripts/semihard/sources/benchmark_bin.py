"""InsightFace's benchmark files (`lfw.bin`, `cfp_fp.bin`, ...), read without running what they might contain.

A .bin is a pickle of (2P encoded images, P bools): pair i is images 2i and 2i + 1, in an order whose ten consecutive
blocks are the folds. Python 2 and 3 wrote them, with byte strings or numpy arrays of bytes, some compressed by xz.
A pickle is a program. Of the few names these files need, every one is bound to a stand-in of this module, so that
loading calls nothing else, numpy included; any other name is refused before anything is called.
"""

import lzma
import pickle
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import BinaryIO

import numpy as np

from semihard.errors import InputError
from semihard.sources.bgr_check import warn_if_bgr
from semihard.sources.face import Face
from semihard.sources.pairs import FOLDS, PairImages, contiguous_folds, warn_of_one_kind
from semihard.storage.atomic import atomic_path
from semihard.storage.pixels import decode_image

XZ = b"\xfd7zXZ\x00"
COLOUR_SAMPLE = 32


class Raw:
    """Stand-in for numpy's arrays, scalars and types: the bytes that were pickled, and the name of their type."""

    def __init__(self, data: object = None, dtype: object = None):
        self.data, self.dtype = data, dtype

    def __setstate__(self, state: tuple) -> None:
        """An array's state is (version, shape, dtype, Fortran order, bytes); a type's holds nothing of use here."""
        if len(state) == 5:
            self.data, self.dtype = state[4], state[2]

    def bytes_of(self, *types: str) -> bytes | None:
        """The bytes, if they are of one of the named types."""
        name = self.dtype.dtype if isinstance(self.dtype, Raw) else None
        name = name.decode("latin-1") if isinstance(name, bytes) else name
        return bytes(self.data) if name in types and isinstance(self.data, bytes | bytearray) else None


# Functions only: a class here could be given new methods by a hostile pickle.
STAND_INS: dict[tuple[str, str], Callable[..., object] | None] = {
    ("_codecs", "encode"): lambda text, encoding: text.encode("latin-1"),  # how Python 3 tells Python 2 about bytes
    ("numpy", "ndarray"): None,  # an argument, never called
    ("numpy", "dtype"): lambda name, *flags: Raw(dtype=name),
    ("numpy._core.multiarray", "_reconstruct"): lambda kind, shape, code: Raw(),
    ("numpy._core.multiarray", "scalar"): lambda dtype, data: Raw(data, dtype),
    ("numpy._core.numeric", "_frombuffer"): lambda data, dtype, shape, order: Raw(data, dtype),
}


class PairsUnpickler(pickle.Unpickler):
    """Knows the stand-ins and nothing else. Byte strings of Python 2 stay bytes."""

    def __init__(self, file: BinaryIO):
        super().__init__(file, encoding="bytes")

    def find_class(self, module: str, name: str) -> Callable[..., object] | None:
        """The stand-in for a name; raises UnpicklingError for all others."""
        key = (module.replace("numpy.core", "numpy._core"), name)
        if key not in STAND_INS:
            raise pickle.UnpicklingError(f"it asks for {module}.{name}, which no benchmark needs")
        return STAND_INS[key]


def read_bin(path: Path | str, folds: int = FOLDS) -> PairImages:
    """The benchmark in a .bin file, its images as encoded in it and its `folds` contiguous; identities are unknown.

    Raises InputError for a missing file, one that is no such pickle or asks for anything but bytes and bools (nothing
    of it is run), another number of images than two a pair, pairs that do not divide into the folds, and an image that
    does not decode.
    """
    path = Path(path)
    if not path.is_file():
        raise InputError(f"{path} does not exist: InsightFace's training sets come with lfw.bin, cfp_fp.bin and others")
    content = _load(path)
    if not isinstance(content, tuple | list) or len(content) != 2 or not isinstance(content[0], tuple | list):
        raise InputError(f"{path} is no benchmark: expected a pickled pair, a list of images and a list of bools")
    encoded = [_encoded(item, index, path) for index, item in enumerate(content[0])]
    same = _same(content[1], path)
    if len(encoded) != 2 * len(same):
        raise InputError(
            f"{path} has {len(encoded)} images for {len(same)} pairs: expected {2 * len(same)}, two a pair; "
            "the file is incomplete, get it again"
        )
    fold = contiguous_folds(len(same), path, folds)
    warn_of_one_kind(same, fold, path)
    sampled = set(np.linspace(0, len(encoded) - 1, COLOUR_SAMPLE).astype(int).tolist())
    means = []
    for index, blob in enumerate(encoded):
        try:
            image = decode_image(blob)
        except ValueError as error:
            raise InputError(
                f"{path}: image {index} (pair {index // 2}) is not readable ({error}): get the file again"
            ) from None
        if index in sampled:
            means.append(image.mean((0, 1), keepdims=True))
    warn_if_bgr(np.stack(means), path)
    first = np.arange(0, len(encoded), 2, dtype=np.int64)
    return PairImages([Face(blob, "", str(index)) for index, blob in enumerate(encoded)], first, first + 1, same, fold)


def write_bin(path: Path | str, images: Sequence[bytes], same: Sequence[bool]) -> None:
    """Write encoded images, two a pair, and whether each pair is genuine, as the .bin that other tools load. Raises InputError
    where there are not two images a pair."""
    if len(images) != 2 * len(same):
        raise InputError(
            f"{path}: {len(images)} images for {len(same)} pairs: two of each pair are expected, one behind the other"
        )
    content = ([bytes(image) for image in images], [bool(flag) for flag in same])
    with atomic_path(path) as temporary:
        temporary.write_bytes(pickle.dumps(content, protocol=4))


def _load(path: Path) -> object:
    with path.open("rb") as file:
        compressed = file.read(len(XZ)) == XZ
    try:
        with lzma.open(path) if compressed else path.open("rb") as file:
            return PairsUnpickler(file).load()
    except Exception as error:  # a damaged pickle can raise anything
        raise InputError(
            f"{path} is not read as a benchmark: {error}; get the file again from a source you trust"
        ) from None


def _encoded(item: object, index: int, path: Path) -> bytes:
    blob = item.bytes_of("u1", "uint8") if isinstance(item, Raw) else item
    if not isinstance(blob, bytes | bytearray):
        raise InputError(
            f"{path}: image {index} (pair {index // 2}) is no byte string or uint8 array: expected an encoded JPEG or PNG"
        )
    return bytes(blob)


def _same(items: object, path: Path) -> np.ndarray:
    """bool `[pairs]` from a list of bools, of 0 and 1 or of numpy bools, or from one array of them."""
    if isinstance(items, Raw):
        items = items.bytes_of("b1", "bool")
    flags = items if isinstance(items, list | tuple | bytes) else [None]
    flags = [int.from_bytes(flag.bytes_of("b1", "bool") or b"?") if isinstance(flag, Raw) else flag for flag in flags]
    if not all(isinstance(flag, int) and flag in (0, 1) for flag in flags):
        raise InputError(f"{path}: expected True or False for each pair, genuine or impostor")
    return np.array(flags, bool)
