"""Faces of MXNet's RecordIO, and what may lie beside it: identity_names.txt, or DCFace's list.txt."""

from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Literal

import numpy as np

from semihard.errors import InputError
from semihard.settings.paths import expand_path
from semihard.sources.bgr_check import warn_if_bgr
from semihard.sources.face import Face
from semihard.sources.labels import check_labels
from semihard.sources.recordio import ROWS_AT_ONCE, RecordFile, open_recordio, release_pages
from semihard.sources.settings import RecordIOFaces
from semihard.sources.text_file import read_lines

COLOUR_SAMPLE = 32


def read(settings: RecordIOFaces, skipped: list[tuple[str, str]]) -> Iterator[Face]:
    """The faces that the entry names, aligned already; none is skipped."""
    return read_faces(expand_path(settings.path), labelled=settings.labelled, label_gaps=settings.label_gaps)


def read_faces(
    path: Path | str,
    *,
    labelled: bool = True,
    label_gaps: Literal["refuse", "renumber"] = "refuse",
    identity_names: Path | str | None = None,
) -> Iterator[Face]:
    """The faces of a RecordIO file or folder by rising key, their bytes kept; memory holds one image and the index.

    labelled: False gives every face the identity "". label_gaps: "renumber" allows labels without images, which
    "refuse" takes for a truncated copy. identity_names: a text file whose line k (from 0) names label k; by default
    `identity_names.txt` beside the .rec, and without one the identity is the label's number, "17".
    Where DCFace's `list.txt` lies beside the .rec, whose labels are all 0 then, the identity is an image's folder in it.
    Everything but the images is checked before this returns; InputError tells what is wrong. An image that cannot be
    decoded raises InputError, naming its key, when its turn comes.
    """
    records = open_recordio(path)
    names, by_key = None, None
    if labelled and not identity_names and (release := records.path.with_name("list.txt")).exists():
        by_key = _read_list(release, records)
    elif labelled:
        labels, keys = records.labels[records.images], records.keys[records.images]
        hint = "; for faces without identities set labelled: false"
        check_labels(records.path, labels, keys, label_gaps, hint=hint)
        listed = Path(identity_names) if identity_names else records.path.with_name("identity_names.txt")
        names = (
            _read_names(listed, int(records.labels[records.images].max()))
            if identity_names or listed.exists()
            else None
        )
    sample = records.images[np.linspace(0, len(records.images) - 1, COLOUR_SAMPLE).astype(int)]
    means = [records.decode(row)[1].mean((0, 1), keepdims=True) for row in sample]
    warn_if_bgr(np.stack(means), records.path)

    def identity(row: int) -> str:
        if by_key:
            return by_key[int(records.keys[row])]
        label = int(records.labels[row])
        return names[label] if names else str(label)

    def faces() -> Iterator[Face]:
        for number, row in enumerate(records.images):
            yield Face(records.decode(row)[0], identity(row) if labelled else "", str(records.keys[row]))
            if number % ROWS_AT_ONCE == 0:
                release_pages(records.data)

    return faces()


def _read_list(path: Path, records: RecordFile) -> dict[int, str]:
    """Key → identity from DCFace's `list.txt`: key, path of the image and maybe a label, by tabs; the path's folder is
    the identity. Raises InputError where a line is none or an image has none."""
    names: dict[int, str] = {}
    for number, line in enumerate(read_lines(path), 1):
        match line.split("\t"):
            case [key, image, *_] if key.isdecimal() and PurePosixPath(image).parent.name:
                names[int(key)] = PurePosixPath(image).parent.name
            case _:
                raise InputError(f"{path}: line {number} is not `key<tab>identity/image`: get a complete list")
    keys = records.keys[records.images]
    if missing := [key for key in keys.tolist() if key not in names]:
        raise InputError(
            f"{path} has no line for record {missing[0]} ({len(missing)} of {len(keys)} lack one): get a complete list"
        )
    return names


def _read_names(path: Path, largest_label: int) -> list[str]:
    """The name of each label, from the lines of a text file. Raises InputError unless all are there and differ."""
    if not path.exists():
        raise InputError(f"identity_names: {path} does not exist")
    names = read_lines(path)
    if len(names) <= largest_label:
        raise InputError(
            f"{path} names {len(names)} identities but the largest label is {largest_label}: expected a line each"
        )
    seen: set[str] = set()
    for number, name in enumerate(names, 1):
        if not name.strip() or name in seen:
            raise InputError(
                f"{path}: line {number}, {name!r}, is empty or a repetition: identities need different names"
            )
        seen.add(name)
    return names
