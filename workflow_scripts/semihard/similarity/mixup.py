"""Identity mixup (SynFace, ICCV 2021): each image of an identity is mixed with a partner by its own φ.

SynFace mixes 3DMM coefficients; CemiFace's generator is mixed on its condition. Both draw partners and φ here.
"""

import numpy as np
import torch

from semihard.compute.seeds import seed_for

PHI_STEPS = 20  # φ ∈ {0, 0.05, …, 1}


def draw_partners(seed: int, identity: int, per_identity: int, identities: int) -> tuple[np.ndarray, np.ndarray]:
    """Partner and weight of each image of one identity: int32 `[per_identity]` and float32 `[per_identity]`.

    A function of (seed, identity): partners are other identities, none twice before all have been drawn; φ is uniform
    over {0, 0.05, …, 1}, the share of the identity itself. Fewer images get the same first draws. `identities` is at
    least 2.
    """
    random = np.random.default_rng(seed_for(seed, "mixup", identity))
    rounds = [random.permutation(identities - 1) for _ in range(-(-per_identity // (identities - 1)))]
    partner = np.concatenate(rounds)[:per_identity]
    partner += partner >= identity
    weights = np.random.default_rng(seed_for(seed, "phi", identity))
    phi = weights.integers(PHI_STEPS + 1, size=per_identity) / PHI_STEPS
    return partner.astype(np.int32), phi.astype(np.float32)


def mix_conditions(own: torch.Tensor, partner: torch.Tensor, phi: torch.Tensor) -> torch.Tensor:
    """Unit conditions φ C_i + (1 − φ) C_j. own, partner: unit embeddings `[n, D]`; phi: `[n]`."""
    return torch.nn.functional.normalize(phi[:, None] * own + (1 - phi[:, None]) * partner)
