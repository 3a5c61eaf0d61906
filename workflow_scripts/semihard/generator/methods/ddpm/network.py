"""The unconditional denoiser."""

from collections.abc import Callable

import torch
from diffusers import DDPMScheduler

from semihard.generator.model_file import GeneratorSpec
from semihard.generator.network import Denoiser


def build(spec: GeneratorSpec, schedule: DDPMScheduler) -> Denoiser:
    """The network with fresh weights."""
    return UnconditionalUNet(spec.network, spec.image_size, schedule)


def empty_conditions(spec: GeneratorSpec, empty: Callable[..., torch.Tensor]) -> list[torch.Tensor]:
    """Nothing: the network takes x_t and t alone."""
    return []


class UnconditionalUNet(Denoiser):
    """ε′ = net(x_t, t) (DDPM; Ho et al., NeurIPS 2020). "dcface_112": 93.6 M parameters, 38.4 GMAC at 112 pixels."""

    def __init__(self, network: str, image_size: int, schedule: DDPMScheduler):
        super().__init__(network, image_size, schedule, conditional=False)

    def forward(self, x_t: torch.Tensor, t: torch.Tensor) -> torch.Tensor:
        """Predicted noise, of the shape of x_t."""
        return self.predict(x_t, t)
