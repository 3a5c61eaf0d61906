"""Identity mixup of conditions (SynFace, ICCV 2021)."""

from dataclasses import replace

import numpy as np
import torch

from semihard.generator.conditions import Condition
from semihard.generator.settings import SyntheticFaces
from semihard.similarity.mixup import draw_partners, mix_conditions


def change(
    settings: SyntheticFaces, inquiries: torch.Tensor, identity: np.ndarray, index: np.ndarray, condition: Condition
) -> Condition:
    """φ C_i + (1 − φ) C_j (SynFace, ICCV 2021, identity mixup, on embeddings instead of 3DMM coefficients)."""
    sizes = (settings.per_identity, settings.identities)
    drawn = {i: draw_partners(settings.seed, i, *sizes) for i in np.unique(identity).tolist()}
    partner, phi = (np.array([drawn[i][part][k] for i, k in zip(identity, index, strict=True)]) for part in (0, 1))
    mixed = mix_conditions(condition.identity, inquiries[partner], torch.from_numpy(phi))
    return replace(condition, identity=mixed, partner=partner, phi=phi)
