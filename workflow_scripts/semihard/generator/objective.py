"""What training objectives of all methods share: the noise schedule, the one-step estimate and L_MSE.

An objective (generator/methods/*/objective.py) has `draw`, which looks up and draws what a batch needs besides images, t
and ε, and `losses`.
"""

from typing import Protocol

import torch
from diffusers import DDPMScheduler
from torch import nn


def noise_schedule(timesteps: int, beta_start: float, beta_end: float) -> DDPMScheduler:
    """The forward process with linear β (DDPM; values from DCFace's code)."""
    return DDPMScheduler(timesteps, beta_start, beta_end, "linear")


def one_step_estimate(x_t: torch.Tensor, eps: torch.Tensor, abar_t: torch.Tensor) -> torch.Tensor:
    """x̂0 = (x_t − √(1 − ᾱ_t) ε′) / √ᾱ_t, clipped to [−1, 1] as in DCFace's code.

    x_t, eps: `[n, 3, s, s]`; abar_t: ᾱ_t `[n]`.
    """
    abar_t = abar_t[:, None, None, None]
    return ((x_t - (1 - abar_t).sqrt() * eps) / abar_t.sqrt()).clamp(-1, 1)


def denoising_loss(
    predicted: torch.Tensor, eps: torch.Tensor, abar_t: torch.Tensor, mse_target: str, weight_cap: float | None = None
) -> torch.Tensor:
    """L_MSE, a scalar: per pixel, averaged over the batch.

    mse_target: "epsilon", ‖ε′ − ε‖² (CemiFace Eq. 10), or "velocity", ‖v′ − v‖² = ‖ε′ − ε‖² / ᾱ_t (Salimans & Ho, ICLR 2022).
    In terms of ‖x̂0 − x‖² these are weights SNR and SNR + 1, SNR = ᾱ_t / (1 − ᾱ_t); weight_cap: γ, their greatest
    (min-SNR-γ; Hang et al., ICCV 2023), None for no bound.
    """
    errors = (predicted - eps).square().mean((1, 2, 3))
    weight = 1 / abar_t if mse_target == "velocity" else torch.ones_like(abar_t)
    if weight_cap is not None:
        weight = torch.minimum(weight, weight_cap * (1 - abar_t) / abar_t)  # of ‖ε′ − ε‖² = SNR ‖x̂0 − x‖²
    return (weight * errors).mean()


class Objective(Protocol):
    def draw(self, rows: torch.Tensor) -> dict[str, torch.Tensor]:
        """What `losses` needs besides x, t and ε for the images `rows`, int64 `[B]` on the CPU: tensors `[B, …]`."""
        ...

    def losses(
        self, network: nn.Module, x: torch.Tensor, t: torch.Tensor, eps: torch.Tensor, **drawn: torch.Tensor
    ) -> dict[str, torch.Tensor]:
        """Scalars "loss", to be minimised, and its terms; x in [−1, 1] and eps `[n, 3, s, s]`, t int64 `[n]`."""
        ...
