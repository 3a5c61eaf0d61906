"""What the training of a generator will take, said before it starts: memory and operations counted on the meta device,
without pixels, and the time from the speed of a matrix product here."""

import copy
import logging
import time
from dataclasses import dataclass

import torch
from torch.utils.flop_counter import FlopCounterMode

from semihard.compute.device import dtype_of
from semihard.compute.progress import duration
from semihard.errors import InputError
from semihard.generator.method import method_named
from semihard.generator.model_file import GeneratorSpec
from semihard.generator.settings import Diffusion
from semihard.recognizer.memory import activation_bytes, free_memory
from semihard.similarity.embedders import Embedder

log = logging.getLogger("semihard")
COUNTED_BATCH = 2
STATES = 5  # floats a weight: itself, gradient, AdamW's two moments, its average
IN_FLIGHT = (
    1.25  # workspaces and what is on its way: measured 0.99 and 1.06 (small_64), 1.37 and 1.52 (tiny), fp32 on a CPU
)
# Share of the speed of a large matrix product that a training reaches: measured on two AVX-512 cores (tiny 0.3), and on
# an H100 in bf16 (dcface_112: 0.16, compiled 0.23).
SHARE = {"cpu": 0.3, "cuda": 0.16}


@dataclass(frozen=True)
class Cost:
    """Of a training: bytes of a process whatever the batch, bytes an image held in memory at once, FLOPs an image seen."""

    fixed: int
    per_image: int
    flops: int

    def needed(self, images: int) -> int:
        """Bytes of a process that works off `images` at a time."""
        return int(IN_FLIGHT * (self.fixed + self.per_image * images))


def training_cost(settings: Diffusion, spec: GeneratorSpec, embedder: Embedder | None, half: bool) -> Cost:
    """Counted for two images: the denoiser and, with an embedder, the gradient through it. half: bf16 activations."""
    dtype = torch.bfloat16 if half else torch.float32
    with torch.device("meta"):
        network = spec.build().to(dtype).train()
        inputs = network_inputs(spec, dtype)
    kept = activation_bytes(network, *inputs)
    weights = sum(parameter.numel() for parameter in network.parameters())
    with FlopCounterMode(display=False) as counter:
        network(*inputs).sum().backward()
    flops = counter.get_total_flops()
    fixed = 4 * STATES * weights + (2 * weights if half else 0)
    if embedder is not None:
        frozen = copy.deepcopy(embedder.backbone).to("meta", dtype)
        height, width = embedder.spec.image_size
        x = torch.empty(COUNTED_BATCH, 3, height, width, dtype=dtype, device="meta", requires_grad=True)
        share = getattr(settings, "guide_every", 1)
        kept += activation_bytes(frozen, x) // share
        with FlopCounterMode(display=False) as counter:
            frozen(x).sum().backward()
        flops += counter.get_total_flops() // share
        fixed += 4 * sum(parameter.numel() for parameter in frozen.parameters())
    # noise, noisy image, prediction, x̂0 and their gradients, float32
    kept += 8 * 4 * 3 * settings.image_size**2 * COUNTED_BATCH
    return Cost(fixed, kept // COUNTED_BATCH, flops // COUNTED_BATCH)


def network_inputs(spec: GeneratorSpec, dtype: torch.dtype) -> list[torch.Tensor]:
    """Empty inputs of the network, on the meta device, for COUNTED_BATCH images."""
    n, side = COUNTED_BATCH, spec.image_size

    def empty(*shape: int) -> torch.Tensor:
        return torch.empty(n, *shape, dtype=dtype, device="meta")

    method = method_named(spec.method)
    times = torch.empty(n, dtype=torch.int64, device="meta")
    return [empty(3, side, side), times, *method.empty_conditions(spec, empty)]


def check_cost(settings: Diffusion, cost: Cost, steps: int, device: torch.device) -> None:
    """Say what a training of `steps` optimizer steps takes. Raises InputError where the memory is not there, with the
    accumulation that would do, if one would."""
    at_once = settings.batch // (settings.processes * settings.accumulation)
    needed, (free, where) = cost.needed(at_once), free_memory(device)
    seen = steps * settings.batch
    precision = settings.precision if device.type == "cuda" else "fp32"  # a CPU's bf16 convolutions are no faster
    speed = SHARE.get(device.type, 0.1) * matmul_speed(device, precision) * settings.processes
    log.info(
        (
"train generator: %d steps of %d images, about %.1f GB beside the images decoded, %.2f GFLOP an "
"image, very roughly %s"
),
        steps, settings.batch, needed / 1e9, cost.flops / 1e9, duration(seen * cost.flops / speed),
    )  # fmt: skip
    if needed > free:
        share = settings.batch // settings.processes
        fitting = [a for a in possible_accumulations(settings) if cost.needed(share // a) <= free]
        advice = (
            f"set `accumulation` to {fitting[0]}"
            if fitting
            else "no `accumulation` of this batch would do: take another batch, a smaller network or smaller images"
        )
        raise InputError(
            f"a batch of {settings.batch} with {settings.processes} process(es) and accumulation {settings.accumulation} needs "
            f"about {needed / 1e9:.1f} GB beside its images, {where} has {free / 1e9:.1f} GB free; {advice}"
        )


def possible_accumulations(settings: Diffusion) -> list[int]:
    """The values of `accumulation` that its batch allows, rising."""
    share, guide_every = settings.batch // settings.processes, getattr(settings, "guide_every", 1)
    least = max(settings.images_at_least, guide_every)
    return [a for a in range(1, share // least + 1) if share % a == 0 and share // a % guide_every == 0]


def matmul_speed(device: torch.device, precision: str) -> float:
    """FLOP/s of a large matrix product, measured for a tenth of a second."""
    n = 4096 if device.type == "cuda" else 1024
    dtype = dtype_of(device, precision)
    a = torch.randn(n, n, device=device, dtype=dtype)
    (a @ a).sum().item()
    start, calls = time.perf_counter(), 0
    while calls < 3 or time.perf_counter() - start < 0.1:
        (a @ a)[0, 0].item()
        calls += 1
    return 2 * n**3 * calls / (time.perf_counter() - start)
