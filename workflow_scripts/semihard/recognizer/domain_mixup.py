"""Domain mixup: X = ψ X_syn + (1 − ψ) X_real in pixels, synthetic and real identities as joint classes.

SynFace (ICCV 2021), Sec. 3.4.
"""

from pathlib import Path

import torch
from torch import Tensor

from semihard.engine import batch_indices
from semihard.errors import InputError
from semihard.recognizer.augmentation import Augmentation, augment
from semihard.recognizer.labelled import LabelledImages
from semihard.seeds import seed_for

GRID = 21  # ψ of 0, 0.05 … 1


class RealFaces:
    """The real faces that are mixed in; their classes follow those of the synthetic set.

    Attributes: names (of the joint classes). Raises InputError where a name is in both sets: they would be one class.
    """

    def __init__(self, path: Path | str, size: tuple[int, int], device: torch.device, synthetic: list[str], seed: int):
        self.faces = LabelledImages(path, size, device, first_class=len(synthetic))
        both = sorted(set(synthetic) & set(self.faces.names))
        if both:
            raise InputError(
                f"{path}: identity {both[0]!r} ({len(both)} in all) is in the synthetic set too; "
                "domain mixup needs real identities of other names"
            )
        self.names = synthetic + self.faces.names
        self.seed = seed_for(seed, "real")

    def mix(
        self, step: int, x: Tensor, label: Tensor, weight: Tensor, settings: Augmentation
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Images `[n, 3, h, w]` in [−1, 1], labels and weights `[n, J]` of step `step` with real ones mixed in.

        ψ is drawn once per batch from 0, 0.05 … 1; weights become (ψ weight, (1 − ψ) real weight). The real list is
        cycled, one epoch of its own after the other.
        """
        psi = int(torch.randint(GRID, ())) / (GRID - 1)
        real, real_label, real_weight = self.faces.batch(batch_indices(step, len(x), len(self.faces), self.seed))
        mixed = psi * x + (1 - psi) * augment(real, settings)
        return mixed, torch.cat([label, real_label], 1), torch.cat([psi * weight, (1 - psi) * real_weight], 1)
