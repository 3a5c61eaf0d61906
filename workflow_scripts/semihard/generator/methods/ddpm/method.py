"""A plain DDPM (Ho et al., NeurIPS 2020): no label and no embedding enters."""

from collections.abc import Callable

import torch
from diffusers import DDPMScheduler
from torch import nn

from semihard.generator.method import Conditioned, Conditioning, Synthesis, TrainingData, TrainingImages
from semihard.generator.methods.ddpm.settings import UnconditionalGenerator
from semihard.generator.model_file import GeneratorSpec
from semihard.generator.network import Denoiser
from semihard.generator.objective import denoising_loss, noise_schedule
from semihard.generator.samplers import Predict


def options(settings: UnconditionalGenerator, embedder: None) -> dict[str, object]:
    """Nothing but what every generator has."""
    return {}


def build_network(spec: GeneratorSpec, schedule: DDPMScheduler) -> Denoiser:
    """The network with fresh weights."""
    return UnconditionalUNet(spec.network, spec.image_size, schedule)


def empty_conditions(spec: GeneratorSpec, empty: Callable[..., torch.Tensor]) -> list[torch.Tensor]:
    """Nothing: the network takes x_t and t alone."""
    return []


def build_objective(settings: UnconditionalGenerator, data: TrainingData) -> "UnconditionalObjective":
    """L_MSE (Eq. 14)."""
    return UnconditionalObjective(settings, data.device)


def condition_faceset(synthesis: Synthesis) -> Conditioning:
    """Nothing."""
    return lambda identity, index: Conditioned(synthesis.network, {})


def condition_training_images(images: TrainingImages, network: Denoiser, spec: GeneratorSpec, guide: None) -> Predict:
    """Nothing."""
    return network


class UnconditionalUNet(Denoiser):
    """ε′ = net(x_t, t) (DDPM; Ho et al., NeurIPS 2020). "dcface_112": 93.6 M parameters, 38.4 GMAC at 112 pixels."""

    def __init__(self, network: str, image_size: int, schedule: DDPMScheduler):
        super().__init__(network, image_size, schedule, conditional=False)

    def forward(self, x_t: torch.Tensor, t: torch.Tensor) -> torch.Tensor:
        """Predicted noise, of the shape of x_t."""
        return self.predict(x_t, t)


class UnconditionalObjective:
    """L_MSE (Ho et al., NeurIPS 2020, Eq. 14)."""

    def __init__(self, settings: UnconditionalGenerator, device: torch.device):
        self.settings = settings
        self.schedule = noise_schedule(settings.timesteps, settings.beta_start, settings.beta_end)
        self.abar = self.schedule.alphas_cumprod = self.schedule.alphas_cumprod.to(device)

    def draw(self, rows: torch.Tensor) -> dict[str, torch.Tensor]:
        """Nothing."""
        return {}

    def losses(
        self, network: nn.Module, x: torch.Tensor, t: torch.Tensor, eps: torch.Tensor
    ) -> dict[str, torch.Tensor]:
        """ "loss" and "loss_mse", which are the same."""
        predicted = network(self.schedule.add_noise(x, eps, t), t).to(x.dtype)
        loss = denoising_loss(predicted, eps, self.abar[t], self.settings.mse_target, self.settings.weight_cap)
        return {"loss": loss, "loss_mse": loss}
