"""The pairs of a benchmark that is audited for fairness, who is in them, and the groups of these people."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from semihard.errors import InputError
from semihard.storage import schemas
from semihard.storage.artifacts import read_artifact, read_attributes
from semihard.storage.faceset import FaceSet
from semihard.verification.demographic_groups import BY_NAME, BY_PAIRS, Division, divisions, majority, people
from semihard.verification.protocol import verify

log = logging.getLogger("semihard")
GROUPED = "group"  # the division that benchmarks of one group each make


@dataclass(frozen=True)
class Benchmark:
    """faces, pairs, verification: its artifacts; group: whose all its pairs are; or attributes: artifact of its faces."""

    faces: Path | str
    pairs: Path | str
    verification: Path | str
    group: str = ""
    attributes: Path | str | None = None


@dataclass(frozen=True)
class Pairs:
    """Pairs of one or more benchmarks, `[P]` each: distance, genuine or not, both people (int64, 0 … people−1), judged
    rightly at the common and at their own benchmark's threshold; by: how people are known."""

    distance: np.ndarray
    same: np.ndarray
    first: np.ndarray
    second: np.ndarray
    right: np.ndarray
    right_own: np.ndarray
    people: int
    by: str


def read_pairs(benchmarks: Sequence[Benchmark]) -> tuple[Pairs, list[np.ndarray]]:
    """All pairs, and per benchmark the person of each image, int64 `[N]`, numbered through all benchmarks.

    Raises InputError where verification, pairs and face set are of different benchmarks, or these have different folds.
    """
    identities, by, known, rows = [], set(), 0, []
    for one in benchmarks:
        faces, pairs = FaceSet(one.faces), read_artifact(one.pairs, schemas.BENCHMARK)
        result = read_artifact(one.verification, schemas.VERIFICATION)
        if not np.array_equal(pairs["same"], result["same"]):
            raise InputError(f"{one.verification}: is of other pairs than {one.pairs}; verify the benchmark again")
        if max(pairs["first"].max(), pairs["second"].max()) >= len(faces):
            raise InputError(f"{one.pairs}: a pair names an image beyond the {len(faces)} of {faces.path}")
        identity, how = people(faces, pairs["first"], pairs["second"], pairs["same"])
        by.add(how)
        identities.append(identity + known)
        known += int(identity.max()) + 1
        own = (result["distance"] < result["threshold"][result["fold"]]) == result["same"]
        persons = (identities[-1][pairs[side]] for side in ("first", "second"))
        rows.append((result["distance"], result["same"], *persons, own, result["fold"]))
    distance, same, first, second, own, fold = (np.concatenate(parts) for parts in zip(*rows, strict=True))
    right = own
    if len(benchmarks) > 1:
        folds = {int(part[-1].max()) + 1 for part in rows}
        if len(folds) > 1:
            raise InputError(
                f"{benchmarks[0].pairs} and others: benchmarks of {sorted(folds)} folds have no common threshold; give "
                "them the same folds"
            )
        kind = str(read_attributes(benchmarks[0].verification, schemas.VERIFICATION).get("thresholds", "grid"))
        right = (distance < verify(distance, same, fold, kind).threshold[fold]) == same
    if wrong := np.count_nonzero(~same & (first == second)):
        log.warning("%d impostor pairs of %s are of one person, by %s", wrong, benchmarks[0].pairs, min(by))
    named = BY_NAME if by == {BY_NAME} else BY_PAIRS
    return Pairs(distance, same, first, second, right, own, known, named), identities


def divisions_of(
    wanted: Sequence[str],
    benchmarks: Sequence[Benchmark],
    identities: Sequence[np.ndarray],
    pairs: Pairs,
    families: Mapping[str, Sequence[str]],
) -> list[Division]:
    """The groups that `benchmarks` are of or, of one that is annotated, those that `wanted` and `families` name (`divisions`).

    identities: as of `read_pairs`. Raises InputError where there is one group, or the labels are of another benchmark.
    """
    if benchmarks[0].attributes is None:
        groups = tuple(dict.fromkeys(one.group for one in benchmarks))
        if len(groups) < 2:
            raise InputError(
                f"{benchmarks[0].pairs}: all pairs are of the group {groups[0]!r}; fairness compares two or more"
            )
        of = np.zeros(pairs.people, np.int64)
        for one, identity in zip(benchmarks, identities, strict=True):
            of[identity] = groups.index(one.group)
        return [Division(GROUPED, groups, of, np.full(len(groups), np.nan))]
    (path,), (identity,) = (one.attributes for one in benchmarks), identities
    attributes = read_artifact(path, schemas.ATTRIBUTES)
    if len(attributes["label"]) != len(identity):
        raise InputError(
            f"{path}: has labels of {len(attributes['label'])} images, {benchmarks[0].faces} has {len(identity)}; it is of "
            "another benchmark, annotate this one"
        )
    decided = majority(attributes["label"], identity)
    return divisions(wanted, list(attributes["name"]), decided, attributes["kept_accuracy"], families)
