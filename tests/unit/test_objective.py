"""The objective against a naive loop over samples in float64, and where its gradient goes."""

import math

import pytest
import torch
from torch import nn

from semihard.generator.methods.cemiface.objective import CemiFaceObjective, achieved_similarity, similarity_losses
from semihard.generator.methods.cemiface.settings import CemiFaceGenerator
from semihard.generator.methods.cemiface.similarity_range import SimilarityRange
from semihard.generator.methods.ddpm.method import UnconditionalObjective
from semihard.generator.methods.ddpm.settings import UnconditionalGenerator
from semihard.generator.objective import denoising_loss, noise_schedule, one_step_estimate

CPU = torch.device("cpu")


def objective(embedder=None, embeddings=None, **given) -> CemiFaceObjective:
    return CemiFaceObjective(CemiFaceGenerator(trained_on="f", embedder="e", **given), embeddings, embedder, CPU)


def losses_of(batch: dict, **given) -> dict[str, torch.Tensor]:
    drawn = {name: value for name, value in batch.items() if name != "embedder"}
    return objective(batch["embedder"], **given).losses(**drawn)


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
        "x": x,
        "identity": nn.functional.normalize(embedder(x)),
        "m": torch.tensor([-1.0, -0.48, 0.0, 0.04, 0.52, 1.0], dtype=torch.float64),
        "t": torch.tensor([0, 1, 250, 500, 750, 999]),
        "eps": torch.randn_like(x),
    }


@pytest.mark.parametrize("measure", ["cosine", "euclidean"])
@pytest.mark.parametrize("gamma", ["linear", "half", "one"])
@pytest.mark.parametrize("mse_target", ["epsilon", "velocity"])
@pytest.mark.parametrize(("weight_cap", "guide_every"), [(None, 1), (5.0, 2)])
def test_equals_a_loop_over_samples(
    batch: dict, measure: str, gamma: str, mse_target: str, weight_cap: float | None, guide_every: int
):
    lambda_ = 0.05
    choices = {"measure": measure, "gamma": gamma, "mse_target": mse_target, "network": "tiny"}
    choices |= {"weight_cap": weight_cap, "guide_every": guide_every}
    got = losses_of(batch, lambda_=lambda_, **choices)

    betas = [1e-4 + (0.02 - 1e-4) * i / 999 for i in range(1000)]
    totals = {"loss": 0.0, "loss_mse": 0.0, "loss_rec": 0.0, "loss_sim": 0.0}
    for i, t in enumerate(batch["t"].tolist()):
        abar = math.prod(1 - beta for beta in betas[: t + 1])
        x, eps, m = batch["x"][i], batch["eps"][i], batch["m"][i].item()
        x_t = math.sqrt(abar) * x + math.sqrt(1 - abar) * eps
        predicted = 0.8 * x_t + 0.01 * (m + t / 1000 + batch["identity"][i].sum())
        x0 = ((x_t - math.sqrt(1 - abar) * predicted) / math.sqrt(abar)).clamp(-1, 1)
        a, b = batch["embedder"](x[None])[0], batch["embedder"](x0[None])[0]
        achieved = (a @ b / (a.norm() * b.norm())).item()
        if measure == "euclidean":
            achieved = 1 - (a / a.norm() - b / b.norm()).norm().item()
        gamma_t = {"linear": t / 1000, "half": 0.5, "one": 1.0}[gamma]
        rec, sim = (1 - achieved) ** 2, (m - achieved) ** 2
        weight = abar / (1 - abar) + (mse_target == "velocity")  # of the squared error of x̂0
        weight = weight if weight_cap is None else min(weight, weight_cap)
        unclipped = (x_t - math.sqrt(1 - abar) * predicted) / math.sqrt(abar)
        denoising = weight * ((unclipped - x) ** 2).mean().item()
        looked_at = guide_every if i % guide_every == 0 else 0  # of the others the embedder sees nothing
        values = {"loss_mse": denoising, "loss_rec": looked_at * rec, "loss_sim": looked_at * sim}
        values["loss"] = denoising + looked_at * lambda_ * ((1 - gamma_t) * rec + gamma_t * sim)
        for name, value in values.items():
            totals[name] += value / len(batch["t"])
    assert {name: loss.item() for name, loss in got.items()} == pytest.approx(totals, rel=1e-4)


def test_velocity_error_is_the_error_of_the_velocity(batch: dict):
    """v = √ᾱ ε − √(1 − ᾱ) x0, computed from ε′ and the x̂0 that goes with it."""
    schedule = noise_schedule(1000, 1e-4, 0.02)
    x, eps, t = batch["x"], batch["eps"], torch.tensor([5, 100, 300, 500, 700, 900])
    abar = schedule.alphas_cumprod.double()[t][:, None, None, None]
    predicted = torch.randn_like(x)
    x0 = (abar.sqrt() * x + (1 - abar).sqrt() * (eps - predicted)) / abar.sqrt()
    v, v_predicted = (abar.sqrt() * e - (1 - abar).sqrt() * o for e, o in ((eps, x), (predicted, x0)))
    found = denoising_loss(predicted, eps, abar.flatten(), "velocity")
    assert found.item() == pytest.approx((v - v_predicted).square().mean().item())


def test_plain_denoising_is_the_error_of_the_noise(batch: dict):
    plain = UnconditionalObjective(UnconditionalGenerator(method="ddpm", trained_on="f"), CPU)
    found = plain.losses(lambda x_t, t: 0.5 * x_t, batch["x"], batch["t"], batch["eps"])
    abar = noise_schedule(1000, 1e-4, 0.02).alphas_cumprod[batch["t"]][:, None, None, None]
    x_t = abar.sqrt() * batch["x"] + (1 - abar).sqrt() * batch["eps"]
    assert found["loss"].item() == pytest.approx((0.5 * x_t - batch["eps"]).square().mean().item(), rel=1e-5)
    assert plain.draw(torch.arange(3)) == {}


def test_m_is_drawn_from_the_grid_or_from_its_whole_range():
    embeddings = nn.functional.normalize(torch.randn(20, 5))
    rows = torch.arange(20).repeat(50)
    torch.manual_seed(0)
    drawn = objective(None, embeddings, m_min=-0.5, m_max=0.5, m_step=0.25).draw(rows)
    assert drawn["m"].unique().tolist() == [-0.5, -0.25, 0, 0.25, 0.5]
    assert torch.equal(drawn["identity"], embeddings[rows])
    continuous = objective(None, embeddings, m_min=-0.5, m_max=0.5, m_step=0).draw(rows)["m"]
    assert len(continuous.unique()) > 900 and continuous.min() >= -0.5 and continuous.max() <= 0.5
    assert objective(None, embeddings, m_min=0, m_max=0).draw(rows)["m"].unique().tolist() == [0]


def test_euclidean_similarity_is_one_at_the_same_and_minus_one_at_the_opposite():
    a = torch.tensor([[3.0, 4.0]])
    found = [achieved_similarity(a, b, "euclidean").item() for b in (2 * a, -a, torch.tensor([[-4.0, 3.0]]))]
    assert found == pytest.approx([1, -1, 1 - math.sqrt(2)], abs=1e-5)


def test_gradient_passes_through_the_frozen_embedder(batch: dict):
    batch["t"] = torch.full((6,), 200)
    losses_of(batch, lambda_=0.0)["loss"].backward()
    without = batch["network"].weight.grad.clone()
    batch["network"].zero_grad()
    losses_of(batch, lambda_=1.0)["loss"].backward()
    assert (batch["network"].weight.grad - without).abs() > 1e-6
    assert all(parameter.grad is None for parameter in batch["embedder"].parameters())


def test_similarity_term_gradient_is_the_derivative(batch: dict):
    batch["t"] = torch.tensor([30, 50, 80, 130, 210, 340])

    def loss(weight: torch.Tensor) -> torch.Tensor:
        with torch.no_grad():
            batch["network"].weight.copy_(weight)
        return losses_of(batch, lambda_=1.0)["loss"]

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
    grid = SimilarityRange(m_min, m_max, m_step).grid()
    assert (len(grid), grid[0].item(), grid.dtype) == (count, m_min, torch.float32)
    assert grid[-1].item() == pytest.approx(last, abs=1e-6)
    assert grid.diff().tolist() == pytest.approx([m_step] * (count - 1), abs=1e-6)
