"""The similarities m that a generator is trained on."""

from dataclasses import dataclass

import numpy as np
import torch


@dataclass(frozen=True)
class SimilarityRange:
    """m_min to m_max by steps of m_step, continuous where that is 0."""

    m_min: float
    m_max: float
    m_step: float

    @classmethod
    def of(cls, options: dict) -> "SimilarityRange":
        """Of what a generator's file says of its method."""
        return cls(options["m_min"], options["m_max"], options["m_step"])

    @property
    def steps(self) -> int:
        """How many whole steps there are."""
        return int((self.m_max - self.m_min) / self.m_step + 1e-6) if self.m_step else 0

    @property
    def greatest(self) -> float:
        """The greatest similarity that is trained on."""
        return self.m_min + self.steps * self.m_step if self.m_step else self.m_max

    def grid(self) -> torch.Tensor:
        """The discrete similarities m_min, m_min + m_step, … up to m_max, float32 `[G]`; 51 of a continuous range.

        Discrete, because a generator trained on a continuous m ignores it (CemiFace).
        """
        if not self.m_step:
            return torch.linspace(self.m_min, self.m_max, 51)
        return self.m_min + self.m_step * torch.arange(self.steps + 1, dtype=torch.float64).to(torch.float32)

    def evenly(self, count: int) -> np.ndarray:
        """`count` similarities from m_min to m_max, float64, or the only one there is."""
        return np.linspace(self.m_min, self.m_max, count if self.m_min < self.m_max else 1)
