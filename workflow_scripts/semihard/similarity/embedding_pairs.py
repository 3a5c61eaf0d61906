"""What the audits share: unit embeddings, who differs from whom, and pairs of images drawn fairly."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import h5py
import numpy as np
import torch

from semihard.errors import InputError
from semihard.storage import schemas
from semihard.storage.artifacts import open_artifact, read_attributes
from semihard.storage.faceset import FaceSet

PAIRS_AT_ONCE = 1 << 16


@contextmanager
def open_embeddings(path: Path | str, count: int) -> Iterator[h5py.File]:
    """The artifact "embeddings" of a face set of `count` images, opened for reading.

    Raises InputError where it was made of another number of images.
    """
    with open_artifact(path, schemas.EMBEDDINGS) as h5:
        rows = len(h5["embedding"])
        if rows != count:
            raise InputError(f"{path}: {rows} embeddings for the {count} images of its face set; embed that set again")
        yield h5


def unit_embeddings(path: Path | str, faces: FaceSet) -> torch.Tensor:
    """The embeddings of `faces` scaled to length 1: float32 `[N, D]`, on the CPU. Raises what open_embeddings does."""
    with open_embeddings(path, len(faces)) as h5:
        return torch.nn.functional.normalize(torch.from_numpy(h5["embedding"][:]))


def embedder_of_all(paths: Sequence[Path | str]) -> str:
    """The digest of the embedder that all these embeddings are by. Raises InputError where they are by several."""
    by = [str(read_attributes(path, schemas.EMBEDDINGS).get("embedder", "")) for path in paths]
    for path, embedder in zip(paths, by, strict=True):
        if embedder != by[0]:
            raise InputError(
                f"{path}: is by the embedder {embedder[:12] or 'not stated'}, {paths[0]} by {by[0][:12] or 'not stated'}: a "
                "cosine across two embedders means nothing; embed both with one"
            )
    return by[0]


def identity_of_each(faces: FaceSet) -> np.ndarray:
    """Identity number of every image, int64 `[N]`. An unlabelled image counts as an identity of its own."""
    identity = faces.identity.astype(np.int64)
    unlabelled = identity < 0
    identity[unlabelled] = len(faces.identity_names) + np.arange(unlabelled.sum())
    return identity


def draw_pairs(identity: np.ndarray, same: bool, count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Image pairs of one identity (`same`) or of two: indices int64 `[P]`, `[P]`.

    identity: int64 `[N]`. All pairs where the set has no more than `count` pairs of any kind; else `count` draws, each
    pair of that kind equally likely. Empty where there is no such pair.
    """
    n = len(identity)
    if n * (n - 1) // 2 <= count:
        first, second = np.triu_indices(n, 1)
        wanted = (identity[first] == identity[second]) == same
        return first[wanted], second[wanted]
    order = np.argsort(identity, kind="stable")
    _, start, size = np.unique(identity[order], return_index=True, return_counts=True)
    partners = size - 1 if same else n - size
    weight = (size * partners).astype(np.float64)
    if not weight.any():
        return np.empty(0, np.int64), np.empty(0, np.int64)
    rng = np.random.default_rng(seed)
    drawn = rng.choice(len(size), count, p=weight / weight.sum())
    first = rng.integers(0, size[drawn])
    step = rng.integers(0, partners[drawn])
    second = (first + 1 + step) % size[drawn] if same else (size[drawn] + step) % n
    return order[start[drawn] + first], order[(start[drawn] + second) % n]


def pair_cosines(unit: torch.Tensor, first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Cosine of each pair: float32 `[P]`. unit: `[N, D]`, rows of length 1."""
    parts = [
        (unit[first[at : at + PAIRS_AT_ONCE]] * unit[second[at : at + PAIRS_AT_ONCE]]).sum(1)
        for at in range(0, len(first), PAIRS_AT_ONCE)
    ]
    return torch.cat(parts).numpy() if parts else np.empty(0, np.float32)
