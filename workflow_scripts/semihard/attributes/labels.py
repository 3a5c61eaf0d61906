"""Attribute labels of a face set: its columns `attribute_<Name>`, 1 present, 0 absent, −1 undefined."""

from collections.abc import Sequence

import numpy as np
import torch

from semihard.errors import InputError
from semihard.sources.attribute_names import COLUMN
from semihard.storage.faceset import FaceSet


def read_labels(faces: FaceSet, exclude: Sequence[str] = ()) -> tuple[list[str], torch.Tensor]:
    """Names of the attributes that a face set has labels of, without those in `exclude`, and int8 `[N, A]` of 1, 0, −1.

    Raises InputError where there are none, or a column has other values.
    """
    columns = [name for name in faces.column_names if name.startswith(COLUMN)]
    if not columns:
        raise InputError(
            f"{faces.path}: has no attribute labels (columns {COLUMN}<Name>); give the face set `attributes`, or take rendered "
            "faces, which have them"
        )
    columns = [name for name in columns if name.removeprefix(COLUMN) not in exclude]
    truth = np.empty((len(faces), len(columns)), np.int8)
    for number, column in enumerate(columns):
        values = faces.column(column)
        if not np.isin(values, (-1, 0, 1)).all():
            raise InputError(f"{faces.path}: column {column} has values other than 1 present, 0 absent, -1 undefined")
        truth[:, number] = values
    return [column.removeprefix(COLUMN) for column in columns], torch.from_numpy(truth)
