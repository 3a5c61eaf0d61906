"""Kumar's lfw_attributes.txt: 73 real-valued scores for each image of LFW (Kumar et al., ICCV 2009).

A score's sign is the label, its size how sure it is. Those near 0 are wrong often: MAAD-Face leaves out about 52 % of
them, the share from which on people agreed with four labels in five (Terhörst et al., IEEE TIFS 2021). So does this,
attribute by attribute, as the scores of different attributes have different scales.
"""

import numpy as np
import pandas as pd

from semihard.errors import InputError
from semihard.settings.paths import expand_path
from semihard.sources.attribute_names import spelling
from semihard.sources.label_join import LabelJoin
from semihard.sources.label_table import ABSENT, BY_ROW, PRESENT, UNDEFINED, Column, RowKeys, among, chosen
from semihard.sources.settings import AttributeLabels
from semihard.sources.text_table import TextTable, first_lines

NAMES = {"lfw": {"knobs": ("undefined_below",)}}
UNDEFINED_SHARE = 0.52
PERSON = ("person", "imagenum")
LINES_OF_HEAD = 10


def read(settings: AttributeLabels) -> LabelJoin:
    """Keys are the names of LFW's files, Aaron_Eckhart_0001.jpg. Scores below `undefined_below` in size are undefined;
    where it is not given, the 52 % of each attribute's that are nearest to 0, which takes the whole file to tell."""
    path = expand_path(settings.path)
    lines = [line.removeprefix("#").strip().split("\t") for line in first_lines(path, LINES_OF_HEAD)]
    heads = [number for number, line in enumerate(lines) if tuple(line[:2]) == PERSON]
    if not heads:
        raise InputError(
            f"{path}: none of its first lines is `# person<tab>imagenum<tab>…`, the head of lfw_attributes.txt"
        )
    head = tuple(lines[heads[0]])
    table = TextTable(path, head, first=heads[0] + 2, separator="\t")
    columns = chosen(settings, path, [Column(name, (spelling(name),), among({})) for name in head[2:]])
    scores, numbers, keys = [], [], RowKeys(path)
    for at, rows in table.chunks(head):
        scores.append(np.stack([_scores(table, at, rows, column.name) for column in columns], 1))
        numbers.append(at)
        if settings.key != BY_ROW:
            keys.add(_file_names(table, at, rows), at)
    if not sum(map(len, numbers)):
        raise InputError(f"{path}: has no row of labels; get a complete copy")
    score, numbers = np.concatenate(scores), np.concatenate(numbers)
    size, cut = np.abs(score), settings.undefined_below
    nearest = np.quantile(size, UNDEFINED_SHARE, axis=0) if cut is None else cut
    values = np.where(score > 0, PRESENT, ABSENT).astype(np.int8)
    values[(size < nearest) | (score == 0)] = UNDEFINED
    names = tuple(column.attributes[0] for column in columns)

    def key_at(line: int) -> str:
        return " ".join(table.cell(line, name) for name in PERSON)

    return LabelJoin(settings, keys.labels(names, values, numbers, {}, key_at))


def _scores(table: TextTable, lines: np.ndarray, rows: pd.DataFrame, name: str) -> np.ndarray:
    """float64 `[n]`. Raises InputError where one is no finite number."""
    scores = pd.to_numeric(rows[name], errors="coerce").to_numpy(float)
    wrong = np.flatnonzero(~np.isfinite(scores))
    if len(wrong):
        raise InputError(
            f"{table.path}: line {lines[wrong[0]]}, column {name!r}: {rows[name].iloc[wrong[0]]!r} is no score"
        )
    return scores


def _file_names(table: TextTable, lines: np.ndarray, rows: pd.DataFrame) -> pd.Series:
    """Person_Name_0001. Raises InputError where a number is none."""
    person, number = (rows[name].astype(object).str.strip() for name in PERSON)
    wrong = np.flatnonzero(~number.str.fullmatch(r"\d+").to_numpy(bool) | (person == "").to_numpy())
    if len(wrong):
        at = wrong[0]
        raise InputError(
            f"{table.path}: line {lines[at]}: {person.iloc[at]!r}, {number.iloc[at]!r} are no person and number of an image"
        )
    return person.str.replace(r"\s+", "_", regex=True) + "_" + number.str.zfill(4)
