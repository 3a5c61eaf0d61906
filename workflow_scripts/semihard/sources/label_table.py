"""Attribute labels of a text file, all of its rows: a byte each, and eight of each row's key.

They are read before the first image, so that a bad file is told at once, and whatever the number of images: MAAD-Face's
3.3 million rows of 47 attributes stay as 210 MB, 600 MB while they are read. Keys are kept as 64-bit hashes: that two of
3.3 million have one by chance has a probability of 3e-7.
"""

import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd

from semihard.errors import InputError
from semihard.sources.attribute_names import spelling
from semihard.sources.settings import AttributeLabels
from semihard.sources.text_table import TextTable

PRESENT, ABSENT, UNDEFINED = 1, 0, -1
EXTENSION = re.compile(r"\.(jpe?g|png|bmp|webp)$", re.I)
BY_ROW = "row"  # the knob `key` where rows are in the order of the images


@dataclass(frozen=True)
class Column:
    """A column of the file and what its texts mean.

    attributes: what it tells, each as `spelling` has it; meaning: a text's labels, one for each attribute; it raises ValueError,
    whose sentence says what is expected, for a text that means nothing.
    """

    name: str
    attributes: tuple[str, ...]
    meaning: Callable[[str], Sequence[int]]


@dataclass
class Labels:
    """names: the attributes, A of them; values int8 `[R, A]`: 1 present, 0 absent, −1 undefined; lines int64 `[R]`: where
    in the file; hashes uint64 `[R]`: of the rows' keys (none where rows go by their order); has_folders: a key has one;
    example: a key; texts: how often each text is there, by column.
    """

    path: Path
    names: tuple[str, ...]
    values: np.ndarray
    lines: np.ndarray
    hashes: np.ndarray
    has_folders: bool
    example: str
    texts: dict[str, Counter]


def among(expected: dict[str, int]) -> Callable[[str], Sequence[int]]:
    """The meaning of a column of one attribute whose texts are the keys of `expected`."""

    def meaning(text: str) -> Sequence[int]:
        if text not in expected:
            raise ValueError(f"is none of {', '.join(name or 'blank' for name in expected)}")
        return (expected[text],)

    return meaning


def chosen(settings: AttributeLabels, path: Path, columns: Sequence[Column]) -> list[Column]:
    """The columns that tell attributes named by the knob `columns`, with these alone; all where it names none.

    Raises InputError where no column, or not one of that name, tells an attribute, and where two tell one.
    """
    told: dict[str, str] = {}
    for column in columns:
        for attribute in column.attributes:
            if not attribute:
                raise InputError(f"{path}: column {column.name!r} has no letter in its name; rename it")
            if attribute in told:
                raise InputError(
                    f"{path}: columns {told[attribute]!r} and {column.name!r} are one attribute, {attribute}; take one out"
                )
            told[attribute] = column.name
    if not told:
        raise InputError(
            f"{path}: has no column of an attribute; its first lines name them in the form {settings.format}"
        )
    wanted = {spelling(name): name for name in settings.columns}
    if missing := [name for attribute, name in wanted.items() if attribute not in told]:
        raise InputError(f"{path}: has no attribute {missing[0]!r}, which `columns` names; it has {', '.join(told)}")
    return [
        _only(column, wanted or told)
        for column in columns
        if any(name in (wanted or told) for name in column.attributes)
    ]


def _only(column: Column, wanted: dict[str, str]) -> Column:
    kept = [number for number, name in enumerate(column.attributes) if name in wanted]
    attributes = tuple(column.attributes[number] for number in kept)
    return replace(
        column, attributes=attributes, meaning=lambda text: [column.meaning(text)[number] for number in kept]
    )


def read_labels(table: TextTable, key: str, columns: Sequence[Column]) -> Labels:
    """The labels of all rows. key: the column of the rows' keys, or "row".

    Raises InputError naming line and column where a text means nothing, a row without a key, and two with one.
    """
    blocks, lines, texts = [], [], {column.name: Counter() for column in columns}
    keys = RowKeys(table.path)
    told = [column.name for column in columns]
    for numbers, rows in table.chunks(set(table.columns) - set(told)):
        parts = [_meant(table.path, numbers, rows[column.name], column, texts[column.name]) for column in columns]
        blocks.append(np.concatenate(parts, 1))
        lines.append(numbers)
        if key != BY_ROW:
            keys.add(rows[key], numbers)
    if not sum(map(len, lines)):
        raise InputError(f"{table.path}: has no row of labels; get a complete copy")
    names = tuple(name for column in columns for name in column.attributes)
    values, lines = np.concatenate(blocks), np.concatenate(lines)
    return keys.labels(names, values, lines, texts, lambda line: table.cell(line, key))


class RowKeys:
    """Takes the keys of rows as they are read."""

    def __init__(self, path: Path):
        self.path = path
        self.hashes: list[np.ndarray] = []
        self.has_folders, self.example = False, ""

    def add(self, keys: pd.Series, lines: np.ndarray) -> None:
        """Further rows' keys. Raises InputError where one is blank."""
        keys = keys.astype(object).str.strip()
        if (blank := (keys == "").to_numpy()).any():
            raise InputError(f"{self.path}: line {lines[blank][0]} has no key; name its image or take it out")
        if len(keys):
            self.example = self.example or keys.iloc[0]
            self.has_folders = self.has_folders or bool(keys.str.contains("/", regex=False).any())
            self.hashes.append(hashes_of(keys))

    def labels(
        self,
        names: tuple[str, ...],
        values: np.ndarray,
        lines: np.ndarray,
        texts: dict[str, Counter],
        key_at: Callable[[int], str],
    ) -> Labels:
        """All of them with their labels. Raises InputError, by key_at(line), where two are one."""
        hashes = np.concatenate(self.hashes) if self.hashes else np.empty(0, np.uint64)
        order = np.argsort(hashes, kind="stable")
        again = np.flatnonzero(hashes[order][1:] == hashes[order][:-1])
        if len(again):
            first, second = (int(lines[order[again[0] + step]]) for step in (0, 1))
            keys = " and ".join(dict.fromkeys(repr(key_at(line)) for line in (first, second)))
            raise InputError(
                f"{self.path}: lines {first} and {second} are of one image, {keys} ({len(again)} rows are too many); "
                "keep one row of each"
            )
        return Labels(self.path, names, values, lines, hashes, self.has_folders, self.example, texts)


def hashes_of(keys: pd.Series) -> np.ndarray:
    """uint64 `[n]` of keys without the extension of an image's file."""
    bare = keys.str.replace(EXTENSION, "", regex=True)
    return pd.util.hash_array(bare.to_numpy(object), categorize=False)


def _meant(path: Path, lines: np.ndarray, cells: pd.Series, column: Column, seen: Counter) -> np.ndarray:
    """The labels `[n, attributes of the column]` of one column's cells."""
    codes, texts = cells.cat.codes.to_numpy(), [str(text).strip() for text in cells.cat.categories]
    counts = np.bincount(codes, minlength=len(texts)).tolist()
    meanings = np.full((len(texts), len(column.attributes)), UNDEFINED, np.int8)
    for code in np.flatnonzero(counts).tolist():
        try:
            meanings[code] = column.meaning(texts[code])
        except ValueError as error:
            line = lines[np.flatnonzero(codes == code)[0]]
            raise InputError(f"{path}: line {line}, column {column.name!r}: {texts[code]!r} {error}") from None
        seen[texts[code]] += counts[code]
    return meanings[codes]
