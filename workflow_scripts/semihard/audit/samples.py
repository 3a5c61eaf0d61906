"""What the audits of nearest images draw, and what they refuse."""

from pathlib import Path

import numpy as np

from semihard.errors import InputError
from semihard.similarity.embedding_pairs import embedder_of_all

NULL_QUERIES = 10_000


def drawn(rows: np.ndarray, most: int) -> np.ndarray:
    """At most `most` of `rows`, at random, in ascending order."""
    return np.sort(np.random.default_rng(0).choice(rows, min(most, len(rows)), replace=False))


def one_of_each(identity: np.ndarray) -> np.ndarray:
    """A row of each identity, at random: int64 `[K]`. identity: int64 `[N]`."""
    shuffled = np.random.default_rng(0).permutation(len(identity))
    return shuffled[np.unique(identity[shuffled], return_index=True)[1]]


def check_same_embedder(length: int, path: Path | str, expected: int, other: Path | str) -> None:
    """Raise InputError where two artifacts of embeddings are of different lengths, or say that they are by different
    embedders."""
    if length != expected:
        raise InputError(f"{path}: embeddings of length {length}, {other} has {expected}; use one embedder")
    embedder_of_all([path, other])
