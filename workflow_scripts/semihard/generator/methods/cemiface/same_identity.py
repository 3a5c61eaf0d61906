"""Another photograph of the same person."""

import numpy as np
import torch


class SameIdentity:
    """Draws, for images, others of the same identity.

    identity: of each image, int `[N]`, negative where it has none. Attribute: paired, how many images have another one of
    their identity.
    """

    def __init__(self, identity: np.ndarray):
        alone = identity.max(initial=0) + 1 + np.arange(len(identity))
        labels = np.where(identity < 0, alone, identity)
        _, group, count = np.unique(labels, return_inverse=True, return_counts=True)
        order = np.argsort(group, kind="stable")
        start = np.cumsum(count) - count
        place = np.empty(len(order), np.int64)
        place[order] = np.arange(len(order)) - start[group[order]]
        self.paired = int(count[count > 1].sum())
        self._order, self._start, self._count, self._place = (
            torch.from_numpy(values) for values in (order, start[group], count[group], place)
        )

    def draw(self, images: torch.Tensor) -> torch.Tensor:
        """For each of `images`, int64 `[B]`, one of the others of its identity, all equally likely, by torch's global
        generator; itself where there is none."""
        count = self._count[images]
        ahead = 1 + (torch.rand(len(images)) * (count - 1)).long()
        return self._order[self._start[images] + (self._place[images] + ahead) % count]
