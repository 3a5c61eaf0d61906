"""RecordIO in InsightFace's layout, the form in which recognition tools exchange training sets (see `recordio`)."""

import itertools
import os
import shutil
import struct
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np

from semihard.errors import InputError
from semihard.sources.recordio import FIRST, HEADER, LAST, LENGTH_BITS, MAGIC, MIDDLE, PREFIX, WHOLE


def encode_record(payload: bytes) -> bytes:
    """One record as bytes: cut where the payload holds the magic at a multiple of 4 bytes, padded to 4 bytes."""
    if len(payload) >= 1 << LENGTH_BITS:
        raise InputError(f"a record of {len(payload)} bytes is too long for RecordIO, which ends at {1 << LENGTH_BITS}")
    words = np.frombuffer(payload, "S4", len(payload) // 4)
    cuts = np.flatnonzero(words == MAGIC) * 4
    starts, ends = [0, *(cuts + 4)], [*cuts, len(payload)]
    pieces = []
    for number, (start, end) in enumerate(zip(starts, ends, strict=True)):
        last = number == len(cuts)
        flag = (LAST if number else WHOLE) if last else (MIDDLE if number else FIRST)
        pieces += [PREFIX.pack(MAGIC, flag << LENGTH_BITS | int(end - start)), payload[start:end]]
    return b"".join(pieces) + bytes(-len(payload) % 4)


class RecordIOWriter:
    """Writes a folder in InsightFace's layout: train.rec, train.idx, property and identity_names.txt.

    folder: appears under its name only when complete; must not hold anything yet. image_size: (height, width) in
    pixels, for `property`. names: those of the labels 0 … K−1, identities without faces among them; where not given,
    labels follow the order of the faces, which come grouped by identity either way. A context manager.
    """

    def __init__(self, folder: Path | str, image_size: tuple[int, int] = (112, 112), names: Sequence[str] = ()):
        self.folder, self.image_size = Path(folder), image_size
        if self.folder.exists() and any(self.folder.iterdir()):
            raise InputError(f"{self.folder} is not empty: remove it, or export to another folder")
        self.partial = self.folder.with_name(f".{self.folder.name}.{os.getpid()}.tmp")
        self.labels: dict[str, int] = {}
        for name in names:
            self.label(name)
        self.first_images: dict[int, int] = {}
        self.identity = None
        self.key = 0

    def __enter__(self) -> Self:
        self.partial.mkdir(parents=True)
        self.rec = (self.partial / "train.rec").open("w+b")
        self.idx = (self.partial / "train.idx").open("w", encoding="utf-8")
        self._append((0.0, 0.0))  # its counts are known at the end
        return self

    def label(self, identity: str) -> int:
        """The label of an identity. Raises InputError where its name is none, or would be more than a line."""
        if not identity or "\n" in identity or "\r" in identity:
            raise InputError(
                f"{self.folder}: identity {identity!r} must be a name of one line whose faces follow each other"
            )
        return self.labels.setdefault(identity, len(self.labels))

    def add(self, image: bytes, identity: str, more: Sequence[float] = ()) -> None:
        """Append an encoded image. more: label values after its own label, which readers of one label do not see.

        Raises InputError where an identity comes back after another one.
        """
        label = self.label(identity)
        if identity != self.identity:
            if label in self.first_images:
                raise InputError(
                    f"{self.folder}: identity {identity!r} must be a name of one line whose faces follow each other"
                )
            self.first_images[label] = self.key
            self.identity = identity
        self._append((float(label), *more), image)

    def _append(self, labels: tuple[float, ...], image: bytes = b"") -> None:
        self.idx.write(f"{self.key}\t{self.rec.tell()}\n")
        if len(labels) == 1:
            header = HEADER.pack(0, labels[0], self.key, 0)
        else:
            header = HEADER.pack(len(labels), 0, self.key, 0) + struct.pack(f"<{len(labels)}f", *labels)
        self.rec.write(encode_record(header + image))
        self.key += 1

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        with self.rec, self.idx:
            if error is None:
                starts = [self.key]
                for label in reversed(range(len(self.labels))):  # one without images begins where the next one does
                    starts.append(self.first_images.get(label, starts[-1]))
                starts.reverse()
                for first, last in itertools.pairwise(starts):
                    self._append((first, last))
                self.rec.seek(PREFIX.size + HEADER.size)
                self.rec.write(struct.pack("<2f", starts[-1], self.key))
        if error is not None:
            shutil.rmtree(self.partial)
            return
        names = "".join(f"{name}\n" for name in self.labels)
        (self.partial / "identity_names.txt").write_text(names, encoding="utf-8")
        about = f"{len(self.labels)},{self.image_size[0]},{self.image_size[1]}"
        (self.partial / "property").write_text(about, encoding="utf-8")
        self.partial.replace(self.folder)
