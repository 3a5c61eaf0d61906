"""The Vendi score: how many distinct images a set is worth (Friedman and Dieng, TMLR 2023).

exp of the von Neumann entropy of K / n, where K is the cosine kernel of n unit embeddings: 1 where all are the same, n where
all are orthogonal. The eigenvalues of K / n = X Xᵀ / n, 0 aside, are those of Xᵀ X / n, so that no score exceeds the length D
of the embeddings. It grows with n: only scores over as many images compare.
"""

import numpy as np
import torch

IMAGES = 10_000
OF_IDENTITY = 5  # images of each identity
IDENTITIES_AT_ONCE = 4096


def vendi_scores(unit: torch.Tensor, identity: np.ndarray) -> dict[str, float]:
    """`vendi`, over `vendi_images` images, 10,000 or all, drawn at random; `vendi_within`, the mean over identities of that of
    `vendi_within_images` images of each, drawn at random: 5, of those that have as many; where none has, as many as the
    greatest has.

    unit: float32 `[N, D]`, rows of length 1; identity: int64 `[N]`, one of them of two images.
    """
    rng = np.random.default_rng(0)
    chosen = torch.from_numpy(np.sort(rng.choice(len(unit), min(IMAGES, len(unit)), replace=False)))
    some = unit[chosen].double()
    shuffled = rng.permutation(len(identity))
    order = shuffled[np.argsort(identity[shuffled], kind="stable")]  # by identity, at random within it
    _, start, size = np.unique(identity[order], return_index=True, return_counts=True)
    each = min(OF_IDENTITY, int(size.max()))
    rows = torch.from_numpy(order[start[size >= each][:, None] + np.arange(each)])
    within = [
        exp_entropy(torch.linalg.eigvalsh(x @ x.transpose(1, 2) / each))
        for x in (unit[part].double() for part in rows.split(IDENTITIES_AT_ONCE))
    ]
    return {
        "vendi": float(exp_entropy(torch.linalg.eigvalsh(some.T @ some / len(some)))),
        "vendi_images": float(len(some)),
        "vendi_within": float(torch.cat(within).mean()),
        "vendi_within_images": float(each),
    }


def exp_entropy(eigenvalues: torch.Tensor) -> torch.Tensor:
    """exp(−Σ λ ln λ) over the last dimension, rounding below 0 taken for 0."""
    return torch.special.entr(eigenvalues.clamp_min(0)).sum(-1).exp()
