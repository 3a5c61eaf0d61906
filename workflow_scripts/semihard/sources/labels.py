"""Labels of a training set as numbers: what they must be, whatever file they come from."""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import numpy as np

from semihard.errors import InputError

LARGEST = 2**31 - 2  # a face set's identities are int32


def check_labels(
    path: Path,
    labels: np.ndarray,
    records: Sequence[object],
    label_gaps: Literal["refuse", "renumber"],
    classes: int = 0,
    hint: str = "",
) -> None:
    """Raise InputError unless `labels`, one per image, are whole numbers from 0 on, without gaps unless these are allowed.

    records: the images' names in the file, for messages; classes: how many the file itself states, 0 where it does not;
    hint: what else to do about labels that are none.
    """
    wrong = np.flatnonzero(~np.isfinite(labels) | (labels < 0) | (labels != np.floor(labels)) | (labels > LARGEST))
    if len(wrong):
        raise InputError(
            f"{path}: record {records[wrong[0]]} has label {labels[wrong[0]]:g}: labels must be whole numbers from 0 on{hint}"
        )
    present = np.unique(labels).astype(np.int64)
    last = max(int(present[-1]), classes - 1)
    if label_gaps == "refuse" and last != len(present) - 1:
        missing = np.append(np.flatnonzero(present != np.arange(len(present))), len(present))[0]
        raise InputError(
            f"{path}: {last + 1 - len(present)} of the labels 0 to {last} have no image, label {missing} is the first: if "
            "this is no truncated copy, set label_gaps: renumber to keep the identities that are there"
        )
