"""DDIM and DPM-Solver++: against the formula, against an ODE with a known solution, and image by image."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from semihard.compute.tensors import to_uint8
from semihard.errors import InputError
from semihard.generator.model_file import GeneratorSpec
from semihard.generator.samplers import build_scheduler, denoise, draw_noise

SPEC = GeneratorSpec("ddpm", "tiny", 16, 1000, 1e-4, 0.02)
ABAR = torch.cumprod(1 - torch.linspace(1e-4, 0.02, 1000, dtype=torch.float64), 0)
SAMPLERS = ("ddim", "dpmsolver++")
MU, SIGMA = 0.1, 0.2


def gaussian_eps(x_t: torch.Tensor, t: torch.Tensor) -> torch.Tensor:
    """E[ε | x_t] where every pixel is N(MU, SIGMA²)."""
    abar = ABAR[t][:, None, None, None]
    return ((1 - abar).sqrt() * (x_t - abar.sqrt() * MU) / (abar * SIGMA**2 + 1 - abar)).float()


def gaussian_solution(noise: torch.Tensor) -> torch.Tensor:
    """Where the probability-flow ODE from `noise` at t = T ends: the quantile is kept."""
    abar = ABAR[-1]
    return MU + SIGMA * (noise - abar.sqrt() * MU) / (abar * SIGMA**2 + 1 - abar).sqrt()


def noise_of(count: int) -> torch.Tensor:
    return draw_noise(0, range(count), [0] * count, 16)


def grey_levels_off(sampler: str, steps: int) -> float:
    noise = noise_of(8)
    made = denoise(gaussian_eps, SPEC, noise, sampler, steps)
    return (made.double() - (gaussian_solution(noise) + 1) * 127.5).abs().mean().item()


def test_both_converge_to_the_solution_of_the_ode_and_dpmsolver_with_fewer_steps():
    rounding = (to_uint8(gaussian_solution(noise_of(8))) - (gaussian_solution(noise_of(8)) + 1) * 127.5).abs().mean()
    assert grey_levels_off("ddim", 1000) < rounding + 0.25
    assert grey_levels_off("dpmsolver++", 100) < rounding + 0.1
    for steps in (5, 10, 20):
        assert grey_levels_off("dpmsolver++", steps) < grey_levels_off("ddim", 2 * steps)
    for sampler in SAMPLERS:
        off = [grey_levels_off(sampler, steps) for steps in (10, 20, 40)]
        assert off == sorted(off, reverse=True)


def test_ddim_is_the_formula_with_the_estimate_clipped():
    def predict(x_t, t):
        return 1.3 * gaussian_eps(x_t, t)  # large enough that x̂0 leaves [−1, 1]

    noise, times = noise_of(3), [900, 800, 700, 600, 500, 400, 300, 200, 100, 0]
    x, clipped = noise.double(), 0
    for t, before in zip(times, [*times[1:], None], strict=True):
        eps = predict(x, torch.full((3,), t)).double()
        x_0 = (x - (1 - ABAR[t]).sqrt() * eps) / ABAR[t].sqrt()
        clipped += int((x_0.abs() > 1).sum())
        x_0 = x_0.clamp(-1, 1)
        eps = (x - ABAR[t].sqrt() * x_0) / (1 - ABAR[t]).sqrt()
        abar = ABAR[before] if before is not None else torch.tensor(1.0)
        x = abar.sqrt() * x_0 + (1 - abar).sqrt() * eps
    made = denoise(predict, SPEC, noise, "ddim", 10)
    assert clipped > 100
    assert (made.int() - to_uint8(x).int()).abs().max() <= 1


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_an_image_does_not_depend_on_its_neighbours(sampler):
    noise = noise_of(5)
    together = denoise(gaussian_eps, SPEC, noise, sampler, 6)
    alone = torch.cat([denoise(gaussian_eps, SPEC, one, sampler, 6) for one in noise.split(1)])
    assert torch.equal(together, alone)
    noise[1] = 50.0
    assert torch.equal(denoise(gaussian_eps, SPEC, noise, sampler, 6)[[0, 2, 3, 4]], together[[0, 2, 3, 4]])


@given(st.sampled_from(SAMPLERS), st.integers(2, 1000).flatmap(lambda T: st.tuples(st.just(T), st.integers(1, T))))
def test_timesteps_fall_to_zero_and_are_as_many_as_asked_for(sampler, sizes):
    timesteps, steps = sizes
    spec = GeneratorSpec("ddpm", "tiny", 16, timesteps, 1e-4, 0.02)
    times = build_scheduler(spec, sampler, steps).timesteps
    assert len(times) == steps and times[-1] == 0 and times[0] < timesteps
    assert (np.diff(times) < 0).all()


@pytest.mark.parametrize("sampler", SAMPLERS)
@pytest.mark.parametrize("steps", [1, 2, 3, 14, 15, 40])
def test_the_network_is_called_once_per_step_and_the_sampler_stays_in_float32(sampler, steps):
    seen = []

    def predict(x_t, t):
        assert x_t.dtype == torch.float32 and x_t.isfinite().all() and t.shape == (2,)
        seen.append(int(t[0]))
        return gaussian_eps(x_t, t).bfloat16()

    denoise(predict, SPEC, noise_of(2), sampler, steps)
    assert seen == build_scheduler(SPEC, sampler, steps).timesteps.tolist()


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_more_steps_than_timesteps_are_refused(sampler):
    with pytest.raises(InputError, match="steps 1001: the generator has 1000 timesteps"):
        denoise(gaussian_eps, SPEC, noise_of(1), sampler, 1001)


def test_noise_is_a_function_of_seed_identity_and_index():
    noise = draw_noise(0, [3, 3, 8], [0, 1, 0], 4)
    assert torch.equal(draw_noise(0, [8, 3], [0, 1], 4), noise[[2, 1]])
    others = [draw_noise(1, [3], [0], 4), draw_noise(0, [0], [3], 4), draw_noise(0, [30], [0], 4)]
    assert not any(torch.equal(other[0], row) for other in others for row in noise)


@pytest.mark.parametrize("eta", [0.5, 1.0])
def test_ddim_with_noise_is_the_formula(eta):
    """x_{t−1} = √ᾱ′ x̂0 + √(1 − ᾱ′ − σ²) ε + σ z, σ = η √((1 − ᾱ′) / (1 − ᾱ)) √(1 − ᾱ / ᾱ′) (Song et al., Eqs. 12, 16)."""
    noise, times = noise_of(3), [900, 800, 700, 600, 500, 400, 300, 200, 100, 0]

    def fresh(step: int) -> torch.Tensor:
        return draw_noise(0, range(3), [0] * 3, 16, step)

    x = noise.double()
    for step, (t, before) in enumerate(zip(times, [*times[1:], None], strict=True)):
        abar, abar_before = ABAR[t], ABAR[before] if before is not None else torch.ones(())
        eps = gaussian_eps(x.float(), torch.full((3,), t)).double()
        x_0 = ((x - (1 - abar).sqrt() * eps) / abar.sqrt()).clamp(-1, 1)
        eps = (x - abar.sqrt() * x_0) / (1 - abar).sqrt()
        sigma = eta * ((1 - abar_before) / (1 - abar)).sqrt() * (1 - abar / abar_before).sqrt()
        x = abar_before.sqrt() * x_0 + (1 - abar_before - sigma**2).sqrt() * eps + sigma * fresh(step).double()
    made = denoise(gaussian_eps, SPEC, noise, "ddim", 10, eta, fresh)
    assert (made.double() - to_uint8(x.float()).double()).abs().max() <= 1
    assert not torch.equal(made, denoise(gaussian_eps, SPEC, noise, "ddim", 10))


def test_the_noise_of_a_step_is_each_images_own():
    together = draw_noise(3, [5, 6, 7], [0, 1, 2], 4, 2)
    assert torch.equal(together[1:2], draw_noise(3, [6], [1], 4, 2))
    assert len({tuple(draw_noise(3, [6], [1], 4, *step).flatten().tolist()) for step in ((), (0,), (1,))}) == 3
