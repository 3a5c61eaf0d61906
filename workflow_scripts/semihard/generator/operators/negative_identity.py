"""Guidance away from another identity (NegFaceDiff, ICCV Workshops 2025)."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import torch

from semihard.compute.seeds import seed_for
from semihard.generator.conditions import Condition
from semihard.generator.samplers import Predict
from semihard.generator.settings import SyntheticFaces

ROWS = 8192  # of inquiries, compared with a batch's identities at once


def change(
    settings: SyntheticFaces, inquiries: torch.Tensor, identity: np.ndarray, index: np.ndarray, condition: Condition
) -> Condition:
    """C_neg, another identity's inquiry: the closest, median or farthest to this identity's by cosine, or a random one
    per image (NegFaceDiff, ICCV Workshops 2025). What an image is mixed with or turned by does not enter."""
    which = settings.negative_identity.identity
    count = settings.identities
    if which == "random":
        seeds = (
            seed_for(settings.seed, "negative", i, k) for i, k in zip(identity.tolist(), index.tolist(), strict=True)
        )
        other = np.array([np.random.default_rng(seed).integers(count - 1) for seed in seeds])
        other += other >= identity
    else:
        present, inverse = np.unique(identity, return_inverse=True)
        other = ranked_others(inquiries[:count], present, which)[inverse]
    return replace(condition, negative=inquiries[other])


def steer(
    settings: SyntheticFaces, condition: Condition, predict: Predict, conditioned: Callable[[torch.Tensor], Predict]
) -> Predict:
    """`predict` steered away from C_neg; conditioned: gives ε′ under another identity condition `[n, D]`."""
    return guided(predict, conditioned(condition.negative), settings.negative_identity.weight)


def ranked_others(inquiries: torch.Tensor, rows: np.ndarray, which: str) -> np.ndarray:
    """For each of `rows` of `inquiries` `[Q, D]` the "closest", "median" or "farthest" other row by cosine, int64.

    Blocked: memory is that of the cosines of `rows`. Double precision, so that the choice is the same in any batch.
    """
    own = inquiries[rows].double()
    cosine = torch.cat([own @ block.double().T for block in inquiries.split(ROWS)], 1)
    cosine[torch.arange(len(rows)), torch.from_numpy(rows)] = torch.inf  # itself comes last, whatever is asked for
    others = len(inquiries) - 1
    rank = {"farthest": 1, "median": (others + 1) // 2, "closest": others}[which]
    return cosine.kthvalue(rank, 1).indices.numpy()


def guided(predict: Predict, away: Predict, weight: float) -> Predict:
    """ε(C_id) + w (ε(C_id) − ε(C_neg)): `predict` given C_id, `away` given C_neg (NegFaceDiff, ICCV Workshops 2025).

    Two calls and not one of twice the batch: the batch fills the device as it is, so one call would be no faster and
    would take twice the memory.
    """

    def both(x_t: torch.Tensor, t: torch.Tensor) -> torch.Tensor:
        eps = predict(x_t, t).float()
        return eps + weight * (eps - away(x_t, t).float())

    return both
