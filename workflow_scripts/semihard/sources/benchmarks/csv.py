"""Pairs in a CSV file, of photographs anywhere below a folder."""

from pathlib import Path, PurePosixPath

import numpy as np
import pandas as pd

from semihard.errors import InputError
from semihard.settings.paths import expand_path
from semihard.sources.alignment import FaceAligner
from semihard.sources.pairs import PairImages, check_complete, contiguous_folds, load_faces
from semihard.sources.settings import CSVBenchmark
from semihard.sources.text_file import path_within
from semihard.sources.text_table import TextTable, csv_head

SAME = {"1": True, "0": False, "true": True, "false": False}


def read(settings: CSVBenchmark) -> PairImages:
    """The images and pairs that the file names; an image's identity is the folder it lies in.

    Raises InputError where a column or an image is missing, or a line is no pair.
    """
    path = expand_path(settings.path)
    folder = expand_path(settings.folder) if settings.folder else path.parent
    head = csv_head(path)
    if missing := [name for name in ("first", "second", "same") if name not in head]:
        raise InputError(
            f"{path}: has no column {missing[0]!r}; its columns are {', '.join(head)}, expected first, second, same"
        )
    lines, table = _rows(TextTable(path, head, 2))
    keys = table[["first", "second"]].to_numpy()
    _refuse(path, lines, keys[:, 0] == keys[:, 1], "pairs a photograph and itself")
    places, unique = pd.factorize(keys.ravel())
    outside = np.array([".." in PurePosixPath(key).parts or key.startswith("/") for key in unique])[places].reshape(
        -1, 2
    )
    _refuse(path, lines, outside.any(1), f"names a photograph outside {folder}")
    said = table["same"].str.strip().str.lower()
    _refuse(path, lines, ~said.isin(list(SAME)).to_numpy(), "does not say 1 (one person) or 0 in `same`")
    paths = [path_within(folder, key) for key in unique]
    check_complete([key for key, at in zip(unique, paths, strict=True) if not at.is_file()], len(unique), folder, path)
    aligner = FaceAligner() if settings.align == "mtcnn" else None
    faces, center_cropped = load_faces(folder, paths, [at.parent.name for at in paths], aligner)
    first, second = places.reshape(-1, 2).astype(np.int64).T
    return PairImages(
        faces, first, second, said.map(SAME).to_numpy(bool), _folds(settings, path, lines, table), center_cropped
    )


def _rows(table: TextTable) -> tuple[np.ndarray, pd.DataFrame]:
    chunks = list(table.chunks(table.columns))
    if not chunks or not sum(len(rows) for _, rows in chunks):
        raise InputError(f"{table.path}: has no pairs below its first line; get a complete copy")
    rows = pd.concat([rows for _, rows in chunks], ignore_index=True)
    return np.concatenate([lines for lines, _ in chunks]), rows


def _refuse(path: Path, lines: np.ndarray, wrong: np.ndarray, what: str) -> None:
    if wrong.any():
        raise InputError(f"{path}: line {lines[wrong][0]} {what}; correct it ({wrong.sum()} of {len(lines)} lines)")


def _folds(settings: CSVBenchmark, path: Path, lines: np.ndarray, table: pd.DataFrame) -> np.ndarray:
    """The fold of each pair, int32 `[pairs]`, numbered from 0 in rising order of what the file calls them."""
    if "fold" not in table:
        return contiguous_folds(len(table), path, settings.folds)
    if "folds" in settings.model_fields_set:
        raise InputError(f"{path}: has a column `fold`; leave `folds` out, or take the column out")
    said = table["fold"].str.strip()
    _refuse(path, lines, ~said.str.fullmatch(r"[0-9]{1,9}").to_numpy(bool), "has no whole number in `fold`")
    return np.unique(said.astype(np.int64), return_inverse=True)[1].astype(np.int32)
