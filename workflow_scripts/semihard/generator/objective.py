"""CemiFace's training objective (NeurIPS 2024, Sec. 3.2, Eqs. 3 and 10–14), in the paper's symbols."""

import torch
from diffusers import DDPMScheduler
from torch import nn


def noise_schedule(timesteps: int, beta_start: float, beta_end: float) -> DDPMScheduler:
    """The forward process with linear β (DDPM; values from DCFace's code)."""
    return DDPMScheduler(timesteps, beta_start, beta_end, "linear")


def similarity_grid(m_min: float, m_max: float, m_step: float) -> torch.Tensor:
    """The discrete similarities trained on: m_min, m_min + m_step, … up to m_max, float32 `[G]`.

    Discrete, because a generator trained on a continuous m ignores it (CemiFace).
    """
    steps = int((m_max - m_min) / m_step + 1e-6)
    return m_min + m_step * torch.arange(steps + 1, dtype=torch.float64).to(torch.float32)


def one_step_estimate(x_t: torch.Tensor, eps: torch.Tensor, abar_t: torch.Tensor) -> torch.Tensor:
    """x̂0 = (x_t − √(1 − ᾱ_t) ε′) / √ᾱ_t, clipped to [−1, 1] as in DCFace's code.

    x_t, eps: `[n, 3, s, s]`; abar_t: ᾱ_t `[n]`.
    """
    abar_t = abar_t[:, None, None, None]
    return ((x_t - (1 - abar_t).sqrt() * eps) / abar_t.sqrt()).clamp(-1, 1)


def similarity_losses(cosine: torch.Tensor, m: torch.Tensor, gamma_t: torch.Tensor) -> dict[str, torch.Tensor]:
    """Per sample `[n]`: L_rec = (1 − cos)², L_sim = (m − cos)² and L_SimMat = (1 − γ_t) L_rec + γ_t L_sim.

    cosine: cos(E(x), E(x̂0)); m: the similarity asked for; gamma_t: t / T. At t = 0 the identity is to be reproduced,
    at t = T the similarity obeyed.
    """
    loss_rec, loss_sim = (1 - cosine).square(), (m - cosine).square()
    return {"loss_rec": loss_rec, "loss_sim": loss_sim, "loss_simmat": (1 - gamma_t) * loss_rec + gamma_t * loss_sim}


def generator_losses(
    network: nn.Module,
    embedder: nn.Module,
    schedule: DDPMScheduler,
    x: torch.Tensor,
    identity: torch.Tensor,
    m: torch.Tensor,
    t: torch.Tensor,
    eps: torch.Tensor,
    lambda_: float,
    mse: str = "epsilon",
) -> dict[str, torch.Tensor]:
    """L = L_MSE + λ L_SimMat for one mini-batch: scalars "loss" (to be minimised), "loss_mse", "loss_rec", "loss_sim".

    x: the images in [−1, 1] `[n, 3, s, s]`, at once denoising target, identity condition and similarity anchor;
    identity: their unit embeddings E(x) `[n, D]`; m: `[n]`; t: int64 `[n]`; eps: the noise, like x. The gradient
    reaches `network` through the frozen `embedder`. mse: "epsilon", L_MSE = ‖ε′ − ε‖² (Eq. 10), or "velocity",
    ‖v′ − v‖² = ‖ε′ − ε‖² / ᾱ_t (Salimans & Ho, ICLR 2022), per pixel and averaged over the batch in both cases.
    """
    abar_t = schedule.alphas_cumprod.to(x.device)[t]
    x_t = schedule.add_noise(x, eps, t)
    predicted = network(x_t, t, identity, m).to(x.dtype)
    errors = (predicted - eps).square().mean((1, 2, 3))
    loss_mse = (errors / abar_t if mse == "velocity" else errors).mean()
    estimated = one_step_estimate(x_t, predicted, abar_t)
    cosine = nn.functional.cosine_similarity(identity, embedder(estimated))
    losses = similarity_losses(cosine, m, t / schedule.config.num_train_timesteps)
    loss = loss_mse + lambda_ * losses["loss_simmat"].mean()
    return {
        "loss": loss,
        "loss_mse": loss_mse,
        "loss_rec": losses["loss_rec"].mean(),
        "loss_sim": losses["loss_sim"].mean(),
    }
