"""Conditions turned by a random angle (IDperturb, CVPR 2026)."""

from dataclasses import replace

import numpy as np
import torch
from torch import nn

from semihard.compute.seeds import seed_for
from semihard.generator.conditions import Condition
from semihard.generator.settings import SyntheticFaces


def change(
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
