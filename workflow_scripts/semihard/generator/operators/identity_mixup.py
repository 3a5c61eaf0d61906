"""Identity mixup of conditions (SynFace, ICCV 2021)."""

from dataclasses import replace

import numpy as np
import torch

from semihard.generator.conditions import Condition
from semihard.generator.settings import SyntheticFaces
from semihard.similarity.mixup import draw_partners, mix_conditions


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


def change(
    settings: SyntheticFaces, inquiries: torch.Tensor, identity: np.ndarray, index: np.ndarray, condition: Condition
) -> Condition:
    """φ C_i + (1 − φ) C_j (SynFace, ICCV 2021, identity mixup, on embeddings instead of 3DMM coefficients)."""
    sizes = (settings.per_identity, settings.identities)
    drawn = {i: draw_partners(settings.seed, i, *sizes) for i in np.unique(identity).tolist()}
    partner, phi = (np.array([drawn[i][part][k] for i, k in zip(identity, index, strict=True)]) for part in (0, 1))
    mixed = mix_conditions(condition.identity, inquiries[partner], torch.from_numpy(phi))
    return replace(condition, identity=mixed, partner=partner, phi=phi)
