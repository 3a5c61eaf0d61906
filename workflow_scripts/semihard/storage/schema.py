"""What an HDF5 artifact consists of.

A letter of a shape stands for one length within an artifact; "columns/*" stands for any number of datasets of that
shape. Who writes an artifact depends on its schema alone, and on no meaning.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Dataset:
    """dtype, "str" for text and "any" for what it is given; shape: letters, with commas; meaning: for people."""

    dtype: str
    shape: str
    meaning: str


@dataclass(frozen=True)
class Schema:
    """An artifact: its kind, its datasets by name, and its version, which rises where files of before cannot be read.

    Kind and version are written into it; a rise makes anew what writes or reads this kind, and nothing else.
    """

    kind: str
    datasets: dict[str, Dataset]
    version: int = 1
