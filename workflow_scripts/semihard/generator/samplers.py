"""From noise to images: DDIM and DPM-Solver++ around any noise prediction."""

import warnings
from collections.abc import Callable, Iterable

import numpy as np
import torch
from diffusers import DDIMScheduler, DPMSolverMultistepScheduler

from semihard.compute.seeds import seed_for
from semihard.compute.tensors import to_uint8
from semihard.errors import InputError
from semihard.generator.model_file import GeneratorSpec
from semihard.generator.objective import one_step_estimate

Predict = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]  # x_t `[n, 3, s, s]`, t int64 `[n]` → ε′ like x_t


def draw_noise(seed: int, identity: Iterable[int], index: Iterable[int], size: int, *step: int) -> torch.Tensor:
    """Noise float32 `[n, 3, size, size]` on the CPU, each image's a function of (seed, identity, index) alone: what it
    begins as or, with the number of a step, what is added there."""
    generators = (
        torch.Generator().manual_seed(seed_for(seed, "noise", i, k, *step))
        for i, k in zip(identity, index, strict=True)
    )
    return torch.stack([torch.randn(3, size, size, generator=generator) for generator in generators])


def denoise(
    predict: Predict,
    spec: GeneratorSpec,
    noise: torch.Tensor,
    sampler: str,
    steps: int,
    eta: float = 0.0,
    fresh: Callable[[int], torch.Tensor] | None = None,
) -> torch.Tensor:
    """Noise `[n, 3, s, s]` to uint8 images `[n, 3, s, s]` in `steps` calls of `predict`, no image minding its neighbours.

    sampler: "ddim" (Song et al., ICLR 2021), or "dpmsolver++", second order, multistep (Lu et al., 2022). Both see x̂0
    clipped to [−1, 1] and end at the estimate at t = 0. The samplers' own arithmetic is float32. eta: DDIM's η, above 0
    with `fresh`, the noise of step 0, 1 … like `noise`. Raises InputError where there are more steps than the generator
    has.
    """
    scheduler = build_scheduler(spec, sampler, steps)
    abar = scheduler.alphas_cumprod.to(noise.device)
    x_t = noise
    times = zip(scheduler.timesteps, scheduler.timesteps.to(noise.device), strict=True)  # no wait per step
    for i, (t, t_there) in enumerate(times):
        t_n = t_there.expand(len(noise))
        x_0 = one_step_estimate(x_t, predict(x_t, t_n).float(), abar[t_n])
        options = {"eta": eta, "variance_noise": fresh(i).to(noise.device)} if eta else {}
        x_t = scheduler.step(x_0, t, x_t, **options).prev_sample
    return to_uint8(x_t)


def build_scheduler(spec: GeneratorSpec, sampler: str, steps: int) -> DDIMScheduler | DPMSolverMultistepScheduler:
    """diffusers' scheduler that takes x̂0, its timesteps set.

    DDIM's are evenly spaced from 0 (CemiFace, as guided diffusion). DPM-Solver++'s are quadratic (Song et al.,
    App. D.2), nearly even in log-SNR: on even ones, its last, long step in log-SNR costs it the second order's gain.
    """
    if steps > spec.timesteps:
        raise InputError(f"steps {steps}: the generator has {spec.timesteps} timesteps; ask for as many at most")
    schedule = (spec.timesteps, spec.beta_start, spec.beta_end, "linear")
    if sampler == "ddim":
        scheduler = DDIMScheduler(*schedule, prediction_type="sample")
        scheduler.set_timesteps(steps)
    else:
        i = np.arange(steps)
        t = np.round((spec.timesteps - 1) * (i / max(steps - 1, 1)) ** 2)
        with warnings.catch_warnings():  # diffusers hands a tensor to numpy in a way that numpy 2 deprecates
            warnings.simplefilter("ignore", DeprecationWarning)
            scheduler = DPMSolverMultistepScheduler(*schedule, prediction_type="sample", algorithm_type="dpmsolver++")
            scheduler.set_timesteps(timesteps=np.maximum(t, i)[::-1].tolist())  # none twice
    return scheduler
