"""What a generator is trained to do: plain denoising (DDPM), and CemiFace's objective (NeurIPS 2024, Sec. 3.2, Eqs. 3
and 10–14) in the paper's symbols. DCFace's is in dcface_objective.

An objective has `draw`, which looks up and draws what a batch needs besides images, t and ε, and `losses`.
"""

from typing import Protocol

import torch
from diffusers import DDPMScheduler
from torch import nn

from semihard.generator.same_identity import SameIdentity
from semihard.settings import CemiFaceGenerator, UnconditionalGenerator
from semihard.similarity.embedders import Embedder


def noise_schedule(timesteps: int, beta_start: float, beta_end: float) -> DDPMScheduler:
    """The forward process with linear β (DDPM; values from DCFace's code)."""
    return DDPMScheduler(timesteps, beta_start, beta_end, "linear")


def similarity_grid(m_min: float, m_max: float, m_step: float) -> torch.Tensor:
    """The discrete similarities trained on: m_min, m_min + m_step, … up to m_max, float32 `[G]`.

    Discrete, because a generator trained on a continuous m ignores it (CemiFace). m_step is above 0.
    """
    steps = int((m_max - m_min) / m_step + 1e-6)
    return m_min + m_step * torch.arange(steps + 1, dtype=torch.float64).to(torch.float32)


def one_step_estimate(x_t: torch.Tensor, eps: torch.Tensor, abar_t: torch.Tensor) -> torch.Tensor:
    """x̂0 = (x_t − √(1 − ᾱ_t) ε′) / √ᾱ_t, clipped to [−1, 1] as in DCFace's code.

    x_t, eps: `[n, 3, s, s]`; abar_t: ᾱ_t `[n]`.
    """
    abar_t = abar_t[:, None, None, None]
    return ((x_t - (1 - abar_t).sqrt() * eps) / abar_t.sqrt()).clamp(-1, 1)


def denoising_loss(
    predicted: torch.Tensor, eps: torch.Tensor, abar_t: torch.Tensor, mse: str, weight_cap: float | None = None
) -> torch.Tensor:
    """L_MSE, a scalar: per pixel, averaged over the batch.

    mse: "epsilon", ‖ε′ − ε‖² (CemiFace Eq. 10), or "velocity", ‖v′ − v‖² = ‖ε′ − ε‖² / ᾱ_t (Salimans & Ho, ICLR 2022).
    In terms of ‖x̂0 − x‖² these are weights SNR and SNR + 1, SNR = ᾱ_t / (1 − ᾱ_t); weight_cap: γ, their greatest
    (min-SNR-γ; Hang et al., ICCV 2023), None for no bound.
    """
    errors = (predicted - eps).square().mean((1, 2, 3))
    weight = 1 / abar_t if mse == "velocity" else torch.ones_like(abar_t)
    if weight_cap is not None:
        weight = torch.minimum(weight, weight_cap * (1 - abar_t) / abar_t)  # of ‖ε′ − ε‖² = SNR ‖x̂0 − x‖²
    return (weight * errors).mean()


def achieved_similarity(identity: torch.Tensor, embedding: torch.Tensor, measure: str) -> torch.Tensor:
    """What m is compared with `[n]`: the cosine of two embeddings `[n, D]`, or 1 − the distance of their unit vectors."""
    if measure == "cosine":
        return nn.functional.cosine_similarity(identity, embedding)
    difference = nn.functional.normalize(identity) - nn.functional.normalize(embedding)
    return 1 - (difference.square().sum(1) + 1e-12).sqrt()  # the slope of a root is infinite at 0


def similarity_losses(achieved: torch.Tensor, m: torch.Tensor, gamma_t: torch.Tensor) -> dict[str, torch.Tensor]:
    """Per sample `[n]`: L_rec = (1 − cos)², L_sim = (m − cos)² and L_SimMat = (1 − γ_t) L_rec + γ_t L_sim.

    achieved: cos(E(x), E(x̂0)); m: the similarity asked for; gamma_t: t / T. At t = 0 the identity is to be reproduced,
    at t = T the similarity obeyed.
    """
    loss_rec, loss_sim = (1 - achieved).square(), (m - achieved).square()
    return {"loss_rec": loss_rec, "loss_sim": loss_sim, "loss_simmat": (1 - gamma_t) * loss_rec + gamma_t * loss_sim}


def time_weight(gamma: str, t: torch.Tensor, timesteps: int) -> torch.Tensor:
    """γ_t, float32 `[n]`, of t int64 `[n]`: "linear" t / T, "half" ½, "one" 1."""
    return (
        t / timesteps if gamma == "linear" else torch.full(t.shape, {"half": 0.5, "one": 1.0}[gamma], device=t.device)
    )


class Objective(Protocol):
    def draw(self, rows: torch.Tensor) -> dict[str, torch.Tensor]:
        """What `losses` needs besides x, t and ε for the images `rows`, int64 `[B]` on the CPU: tensors `[B, …]`."""
        ...

    def losses(
        self, network: nn.Module, x: torch.Tensor, t: torch.Tensor, eps: torch.Tensor, **drawn: torch.Tensor
    ) -> dict[str, torch.Tensor]:
        """Scalars "loss", to be minimised, and its terms; x in [−1, 1] and eps `[n, 3, s, s]`, t int64 `[n]`."""
        ...


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
        loss = denoising_loss(predicted, eps, self.abar[t], self.settings.mse, self.settings.weight_cap)
        return {"loss": loss, "loss_mse": loss}


class CemiFaceObjective:
    """L = L_MSE + λ L_SimMat: an image is denoising target, identity condition and similarity anchor at once, or
    (`condition: same_identity`) another image of the same person is condition and anchor.

    embeddings: E(x) of all images, unit, float32 `[N, D]` on the CPU; embedder: E, frozen, on `device`; same_identity:
    draws the images whose embeddings are the conditions, None where each image's own is (the paper).
    """

    def __init__(
        self,
        settings: CemiFaceGenerator,
        embeddings: torch.Tensor,
        embedder: Embedder,
        device: torch.device,
        same_identity: SameIdentity | None = None,
    ):
        self.settings, self.embeddings, self.embedder, self.device = settings, embeddings, embedder, device
        self.same_identity = same_identity
        self.schedule = noise_schedule(settings.timesteps, settings.beta_start, settings.beta_end)
        self.abar = self.schedule.alphas_cumprod = self.schedule.alphas_cumprod.to(device)
        continuous = settings.m_step == 0
        self.grid = None if continuous else similarity_grid(settings.m_min, settings.m_max, settings.m_step).to(device)

    def draw(self, rows: torch.Tensor) -> dict[str, torch.Tensor]:
        """ "identity" C_id `[B, D]`, E(x) or that of another image, and "m" `[B]`, uniform over the grid, or over its range
        without one."""
        if self.grid is None:
            m = torch.empty(len(rows), device=self.device).uniform_(self.settings.m_min, self.settings.m_max)
        else:
            m = self.grid[torch.randint(len(self.grid), (len(rows),), device=self.device)]
        shown = rows if self.same_identity is None else self.same_identity.draw(rows)
        return {"identity": self.embeddings[shown].to(self.device), "m": m}

    def losses(
        self,
        network: nn.Module,
        x: torch.Tensor,
        t: torch.Tensor,
        eps: torch.Tensor,
        identity: torch.Tensor,
        m: torch.Tensor,
    ) -> dict[str, torch.Tensor]:
        """ "loss", "loss_mse", "loss_rec" and "loss_sim" of a mini-batch; the gradient passes through the embedder.

        x may be mirrored: E(x) is that of image plus mirror image.
        """
        settings, abar_t = self.settings, self.abar[t]
        x_t = self.schedule.add_noise(x, eps, t)
        predicted = network(x_t, t, identity, m).to(x.dtype)
        loss_mse = denoising_loss(predicted, eps, abar_t, settings.mse, settings.weight_cap)
        k = slice(None, None, settings.guide_every)
        made = self.embedder(one_step_estimate(x_t[k], predicted[k], abar_t[k]))
        gamma_t = time_weight(settings.gamma, t[k], settings.timesteps)
        losses = similarity_losses(achieved_similarity(identity[k], made, settings.measure), m[k], gamma_t)
        return {
            "loss": loss_mse + settings.lambda_ * losses["loss_simmat"].mean(),
            "loss_mse": loss_mse,
            "loss_rec": losses["loss_rec"].mean(),
            "loss_sim": losses["loss_sim"].mean(),
        }
