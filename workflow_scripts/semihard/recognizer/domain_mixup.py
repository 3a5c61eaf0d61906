"""Domain mixup: X = ψ X_syn + (1 − ψ) X_real in pixels, synthetic and real identities as joint classes.

SynFace (ICCV 2021), Sec. 3.4.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from semihard.compute.engine import batch_indices
from semihard.compute.seeds import seed_for
from semihard.errors import InputError
from semihard.recognizer.settings import DomainMixup
from semihard.recognizer.training_set import TrainingSet

GRID = 21  # ψ of 0, 0.05 … 1


@dataclass(frozen=True)
class Draw:
    """What one step mixes in: ψ, the real images `chosen` int64 `[n]`, their labels and weights `[n, J]`."""

    psi: float
    chosen: np.ndarray
    label: Tensor
    weight: Tensor

    def joint(self, label: Tensor, weight: Tensor) -> tuple[Tensor, Tensor]:
        """Synthetic labels and weights `[n, J]` with the real ones beside them: (ψ weight, (1 − ψ) real weight)."""
        return torch.cat([label, self.label], 1), torch.cat([self.psi * weight, (1 - self.psi) * self.weight], 1)

    def pixels(self, x: Tensor, real: Tensor) -> Tensor:
        """ψ x + (1 − ψ) real, images `[n, 3, h, w]`."""
        return self.psi * x + (1 - self.psi) * real


class RealFaces:
    """The real faces that are mixed in; their classes follow those of the synthetic set.

    Attributes: faces; names (of the joint classes). Raises InputError where a name is in both sets, unless the settings
    take both for one person.
    """

    def __init__(self, path: Path | str, synthetic: list[str], settings: DomainMixup, seed: int):
        self.faces = TrainingSet(path)
        both = sorted(set(synthetic) & set(self.faces.names))
        if both and settings.same_names == "refuse":
            raise InputError(
                f"{path}: identity {both[0]!r} ({len(both)} in all) is in the synthetic set too; domain mixup needs real "
                "identities of other names, or `same_names: one_class` where they are the same people"
            )
        place = {name: k for k, name in enumerate([*synthetic, *(n for n in self.faces.names if n not in set(both))])}
        self.names = list(place)
        self.faces.label = torch.tensor([place[name] for name in self.faces.names])[self.faces.label]
        self._seed = seed_for(seed, "real")

    def draw(self, step: int, batch: int) -> Draw:
        """The draw of step `step`: ψ once per batch from 0, 0.05 … 1, and the next `batch` real images, epoch after epoch."""
        psi = int(torch.randint(GRID, ())) / (GRID - 1)
        chosen = batch_indices(step, batch, len(self.faces), self._seed)
        return Draw(psi, chosen, *self.faces.targets(chosen))
