"""Knobs of DDPM (Ho et al., NeurIPS 2020), and what it needs."""

from typing import ClassVar, Literal

from semihard.generator.settings import Diffusion


class UnconditionalGenerator(Diffusion):
    """A plain DDPM (Ho et al., NeurIPS 2020): makes the inquiries that are no person's photograph."""

    conditioned_on: ClassVar = "nothing"

    method: Literal["ddpm"]
