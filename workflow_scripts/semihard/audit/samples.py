"""What the audits of nearest images draw, and what they refuse."""

from pathlib import Path

import numpy as np

from semihard.errors import InputError

NULL_QUERIES = 10_000


def drawn(rows: np.ndarray, most: int) -> np.ndarray:
    """At most `most` of `rows`, at random, in ascending order."""
    return np.sort(np.random.default_rng(0).choice(rows, min(most, len(rows)), replace=False))


def one_of_each(identity: np.ndarray) -> np.ndarray:
    """A row of each identity, at random: int64 `[K]`. identity: int64 `[N]`."""
    shuffled = np.random.default_rng(0).permutation(len(identity))
    return shuffled[np.unique(identity[shuffled], return_index=True)[1]]


def check_lengths(length: int, path: Path | str, expected: int, other: Path | str) -> None:
    """Raise InputError where embeddings are of different lengths, so of different embedders."""
    if length != expected:
        raise InputError(f"{path}: embeddings of length {length}, {other} has {expected}; use one embedder")
