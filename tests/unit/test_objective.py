"""The objective against a naive loop over samples in float64, and where its gradient goes."""

import math

import pytest
import torch
from torch import nn

from semihard.generator.objective import (
    generator_losses,
    noise_schedule,
    one_step_estimate,
    similarity_grid,
    similarity_losses,
)


class Denoiser(nn.Module):
    """A linear stand-in for the network that uses all it is given."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.tensor(0.8, dtype=torch.float64))

    def forward(self, x_t, t, identity, m):
        return self.weight * x_t + (m + t / 1000 + identity.sum(1))[:, None, None, None] * 0.01


@pytest.fixture
def batch():
    torch.manual_seed(0)
    embedder = nn.Sequential(nn.Flatten(), nn.Linear(3 * 8 * 8, 5)).double().requires_grad_(False)
    x = torch.rand(6, 3, 8, 8, dtype=torch.float64) * 2 - 1
    return {
        "network": Denoiser(),
        "embedder": embedder,
        "schedule": noise_schedule(1000, 1e-4, 0.02),
        "x": x,
        "identity": nn.functional.normalize(embedder(x)),
        "m": torch.tensor([-1.0, -0.48, 0.0, 0.04, 0.52, 1.0], dtype=torch.float64),
        "t": torch.tensor([0, 1, 250, 500, 750, 999]),
        "eps": torch.randn_like(x),
    }


def test_equals_a_loop_over_samples(batch: dict):
    lambda_ = 0.05
    got = generator_losses(**batch, lambda_=lambda_)

    betas = [1e-4 + (0.02 - 1e-4) * i / 999 for i in range(1000)]
    totals = {"loss": 0.0, "loss_mse": 0.0, "loss_rec": 0.0, "loss_sim": 0.0}
    for i, t in enumerate(batch["t"].tolist()):
        abar = math.prod(1 - beta for beta in betas[: t + 1])
        x, eps, m = batch["x"][i], batch["eps"][i], batch["m"][i].item()
        x_t = math.sqrt(abar) * x + math.sqrt(1 - abar) * eps
        predicted = 0.8 * x_t + 0.01 * (m + t / 1000 + batch["identity"][i].sum())
        x0 = ((x_t - math.sqrt(1 - abar) * predicted) / math.sqrt(abar)).clamp(-1, 1)
        a, b = batch["embedder"](x[None])[0], batch["embedder"](x0[None])[0]
        cosine = (a @ b / (a.norm() * b.norm())).item()
        gamma_t = t / 1000
        mse, rec, sim = ((predicted - eps) ** 2).mean().item(), (1 - cosine) ** 2, (m - cosine) ** 2
        values = {"loss_mse": mse, "loss_rec": rec, "loss_sim": sim}
        values["loss"] = mse + lambda_ * ((1 - gamma_t) * rec + gamma_t * sim)
        for name, value in values.items():
            totals[name] += value / len(batch["t"])
    assert {name: loss.item() for name, loss in got.items()} == pytest.approx(totals, rel=1e-4)


def test_gradient_passes_through_the_frozen_embedder(batch: dict):
    batch["t"] = torch.full((6,), 200)
    generator_losses(**batch, lambda_=0.0)["loss"].backward()
    without = batch["network"].weight.grad.clone()
    batch["network"].zero_grad()
    generator_losses(**batch, lambda_=1.0)["loss"].backward()
    assert (batch["network"].weight.grad - without).abs() > 1e-6
    assert all(parameter.grad is None for parameter in batch["embedder"].parameters())


def test_similarity_term_gradient_is_the_derivative(batch: dict):
    batch["t"] = torch.tensor([30, 50, 80, 130, 210, 340])

    def loss(weight: torch.Tensor) -> torch.Tensor:
        with torch.no_grad():
            batch["network"].weight.copy_(weight)
        return generator_losses(**batch, lambda_=1.0)["loss"]

    weight = torch.tensor(0.8, dtype=torch.float64)
    loss(weight).backward()
    h = 1e-6
    difference = (loss(weight + h) - loss(weight - h)).item() / (2 * h)
    assert batch["network"].weight.grad.item() == pytest.approx(difference, rel=1e-3)


def test_gamma_weighs_reproduction_at_the_start_and_similarity_at_the_end():
    cosine, m = torch.tensor([0.3, 0.3, 0.3]), torch.tensor([-0.2, -0.2, -0.2])
    found = similarity_losses(cosine, m, torch.tensor([0.0, 0.5, 1.0]))["loss_simmat"]
    assert found.tolist() == pytest.approx([0.49, (0.49 + 0.25) / 2, 0.25])


def test_true_noise_gives_the_image_back():
    torch.manual_seed(0)
    schedule = noise_schedule(1000, 1e-4, 0.02)
    x, eps, t = torch.rand(5, 3, 4, 4) * 2 - 1, torch.randn(5, 3, 4, 4), torch.tensor([0, 10, 100, 500, 900])
    estimated = one_step_estimate(schedule.add_noise(x, eps, t), eps, schedule.alphas_cumprod[t])
    assert torch.allclose(estimated, x, atol=1e-3)
    assert one_step_estimate(
        torch.full((1, 3, 2, 2), 9.0), torch.zeros(1, 3, 2, 2), torch.ones(1)
    ).unique().tolist() == [1]


@pytest.mark.parametrize(
    ("m_min", "m_max", "m_step", "count", "last"),
    [(-1, 1, 0.04, 51, 1), (-1, 1, 0.02, 101, 1), (0, 1, 0.02, 51, 1), (0, 0, 0.04, 1, 0), (-1, 1, 0.06, 34, 0.98)],
)
def test_grid_holds_every_step_and_never_passes_its_end(m_min, m_max, m_step, count, last):
    grid = similarity_grid(m_min, m_max, m_step)
    assert (len(grid), grid[0].item(), grid.dtype) == (count, m_min, torch.float32)
    assert grid[-1].item() == pytest.approx(last, abs=1e-6)
    assert grid.diff().tolist() == pytest.approx([m_step] * (count - 1), abs=1e-6)
