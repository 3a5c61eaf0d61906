"""Guidance away from another identity (NegFaceDiff, ICCV Workshops 2025)."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import torch

from semihard.compute.seeds import seed_for
from semihard.generator.conditions import Condition
from semihard.generator.settings import SyntheticFaces
from semihard.generator.samplers import Predict

ROWS = 8192  # of inquiries, compared with a batch's identities at once


@dataclass(frozen=True)
class Condition:
    """Conditions of n images, on the CPU. identity: C_id, unit `[n, D]`; m: `[n]`; partner int32 `[n]`, −1 for none, and
    φ float32 `[n]`: the two-hot label φ of the identity, 1 − φ of the partner; negative: C_neg, unit `[n, D]`."""

    identity: torch.Tensor
    m: torch.Tensor
    partner: np.ndarray
    phi: np.ndarray
    negative: torch.Tensor | None = None


def draw_conditions(
    settings: SyntheticFaces, inquiries: torch.Tensor, identity: np.ndarray, index: np.ndarray
) -> Condition:
    """The condition of the images (identity, index): the inquiry at similarity m (CemiFace, NeurIPS 2024, Sec. 3.3),
    changed by the operators that the settings name."""
    n = len(identity)
    m = torch.tensor((settings.similarity, *settings.further_similarities))[
        index % (1 + len(settings.further_similarities))
    ]
    condition = Condition(inquiries[identity], m, np.full(n, -1, np.int32), np.ones(n, np.float32))
    images = (settings, inquiries, identity, index)
    if settings.identity_mixup:
        condition = mix_identity(*images, condition)
    if settings.angular_perturbation is not None:
        condition = perturb_identity(*images, condition)
    if settings.negative_identity:
        condition = add_negative(*images, condition)
    return condition


def mix_identity(
    settings: SyntheticFaces, inquiries: torch.Tensor, identity: np.ndarray, index: np.ndarray, condition: Condition
) -> Condition:
    """φ C_i + (1 − φ) C_j (SynFace, ICCV 2021, identity mixup, on embeddings instead of 3DMM coefficients)."""
    sizes = (settings.per_identity, settings.identities)
    drawn = {i: draw_partners(settings.seed, i, *sizes) for i in np.unique(identity).tolist()}
    partner, phi = (np.array([drawn[i][part][k] for i, k in zip(identity, index, strict=True)]) for part in (0, 1))
    mixed = mix_conditions(condition.identity, inquiries[partner], torch.from_numpy(phi))
    return replace(condition, identity=mixed, partner=partner, phi=phi)


def perturb_identity(
    settings: SyntheticFaces, inquiries: torch.Tensor, identity: np.ndarray, index: np.ndarray, condition: Condition
) -> Condition:
    """c C_id + √(1 − c²) u, c uniform between the bound and 1, u a uniform direction orthogonal to C_id (IDperturb,
    CVPR 2026)."""
    cosine, direction = [], []
    for i, k in zip(identity.tolist(), index.tolist(), strict=True):
        random = np.random.default_rng(seed_for(settings.seed, "perturbation", i, k))
        cosine.append(random.uniform(settings.angular_perturbation, 1))
        direction.append(random.standard_normal(inquiries.shape[1], np.float32))
    c = torch.tensor(cosine, dtype=torch.float32)[:, None]
    u = torch.from_numpy(np.stack(direction))
    own = condition.identity
    u = nn.functional.normalize(u - (u * own).sum(1, keepdim=True) * own)
    return replace(condition, identity=nn.functional.normalize(c * own + (1 - c.square()).clamp_min(0).sqrt() * u))


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


def steer(settings: SyntheticFaces, condition: Condition, predict: Predict, conditioned: Callable[[torch.Tensor], Predict]) -> Predict:
    """`predict` steered away from C_neg; conditioned: gives ε′ under another identity condition `[n, D]`."""
    return guided(predict, conditioned(condition.negative), settings.negative_identity.weight)


@dataclass(frozen=True)
class Condition:
    """Conditions of n images, on the CPU. identity: C_id, unit `[n, D]`; m: `[n]`; partner int32 `[n]`, −1 for none, and
    φ float32 `[n]`: the two-hot label φ of the identity, 1 − φ of the partner; negative: C_neg, unit `[n, D]`."""

    identity: torch.Tensor
    m: torch.Tensor
    partner: np.ndarray
    phi: np.ndarray
    negative: torch.Tensor | None = None


def draw_conditions(
    settings: SyntheticFaces, inquiries: torch.Tensor, identity: np.ndarray, index: np.ndarray
) -> Condition:
    """The condition of the images (identity, index): the inquiry at similarity m (CemiFace, NeurIPS 2024, Sec. 3.3),
    changed by the operators that the settings name."""
    n = len(identity)
    m = torch.tensor((settings.similarity, *settings.further_similarities))[
        index % (1 + len(settings.further_similarities))
    ]
    condition = Condition(inquiries[identity], m, np.full(n, -1, np.int32), np.ones(n, np.float32))
    images = (settings, inquiries, identity, index)
    if settings.identity_mixup:
        condition = mix_identity(*images, condition)
    if settings.angular_perturbation is not None:
        condition = perturb_identity(*images, condition)
    if settings.negative_identity:
        condition = add_negative(*images, condition)
    return condition


def mix_identity(
    settings: SyntheticFaces, inquiries: torch.Tensor, identity: np.ndarray, index: np.ndarray, condition: Condition
) -> Condition:
    """φ C_i + (1 − φ) C_j (SynFace, ICCV 2021, identity mixup, on embeddings instead of 3DMM coefficients)."""
    sizes = (settings.per_identity, settings.identities)
    drawn = {i: draw_partners(settings.seed, i, *sizes) for i in np.unique(identity).tolist()}
    partner, phi = (np.array([drawn[i][part][k] for i, k in zip(identity, index, strict=True)]) for part in (0, 1))
    mixed = mix_conditions(condition.identity, inquiries[partner], torch.from_numpy(phi))
    return replace(condition, identity=mixed, partner=partner, phi=phi)


def perturb_identity(
    settings: SyntheticFaces, inquiries: torch.Tensor, identity: np.ndarray, index: np.ndarray, condition: Condition
) -> Condition:
    """c C_id + √(1 − c²) u, c uniform between the bound and 1, u a uniform direction orthogonal to C_id (IDperturb,
    CVPR 2026)."""
    cosine, direction = [], []
    for i, k in zip(identity.tolist(), index.tolist(), strict=True):
        random = np.random.default_rng(seed_for(settings.seed, "perturbation", i, k))
        cosine.append(random.uniform(settings.angular_perturbation, 1))
        direction.append(random.standard_normal(inquiries.shape[1], np.float32))
    c = torch.tensor(cosine, dtype=torch.float32)[:, None]
    u = torch.from_numpy(np.stack(direction))
    own = condition.identity
    u = nn.functional.normalize(u - (u * own).sum(1, keepdim=True) * own)
    return replace(condition, identity=nn.functional.normalize(c * own + (1 - c.square()).clamp_min(0).sqrt() * u))


def add_negative(
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


@dataclass(frozen=True)
class Condition:
    """Conditions of n images, on the CPU. identity: C_id, unit `[n, D]`; m: `[n]`; partner int32 `[n]`, −1 for none, and
    φ float32 `[n]`: the two-hot label φ of the identity, 1 − φ of the partner; negative: C_neg, unit `[n, D]`."""

    identity: torch.Tensor
    m: torch.Tensor
    partner: np.ndarray
    phi: np.ndarray
    negative: torch.Tensor | None = None


def draw_conditions(
    settings: SyntheticFaces, inquiries: torch.Tensor, identity: np.ndarray, index: np.ndarray
) -> Condition:
    """The condition of the images (identity, index): the inquiry at similarity m (CemiFace, NeurIPS 2024, Sec. 3.3),
    changed by the operators that the settings name."""
    n = len(identity)
    m = torch.tensor((settings.similarity, *settings.further_similarities))[
        index % (1 + len(settings.further_similarities))
    ]
    condition = Condition(inquiries[identity], m, np.full(n, -1, np.int32), np.ones(n, np.float32))
    images = (settings, inquiries, identity, index)
    if settings.identity_mixup:
        condition = mix_identity(*images, condition)
    if settings.angular_perturbation is not None:
        condition = perturb_identity(*images, condition)
    if settings.negative_identity:
        condition = add_negative(*images, condition)
    return condition


def mix_identity(
    settings: SyntheticFaces, inquiries: torch.Tensor, identity: np.ndarray, index: np.ndarray, condition: Condition
) -> Condition:
    """φ C_i + (1 − φ) C_j (SynFace, ICCV 2021, identity mixup, on embeddings instead of 3DMM coefficients)."""
    sizes = (settings.per_identity, settings.identities)
    drawn = {i: draw_partners(settings.seed, i, *sizes) for i in np.unique(identity).tolist()}
    partner, phi = (np.array([drawn[i][part][k] for i, k in zip(identity, index, strict=True)]) for part in (0, 1))
    mixed = mix_conditions(condition.identity, inquiries[partner], torch.from_numpy(phi))
    return replace(condition, identity=mixed, partner=partner, phi=phi)


def perturb_identity(
    settings: SyntheticFaces, inquiries: torch.Tensor, identity: np.ndarray, index: np.ndarray, condition: Condition
) -> Condition:
    """c C_id + √(1 − c²) u, c uniform between the bound and 1, u a uniform direction orthogonal to C_id (IDperturb,
    CVPR 2026)."""
    cosine, direction = [], []
    for i, k in zip(identity.tolist(), index.tolist(), strict=True):
        random = np.random.default_rng(seed_for(settings.seed, "perturbation", i, k))
        cosine.append(random.uniform(settings.angular_perturbation, 1))
        direction.append(random.standard_normal(inquiries.shape[1], np.float32))
    c = torch.tensor(cosine, dtype=torch.float32)[:, None]
    u = torch.from_numpy(np.stack(direction))
    own = condition.identity
    u = nn.functional.normalize(u - (u * own).sum(1, keepdim=True) * own)
    return replace(condition, identity=nn.functional.normalize(c * own + (1 - c.square()).clamp_min(0).sqrt() * u))


def add_negative(
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
