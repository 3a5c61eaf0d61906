"""What each image of a synthetic face set is conditioned on: its inquiry and a similarity, and what operators do to them."""

from dataclasses import dataclass
from types import ModuleType

import numpy as np
import torch

from semihard.generator.operator import operators
from semihard.generator.settings import SyntheticFaces
from semihard.settings import registry


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
    m_values = torch.tensor((settings.similarity, *settings.mixed_similarities))
    condition = Condition(
        inquiries[identity], m_values[index % len(m_values)], np.full(n, -1, np.int32), np.ones(n, np.float32)
    )
    for operator in modules_of(settings):
        condition = operator.change(settings, inquiries, identity, index, condition)
    return condition


def modules_of(settings: SyntheticFaces) -> list[ModuleType]:
    """The operators that a face set asks for, in the order in which they act."""
    return [registry.load("generator.operators", name) for name in operators(settings)]
