"""Who belongs to which demographic group: the people of a benchmark, and groups by majority of their images' attributes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from types import MappingProxyType

import numpy as np
from scipy import sparse

from semihard.errors import InputError
from semihard.storage.faceset import FaceSet

BY_NAME = "names"
BY_PAIRS = "genuine pairs"


@dataclass(frozen=True)
class Division:
    """Groups that exclude each other. of: int64 `[I]`, the group of each identity, −1 in none; label_accuracy: float64 `[G]`,
    balanced accuracy of the attribute that decides, NaN where unknown."""

    name: str
    groups: tuple[str, ...]
    of: np.ndarray
    label_accuracy: np.ndarray


def people(faces: FaceSet, first: np.ndarray, second: np.ndarray, same: np.ndarray) -> tuple[np.ndarray, str]:
    """The identity of each image, int64 `[N]`, 0 … I−1, and by what it is known.

    By the names of the face set where every image has one. Else (a `.bin`) two images of a genuine pair are one person, and
    so is a chain of such pairs, as a photograph is stored once: who occurs in pairs that nothing links counts as several.
    Raises InputError where a genuine pair has two names.
    """
    if (faces.identity >= 0).all():
        identity = np.unique(faces.identity, return_inverse=True)[1]
        if len(wrong := np.flatnonzero(same & (identity[first] != identity[second]))):
            raise InputError(f"{faces.path}: pair {wrong[0]} is genuine, of two names; import the benchmark again")
        return identity, BY_NAME
    links = sparse.coo_array((np.ones(same.sum()), (first[same], second[same])), (len(faces),) * 2)
    return sparse.csgraph.connected_components(links, directed=False)[1].astype(np.int64), BY_PAIRS


def majority(label: np.ndarray, identity: np.ndarray) -> np.ndarray:
    """What most images of each identity say, int8 `[I, A]`: 1 present, 0 absent, −1 where they tie or none is defined.

    label: int8 `[N, A]` of 1, 0, −1 (undefined); identity: int `[N]`.
    """
    votes = np.zeros((identity.max(initial=-1) + 1, label.shape[1]), np.int64)
    np.add.at(votes, identity, np.where(label == 1, 1, np.where(label == 0, -1, 0)))
    return np.where(votes > 0, 1, np.where(votes < 0, 0, -1)).astype(np.int8)


def divisions(
    wanted: Sequence[str],
    names: Sequence[str],
    of_identity: np.ndarray,
    label_accuracy: np.ndarray,
    families: Mapping[str, Sequence[str]] = MappingProxyType({}),
) -> list[Division]:
    """The divisions that `wanted` asks for.

    wanted: attributes, or families of them; names: all attributes, A of them; of_identity: int8 `[I, A]` as of `majority`;
    label_accuracy: float64 `[A]`; families: family → attributes that exclude each other. A family, or what is named of it,
    is a division: an identity is in the group that alone is present, in none where two are or none is. Any other attribute
    divides into those with and those without it. Raises InputError for a name that is neither.
    """
    family_of = {attribute: family for family, members in families.items() for attribute in members}
    asked: dict[str, list[str]] = {}
    for name in wanted:
        members = [member for member in families.get(name, ()) if member in names] or [name]
        if members == [name] and name not in names:
            known = [*names, *families]
            close = get_close_matches(name, known, 1)
            hint = f"did you mean {close[0]!r}?" if close else f"there are: {', '.join(known)}"
            raise InputError(f"study.fairness.groups: {name!r} is no attribute of the classifier; {hint}")
        for member in members:
            asked.setdefault(family_of.get(member, member), []).append(member)
    place = {name: column for column, name in enumerate(names)}
    found = []
    for name, members in asked.items():
        members = list(dict.fromkeys(members))
        columns = [place[member] for member in members]
        present = of_identity[:, columns] == 1
        if len(members) > 1:
            of = np.where(present.sum(1) == 1, present.argmax(1), -1)
            found.append(Division(name, tuple(members), of, label_accuracy[columns]))
        else:
            of = np.array([1, 0, -1])[of_identity[:, columns[0]]]  # present, absent and (at −1) undefined
            groups = (members[0], f"not {members[0]}")
            found.append(Division(members[0], groups, of, np.repeat(label_accuracy[columns], 2)))
    return found
