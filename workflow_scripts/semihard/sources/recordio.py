"""MXNet's RecordIO without mxnet: `train.rec` and `train.idx`, as InsightFace and im2rec write them.

    record  := u32 magic | u32 flag << 29 | length | payload | 0-3 zero bytes          little endian
    flag       0 a whole record, 1 its first part, 2 a middle one, 3 the last: the writer cuts a payload where it holds
               the magic at a multiple of 4 bytes and leaves the magic out, the reader puts it back between the parts
    payload := u32 label count | f32 label | u64 id | u64 id2 | label count x f32 | encoded image

InsightFace's layout opens with a record of key 0 that has labels (first identity record, last + 1) and no image; the
images are keys 1 and up, then comes one record per identity, (first image, last + 1). im2rec writes images alone, from
key 0.
"""

import mmap
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from semihard.errors import InputError
from semihard.storage.pixels import decode_image

MAGIC = struct.pack("<I", 0xCED7230A)
PREFIX = struct.Struct("<4sI")
HEADER = struct.Struct("<IfQQ")
OPENING = np.dtype(
    [("magic", "S4"), ("part", "<u4"), ("labels", "<u4"), ("label", "<f4"), ("ids", "<u8", 2), ("first_label", "<f4")]
)
WHOLE, FIRST, MIDDLE, LAST = range(4)
LENGTH_BITS = 29
ROWS_AT_ONCE = 1024
EXACT_FLOAT = 2**24  # InsightFace keeps keys as float32
ORIGIN = (
    "the usual copy of CASIA-WebFace is `faces_webface_112x112` of InsightFace's dataset page "
    "(490,623 images of 10,572 identities, non-commercial use), a folder with train.rec and train.idx"
)


@dataclass(frozen=True, slots=True)
class RecordFile:
    """A .rec file mapped into memory; rows go by rising key.

    data: uint8 `[bytes]`; keys, offsets: int64 `[records]`; labels: float32 `[records]`, the first of each record;
    images: int64 `[images]`, the rows that hold images: all but InsightFace's header and identity records.
    """

    path: Path
    data: np.ndarray
    keys: np.ndarray
    offsets: np.ndarray
    labels: np.ndarray
    images: np.ndarray

    def payload(self, row: int) -> bytes:
        """The record's payload with its parts joined. Raises InputError where the file is damaged."""
        offset = int(self.offsets[row])
        parts = _parts(self.data, offset, f"{self.path}: record {self.keys[row]}")
        return MAGIC.join(self.data[start : start + length].tobytes() for start, length in parts)

    def encoded(self, row: int) -> bytes:
        """The record's encoded image, bytes as they are."""
        payload = self.payload(row)
        return payload[HEADER.size + 4 * HEADER.unpack_from(payload)[0] :]

    def decode(self, row: int) -> tuple[bytes, np.ndarray]:
        """The encoded image and its pixels, uint8 RGB `[h, w, 3]`. Raises InputError naming a record without one."""
        encoded = self.encoded(row)
        try:
            return encoded, decode_image(encoded)
        except ValueError as error:
            raise InputError(
                f"{self.path}: record {self.keys[row]} holds no readable image ({error}): copy or make the file again"
            ) from None


def open_recordio(path: Path | str) -> RecordFile:
    """Open a .rec file, or the folder that holds `train.rec` (or a single other .rec), and check every record's header.

    Without a .idx beside it the file is scanned. Raises InputError, naming the record and the byte, for a file that is
    missing, truncated, damaged or does not belong to its .idx. Payloads are not read: 490,623 records take seconds.
    """
    path = _find_rec(Path(path))
    if path.stat().st_size == 0:
        raise InputError(f"{path} is empty: copy it again")
    with path.open("rb") as file:
        data = np.frombuffer(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ), np.uint8)
    index = path.with_suffix(".idx")
    keys, offsets = _read_index(index, len(data)) if index.exists() else _scan(data, path)
    labels, empty = _read_openings(data, path, keys, offsets)
    images = np.arange(len(keys))
    _check_coverage(data, path, keys, offsets)
    if keys[0] == 0 and empty[0]:
        images = images[~empty]
        if not (np.isfinite(labels[0]) and labels[0] >= 1 and labels[0] == np.floor(labels[0])):
            raise InputError(
                f"{path}: its header, record 0, says that identities begin at {labels[0]:g}, expected the number of images "
                "plus 1: the file is damaged or no training set; copy it again"
            )
        first_identity = int(labels[0])
        if first_identity < EXACT_FLOAT:
            images = np.flatnonzero((keys > 0) & (keys < first_identity))
            if len(images) != first_identity - 1:
                missing = int(np.setdiff1d(np.arange(1, first_identity), keys)[0])
                raise InputError(
                    f"{path}: its header promises {first_identity - 1} images, {len(images)} are there and record "
                    f"{missing} is the first missing one: copy the .rec and the .idx again"
                )
        elif len(images) and abs(len(images) + 1 - first_identity) > first_identity / EXACT_FLOAT:
            raise InputError(
                f"{path}: its header promises {first_identity - 1} images, {len(images)} are there: copy the .rec and the "
                ".idx again"
            )
    if not len(images):
        raise InputError(f"{path}: holds {len(keys)} records and no image; copy it again")
    return RecordFile(path, data, keys, offsets, labels, images)


def _check_coverage(data: np.ndarray, path: Path, keys: np.ndarray, offsets: np.ndarray) -> None:
    """Raises InputError where the file goes on after the last record that is listed, or two are said to be at one place."""
    last = int(np.argmax(offsets))
    for start, length in _parts(data, int(offsets[last]), f"{path}: record {keys[last]}"):
        end = start + length + -length % 4
    if end < len(data):
        raise InputError(
            f"{path.with_suffix('.idx')} lists {len(keys)} records, which end at byte {end} of {len(data)}: it is cut or "
            "another file's; copy it again, or delete it to have the .rec scanned"
        )
    places, first = np.unique(offsets, return_index=True)
    if len(places) < len(offsets):
        twice = np.setdiff1d(np.arange(len(offsets)), first)[0]
        raise InputError(
            f"{path.with_suffix('.idx')}: record {keys[twice]} begins at byte {offsets[twice]} as another one does; delete it "
            "to have the .rec scanned"
        )


def release_pages(data: np.ndarray) -> None:
    """Give the mapped pages back: the kernel would keep a whole read file resident for as long as memory lasts."""
    data.base.obj.madvise(mmap.MADV_DONTNEED)


def _find_rec(path: Path) -> Path:
    if not path.exists():
        raise InputError(f"{path} does not exist: give the path of a RecordIO folder or .rec file; {ORIGIN}")
    if path.is_file():
        return path
    records = sorted(path.glob("*.rec"))
    if path / "train.rec" in records:
        return path / "train.rec"
    if len(records) != 1:
        names = ", ".join(file.name for file in records) or "none"
        raise InputError(f"{path}: expected train.rec or a single .rec file, found {names}; {ORIGIN}")
    return records[0]


def _read_index(index: Path, size: int) -> tuple[np.ndarray, np.ndarray]:
    """Keys and byte offsets by rising key, int64 `[records]` each, of a text file with `key offset` lines."""
    advice = "delete it to have the .rec scanned instead"
    if not index.read_bytes().strip():
        raise InputError(f"{index} lists no records: {advice}")
    try:
        keys, offsets = np.loadtxt(index, np.int64, ndmin=2, unpack=True)
    except (ValueError, OverflowError):
        raise InputError(f"{index}: expected lines of a record key and a byte offset: {advice}") from None
    order = np.argsort(keys, kind="stable")
    keys, offsets = keys[order], offsets[order]
    if (keys[1:] == keys[:-1]).any():
        raise InputError(f"{index}: key {keys[1:][keys[1:] == keys[:-1]][0]} is listed twice: {advice}")
    outside = np.flatnonzero((offsets < 0) | (offsets + PREFIX.size > size))
    if len(outside):
        key, offset = keys[outside[0]], offsets[outside[0]]
        raise InputError(
            f"{index}: record {key} should begin at byte {offset}, but the .rec ends at byte {size}: "
            "it is truncated or another file's index; copy both again"
        )
    return keys, offsets


def _parts(data: np.ndarray, offset: int, record: str) -> Iterator[tuple[int, int]]:
    """(start, length) of each part of the record at `offset`; `record` names it in the InputError of a damaged one."""
    begin, allowed = offset, (WHOLE, FIRST)
    while True:
        if offset + PREFIX.size > len(data):
            raise InputError(f"{record} at byte {begin} is cut off: the file ends at byte {len(data)}; copy it again")
        magic, part = PREFIX.unpack_from(data, offset)
        flag, length = part >> LENGTH_BITS, part & (1 << LENGTH_BITS) - 1
        if magic != MAGIC or flag not in allowed:
            raise InputError(
                f"{record}: no record begins at byte {offset}: the .rec is damaged or the .idx is another file's; "
                "copy both again, or delete the .idx to have the .rec scanned"
            )
        start = offset + PREFIX.size
        if start + length > len(data):
            raise InputError(
                f"{record} at byte {begin} should hold {length} bytes but the file ends at byte {len(data)}: "
                "the .rec is truncated; copy it again"
            )
        yield start, length
        if flag in (WHOLE, LAST):
            return
        offset, allowed = start + length + -length % 4, (MIDDLE, LAST)


def _scan(data: np.ndarray, path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Keys 0, 1, ... and byte offsets of the records as they follow each other, int64 `[records]` each."""
    ends = [0]
    while ends[-1] < len(data):
        for start, length in _parts(data, ends[-1], f"{path}: record {len(ends) - 1}"):
            end = start + length + -length % 4
        ends.append(end)
        if len(ends) % ROWS_AT_ONCE == 0:
            release_pages(data)
    return np.arange(len(ends) - 1), np.array(ends[:-1])


def _read_openings(
    data: np.ndarray, path: Path, keys: np.ndarray, offsets: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """First label, float32 `[records]`, and if no image follows, bool `[records]`; raises InputError if damaged."""
    labels, empty = np.empty(len(keys), np.float32), np.empty(len(keys), bool)
    for begin in range(0, len(keys), ROWS_AT_ONCE):
        rows = slice(begin, begin + ROWS_AT_ONCE)
        # A last record without labels of its own may end before an opening does: its missing bytes are not used.
        where = np.minimum(offsets[rows, None] + np.arange(OPENING.itemsize), len(data) - 1)
        opening = data[where].view(OPENING)[:, 0]
        length = (opening["part"] & (1 << LENGTH_BITS) - 1).astype(np.int64)
        image_at = HEADER.size + 4 * opening["labels"].astype(np.int64)
        labels[rows] = np.where(opening["labels"] > 0, opening["first_label"], opening["label"])
        empty[rows] = length == image_at
        whole = (opening["magic"] == MAGIC) & (opening["part"] >> LENGTH_BITS == WHOLE)
        fits = offsets[rows] + PREFIX.size + length <= len(data)
        for row in begin + np.flatnonzero(~(whole & fits & (length >= image_at))):
            labels[row], empty[row] = _read_opening(data, f"{path}: record {keys[row]}", int(offsets[row]))
        release_pages(data)
    return labels, empty


def _read_opening(data: np.ndarray, record: str, offset: int) -> tuple[float, bool]:
    """(first label, whether no image follows) of one record in any number of parts; raises InputError if damaged."""
    payload = MAGIC.join(data[start : start + length].tobytes() for start, length in _parts(data, offset, record))
    if len(payload) >= HEADER.size:
        count, label, _, _ = HEADER.unpack_from(payload)
        if len(payload) >= HEADER.size + 4 * count:
            first = struct.unpack_from("<f", payload, HEADER.size)[0] if count else label
            return first, len(payload) == HEADER.size + 4 * count
    raise InputError(
        f"{record} at byte {offset} has {len(payload)} bytes, too few for its label header: "
        "expected a .rec of images made by InsightFace or im2rec"
    )
