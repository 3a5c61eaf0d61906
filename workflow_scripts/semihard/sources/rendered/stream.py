"""Sets of rendered faces, batch by batch."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from semihard.errors import InputError
from semihard.sources.rendered.attributes import attributes
from semihard.sources.rendered.factors import hold
from semihard.sources.rendered.morphable import draw_identities
from semihard.sources.rendered.nuisance import draw_nuisance
from semihard.sources.rendered.renderer import render


@dataclass(frozen=True)
class Batch:
    """Rendered faces and how they were made.

    images: uint8 RGB `[b, size, size, 3]`; identity: int64 `[b]`, 0 … identities − 1; index: int64 `[b]`, 0 …
    per_identity − 1; alpha: float32 `[b, ALPHA_DIM]`; theta: float32 `[b, 3]`, degrees of yaw (> 0: towards the image's
    right), pitch (> 0: up) and roll (> 0: counter-clockwise); attributes: name → int8 `[b]`.
    """

    images: np.ndarray
    identity: np.ndarray
    index: np.ndarray
    alpha: np.ndarray
    theta: np.ndarray
    attributes: dict[str, np.ndarray]


def rendered_faces(
    identities: int,
    per_identity: int,
    seed: int,
    first_identity: int = 0,
    size: int = 112,
    batch: int = 64,
    vary: Sequence[str] = (),
) -> Iterator[Batch]:
    """Faces of the identities first_identity .. first_identity + identities - 1 of a seed, identity by identity.

    An image hangs on (seed, first_identity + identity, index) alone: not on the batch size, the order or the number of
    images. Sets of one seed with disjoint ranges of identities share no identity. vary: factors (`factors.FACTORS`) that
    vary, with the values that they have where all do; the others are neutral. None: all vary.
    Raises InputError for counts below 1, a negative seed or a negative first identity.
    """
    wanted = {"identities": identities, "per_identity": per_identity, "batch": batch}
    if wrong := [f"{name} = {value}" for name, value in wanted.items() if value < 1]:
        raise InputError(f"Rendered faces were asked for with {', '.join(wrong)}; each must be at least 1.")
    if first_identity < 0 or not 0 <= seed < 2**63:
        raise InputError(
            f"Rendered faces need first_identity >= 0 and 0 <= seed < 2^63, not {first_identity} and {seed}."
        )
    for start in range(0, identities * per_identity, batch):
        row = np.arange(start, min(start + batch, identities * per_identity))
        identity, index = row // per_identity, row % per_identity
        drawn = np.arange(identity[0], identity[-1] + 1)
        alpha = draw_identities(first_identity + drawn, seed)[identity - drawn[0]]
        nuisance = hold(draw_nuisance(seed, first_identity + identity, index), vary)
        yield Batch(
            images=render(alpha, nuisance, size),
            identity=identity,
            index=index,
            alpha=alpha,
            theta=np.degrees(nuisance.theta),
            attributes=attributes(alpha, nuisance),
        )


def identity_name(seed: int, identity: int) -> str:
    """The name of an identity in every set that has it; `identity` counts from the seed's first, not the set's."""
    return f"rendered-{seed}-{identity:05d}"
