"""Greedy packing: of unit vectors in a row, those less similar than a threshold to every one kept before them.

DCFace's uniqueness of identities (CVPR 2023, Sec. 4.2), and how it and CemiFace (NeurIPS 2024, Sec. 4.1) pick theirs.
"""

import numpy as np
import torch

BLOCK = 2048


class GreedyPacking:
    """What is kept of the vectors given so far, block by block; there may be more to come.

    The same as in one pass over single vectors, whatever the blocks; only a cosine within float32 rounding of
    `threshold` may fall to either side. From 1 on there is no limit: two equal vectors are both kept. Memory: the kept
    vectors, and cosines of one block to another.

    Attributes: threshold; kept, a list of the unit vectors float32 `[s, D]` kept of each block, in order.
    """

    def __init__(self, threshold: float):
        self.threshold = threshold if threshold < 1 else float("inf")
        self.kept: list[torch.Tensor] = []

    def add(self, unit: torch.Tensor) -> tuple[np.ndarray, np.ndarray]:
        """Keep what can be kept of the next vectors, float32 `[b, D]`, rows of length 1, on the CPU.

        Returns their rows int64 `[s]` and the greatest cosine of each to any vector kept before it, float32 `[s]`;
        −∞ for the very first.
        """
        rows, nearest = torch.arange(len(unit)), torch.full((len(unit),), -torch.inf)
        for kept in self.kept:
            nearest = torch.maximum(nearest, (unit @ kept.T).amax(1))
            free = nearest < self.threshold
            rows, unit, nearest = rows[free], unit[free], nearest[free]
        if len(unit):
            cosine = unit @ unit.T
            free = _first_come((cosine >= self.threshold).triu_(1).numpy())
            before = torch.ones(int(free.sum()), int(free.sum()), dtype=torch.bool).tril_(-1)
            earlier = cosine[free][:, free].masked_fill_(~before, -torch.inf)
            rows, unit, nearest = rows[free], unit[free], torch.maximum(nearest[free], earlier.amax(1))
            self.kept.append(unit)
        return rows.numpy(), nearest.numpy()


def pack(unit: torch.Tensor, threshold: float) -> np.ndarray:
    """Greedy packing of float32 `[N, D]`, rows of length 1: the rows kept, int64, in order."""
    packing = GreedyPacking(threshold)
    kept = [at + packing.add(unit[at : at + BLOCK])[0] for at in range(0, len(unit), BLOCK)]
    return np.concatenate([np.empty(0, np.int64), *kept])


def _first_come(close: np.ndarray) -> torch.Tensor:
    """Rows, bool `[b]`, that are close to no earlier one that stays; close: bool `[b, b]`, above the diagonal."""
    stays = np.ones(len(close), bool)
    for row in np.flatnonzero(close.any(1)):  # few rows are close to a later one
        if stays[row]:
            stays &= ~close[row]
    return torch.from_numpy(stays)
