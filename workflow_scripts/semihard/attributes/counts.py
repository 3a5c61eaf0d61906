"""What a comparison needs of an annotated set: sums over groups of identities, from which any resampling follows.

Intervals and nulls resample identities, not images: two photographs of a person are not two witnesses. Of a set with more
than 2,000 identities, groups of them are resampled, dealt at random: their sums have the same variance, and memory does
not grow with the set.
"""

import copy
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import h5py
import numpy as np

from semihard.errors import UnmeasurableError
from semihard.storage import schemas
from semihard.storage.artifacts import open_artifact

GROUPS = 2000
BLOCK = 65536
FEWEST_IDENTITIES = 10
SEED = 0
LEVEL = 0.05  # of an interval and of a floor


@dataclass(frozen=True)
class Counts:
    """Sums of one set over its groups of identities, copies of inquiries left out.

    total: images `[G]`; defined, present: labels `[G, A]`; probability: its sum over all images `[G, A]`; agreeing: sum over
    identities with two labels or more of the share of their image pairs that agree, and judged, how many identities those are,
    `[G, A]`; pairs, agreeing_pairs: image pairs of one identity and those that agree `[G, A]`; cells: images in each cell of
    the joint distribution asked for, `[G, C]`; edges: tables of attribute pairs along a tree `[G, A−1, 2, 2]`, by parent
    and child. name: the set's; identities: how many.
    """

    name: str
    identities: int
    total: np.ndarray
    defined: np.ndarray
    present: np.ndarray
    probability: np.ndarray
    agreeing: np.ndarray
    judged: np.ndarray
    pairs: np.ndarray
    agreeing_pairs: np.ndarray
    cells: np.ndarray
    edges: np.ndarray

    @property
    def groups(self) -> int:
        """G."""
        return len(self.total)

    @cached_property
    def images(self) -> int:
        """How many images."""
        return int(self.total.sum())


class Annotated:
    """An artifact "attributes" opened for counting. Raises UnmeasurableError where it has fewer than ten identities, which a
    bootstrap needs at least."""

    def __init__(self, name: str, path: Path | str):
        self.name, self.path = name, path
        with open_artifact(path, schemas.ATTRIBUTES) as h5:
            self.names: list[str] = h5["name"].asstr()[:].tolist()
            self.own = h5["own"][:]
            self.known = {key: h5[key][:] for key in ("accuracy", "kept_accuracy", "sensitivity", "specificity")}
            self.columns = {key: values[:] for key, values in h5.get("columns", {}).items()}
            _, self.person = np.unique(h5["identity"][:], return_inverse=True)
        self._check()

    def _check(self) -> None:
        self.identities = len(np.unique(self.person[self.own]))
        if self.identities < FEWEST_IDENTITIES:
            raise UnmeasurableError(
                f"{self.path}: {self.identities} identities; intervals resample identities, and {FEWEST_IDENTITIES} at least are "
                "needed"
            )

    def only(self, inside: np.ndarray) -> "Annotated":
        """The same, of the images `inside`, bool `[N]`, alone. Raises UnmeasurableError as the whole does."""
        part = copy.copy(self)
        part.own = self.own & inside
        part._check()
        return part

    def blocks(self, dataset: str) -> Iterator[tuple[slice, np.ndarray]]:
        """Blocks of rows of a dataset, in order."""
        with open_artifact(self.path, schemas.ATTRIBUTES) as h5:
            values: h5py.Dataset = h5[dataset]
            for start in range(0, len(values), BLOCK):
                rows = slice(start, min(start + BLOCK, len(values)))
                yield rows, values[rows]

    def tables(self) -> np.ndarray:
        """How often each two attributes are absent or present together, both defined: float64 `[A, A, 2, 2]`."""
        count = len(self.names)
        found = np.zeros((count, count, 2, 2))
        for rows, label in self.blocks("label"):
            sides = [(label[self.own[rows]] == side).astype(np.float32) for side in (0, 1)]
            for a in (0, 1):
                for b in (0, 1):
                    found[:, :, a, b] += sides[a].T @ sides[b]
        return found

    def count(self, tree: Sequence[tuple[int, int]], cell_of: Callable[[np.ndarray], np.ndarray], cells: int) -> Counts:
        """The sums. tree: pairs (parent, child) of attributes; cell_of: of probabilities `[n, A]`, the cell of each image in
        0 … cells − 1."""
        groups = min(self.identities, GROUPS)
        of_group = np.random.default_rng(SEED).permutation(self.person.max() + 1) % groups
        shape = (groups, len(self.names))
        people = self.person.max() + 1
        by_person = {key: np.zeros((people, len(self.names)), np.int32) for key in ("defined", "present")}
        total = np.zeros(people, np.int64)
        probability = np.zeros(shape)
        in_cells = np.zeros((groups, cells))
        edges = np.zeros((groups, len(tree), 2, 2))
        parent, child = (np.array([edge[end] for edge in tree], np.int64) for end in (0, 1))
        for (rows, label), (_, chance) in zip(self.blocks("label"), self.blocks("probability"), strict=True):
            own = self.own[rows]
            label, chance, person = label[own], chance[own].astype(np.float32), self.person[rows][own]
            group = of_group[person]
            _sum_by(person, label >= 0, by_person["defined"])
            _sum_by(person, label == 1, by_person["present"])
            total += np.bincount(person, minlength=people)
            _sum_by(group, chance, probability)
            if cells:
                np.add.at(in_cells, (group, cell_of(chance)), 1)
            for a in (0, 1):
                for b in (0, 1):
                    both = (label[:, parent] == a) & (label[:, child] == b)
                    _sum_by(group, both, edges[:, :, a, b])
        sums = {key: np.zeros(shape) for key in ("defined", "present", "agreeing", "judged", "pairs", "agreeing_pairs")}
        for a in range(len(self.names)):  # one after the other: of an unlabelled set, people are as many as images
            n, s = (by_person[key][:, a].astype(np.float64) for key in ("defined", "present"))
            pairs, agreeing = n * (n - 1), s * (s - 1) + (n - s) * (n - s - 1)
            share = np.divide(agreeing, pairs, out=np.zeros_like(pairs), where=pairs > 0)
            for key, values in zip(sums, (n, s, share, pairs > 0, pairs, agreeing), strict=True):
                sums[key][:, a] = np.bincount(of_group, values, minlength=groups)
        images = np.bincount(of_group, total, minlength=groups)
        return Counts(self.name, self.identities, images, probability=probability, cells=in_cells, edges=edges, **sums)


def _sum_by(of: np.ndarray, values: np.ndarray, into: np.ndarray) -> None:
    """Add the rows `values` `[n, A]` to the rows `of` `[n]` of `into`."""
    order = np.argsort(of, kind="stable")
    starts = np.flatnonzero(np.r_[True, np.diff(of[order]) != 0]) if len(of) else np.empty(0, np.int64)
    if len(starts):
        into[of[order][starts]] += np.add.reduceat(values[order], starts, axis=0, dtype=into.dtype)


def resamples(groups: int, count: int, seed: int = SEED) -> np.ndarray:
    """Bootstrap weights of groups of identities, drawn with replacement: float32 `[count, groups]`, each row of sum `groups`."""
    random = np.random.default_rng(seed)
    return random.multinomial(groups, np.full(groups, 1 / groups), count).astype(np.float32)


def halves(groups: int, count: int, seed: int = SEED) -> tuple[np.ndarray, np.ndarray]:
    """Weights of groups, float32 `[count, groups]` each: the first half and the second, of equal size, at random."""
    place = np.argsort(np.random.default_rng(seed).random((count, groups)), axis=1)
    half = groups // 2
    return (place < half).astype(np.float32), ((place >= half) & (place < 2 * half)).astype(np.float32)


def interval(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The 95 % percentile interval along the first axis, NaN left out; NaN where nothing is left."""
    empty = np.isnan(values).all(axis=0)
    low, high = np.nanquantile(np.where(empty, 0, values), [LEVEL / 2, 1 - LEVEL / 2], axis=0)
    return np.where(empty, np.nan, low), np.where(empty, np.nan, high)
