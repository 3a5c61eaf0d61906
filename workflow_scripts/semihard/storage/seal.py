"""A seal at the end of an HDF5 file of ours: a digest of all bytes that no checksum of their own covers.

The numbers of a dataset have checksums (fletcher32), images have theirs. Attributes, text, headers and indices have none:
where one of their bytes changes, the HDF5 library gives other values, zeros, or never comes back. What lies behind the end
of the file proper the library does not read. A sealed file says so in its attribute `sealed`, by which a seal that is cut
off or defaced is missed.
"""

import hashlib
import json
import shlex
import struct
from pathlib import Path
from typing import BinaryIO

import h5py

from semihard.errors import InputError

END = struct.Struct("<I8s")  # length of the seal, and what marks one
MARK = b"semihard"
SEALED = {"sealed": 1}  # attributes of a file that is to be sealed


def seal(path: Path | str) -> None:
    """Seal a file that is complete and closed, with SEALED among its attributes."""
    ranges = _without_checksum(path)
    with Path(path).open("r+b") as file:
        said = json.dumps({"bytes": ranges, "sha256": _digest(file, ranges)}).encode()
        file.seek(0, 2)
        file.write(said + END.pack(len(said), MARK))


def check_seal(path: Path | str) -> None:
    """Raises InputError where a byte has changed since the file was sealed, OSError where it is no HDF5 file. A file of
    before, or of elsewhere, has no seal and does not say that it has one."""
    if not _is_as_sealed(path):
        raise InputError(
            f"{path}: its bytes have changed since they were written; delete it and run again (rm {shlex.quote(str(path))})"
        )


def _is_as_sealed(path: Path | str) -> bool:
    with Path(path).open("rb") as file:
        size = file.seek(0, 2)
        file.seek(max(0, size - END.size))
        end = file.read()
        if len(end) == END.size and end[-len(MARK) :] == MARK:
            length, _ = END.unpack(end)
            file.seek(max(0, size - END.size - length))
            try:
                said = json.loads(file.read(length))
                return said["sha256"] == _digest(file, said["bytes"])
            except (ValueError, KeyError, TypeError, OverflowError, MemoryError):
                return False
    with h5py.File(path) as h5:
        return not SEALED.keys() & h5.attrs.keys()


def _digest(file: BinaryIO, ranges: list[list[int]]) -> str:
    digest = hashlib.sha256(json.dumps(ranges).encode())
    for start, stop in ranges:
        file.seek(start)
        digest.update(file.read(stop - start))
    return digest.hexdigest()


def _without_checksum(path: Path | str) -> list[list[int]]:
    """Where no data with a checksum lie, as [first byte, byte behind the last], in their order."""
    covered: list[tuple[int, int]] = []

    def collect(_: str, item: h5py.Dataset | h5py.Group) -> None:
        if not isinstance(item, h5py.Dataset):
            return
        if item.fletcher32:
            item.id.chunk_iter(lambda chunk: covered.append((chunk.byte_offset, chunk.byte_offset + chunk.size)))
        elif item.name == "/images/data" and item.size:
            covered.append((item.id.get_offset(), item.id.get_offset() + item.size))

    with h5py.File(path) as h5:
        h5.visititems(collect)
    ranges, at = [], 0
    for start, stop in [*sorted(covered), (Path(path).stat().st_size,) * 2]:
        if start > at:
            ranges.append([at, start])
        at = max(at, stop)
    return ranges
