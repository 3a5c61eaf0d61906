"""Plain denoising (Ho et al., NeurIPS 2020)."""

import torch
from torch import nn

from semihard.generator.methods.ddpm.settings import UnconditionalGenerator
from semihard.generator.objective import denoising_loss, noise_schedule
from semihard.storage.faceset import FaceSet


def build(
    settings: UnconditionalGenerator,
    faces: FaceSet,
    images: torch.Tensor,
    embeddings: None,
    embedder: None,
    device: torch.device,
) -> "UnconditionalObjective":
    """What the generator is trained to do: no label and no embedding enters."""
    return UnconditionalObjective(settings, device)


def options(settings: UnconditionalGenerator, embedder: None) -> dict[str, object]:
    """Nothing but what every generator has."""
    return {}


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
