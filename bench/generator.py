"""Training and sampling of a generator: images per second, memory and TFLOP/s by precision, layout and compilation.

    python bench/generator.py [--network tiny|small_64|dcface_112] [--batch N] [--seconds S] [--compile]

The network, objective, embedder and sampler are those of the workflow; images and weights are random. The share is that
of the matrix product the device was measured at in the same run and precision; the ratio is to the first row.
"""

import argparse
import resource
import time
from collections.abc import Callable, Iterator

import torch
from torch.utils.flop_counter import FlopCounterMode

from semihard.compute.device import autocast, best_device, compiled
from semihard.compute.tensors import to_float
from semihard.generator.methods.cemiface.objective import CemiFaceObjective
from semihard.generator.methods.cemiface.settings import CemiFaceGenerator
from semihard.generator.model_file import GeneratorSpec
from semihard.generator.samplers import denoise
from semihard.recognizer.backbone import build_backbone
from semihard.recognizer.model_file import EmbedderSpec
from semihard.similarity.embedders import Embedder

STEPS = 20
SIZES = {  # side, embedder, its side, D, batch
    "tiny": (32, "tiny", 32, 128, 64),
    "small_64": (64, "mobilefacenet", 112, 128, 256),
    "dcface_112": (112, "iresnet50", 112, 512, 160),
}


def seconds_of(work: Callable[[], object], device: torch.device, seconds: float) -> float:
    """Seconds of one call, after a first one, averaged over as many as fit into `seconds`, three at least."""

    def wait() -> float:
        if device.type == "cuda":
            torch.cuda.synchronize()
        return time.perf_counter()

    work()
    start, calls = wait(), 0
    while calls < 3 or time.perf_counter() - start < seconds:
        work()
        calls += 1
        if calls % 4 == 0:
            wait()  # the queue of a GPU must not run ahead of the clock
    return (wait() - start) / calls


def matmul_peak(device: torch.device, dtype: torch.dtype) -> float:
    """FLOP/s of a large matrix product."""
    n = 8192 if device.type == "cuda" else 2048
    a, b = (torch.randn(n, n, device=device, dtype=dtype) for _ in range(2))
    return 2 * n**3 / seconds_of(lambda: a @ b, device, 1.0)


def peak_memory(device: torch.device) -> float:
    """GB: allocated on the GPU since the last reset, or resident in this process so far."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated() / 1e9
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6


def flops_of(work: Callable[[], object]) -> float:
    with FlopCounterMode(display=False) as counter:
        work()
    return counter.get_total_flops()


def cases(with_compile: bool) -> Iterator[tuple[str, torch.memory_format, bool]]:
    """Precision, layout, compiled."""
    yield "fp32", torch.contiguous_format, False
    yield "fp32", torch.channels_last, False
    yield "bf16", torch.contiguous_format, False
    yield "bf16", torch.channels_last, False
    if with_compile:
        yield "bf16", torch.channels_last, True


class Case:
    """One generator, ready to train and to sample at a precision and layout."""

    def __init__(self, network: str, batch: int, device: torch.device, precision: str, layout: torch.memory_format):
        self.size, backbone, side, dim, _ = SIZES[network]
        self.batch, self.device, self.precision, self.layout = batch, device, precision, layout
        torch.manual_seed(0)
        spec = EmbedderSpec(backbone, (side, side), dim)
        embedder = Embedder(build_backbone(backbone, spec.image_size, dim), spec)
        embedder.backbone.to(device, memory_format=layout)
        if layout == torch.contiguous_format:  # Embedder.prepare asks for channels-last
            prepare = embedder.prepare
            embedder.prepare = lambda images: prepare(images).contiguous()
        settings = CemiFaceGenerator(trained_on="f", embedder="e", network=network)
        self.identity = torch.nn.functional.normalize(torch.randn(batch, dim))
        self.objective = CemiFaceObjective(settings, self.identity, embedder, device)
        self.spec = GeneratorSpec("cemiface", network, self.size, 1000, 1e-4, 0.02, embedding_dim=dim)
        self.network = self.predict = self.spec.build().to(device, memory_format=layout)
        self.parameters = list(self.network.parameters())
        self.optimizer = torch.optim.AdamW(self.parameters, 1e-4, fused=True)
        self.x = torch.randint(0, 256, (batch, 3, self.size, self.size), dtype=torch.uint8, device=device)

    def training(self) -> None:
        """One optimizer step."""
        drawn = self.objective.draw(torch.arange(self.batch))
        t = torch.randint(1000, (self.batch,), device=self.device)
        x = to_float(self.x).contiguous(memory_format=self.layout)
        with autocast(self.device, self.precision):
            losses = self.objective.losses(self.predict, x, t, torch.randn_like(x), **drawn)
        losses["loss"].backward()
        torch.nn.utils.clip_grad_norm_(self.parameters, 1.0, foreach=True)
        self.optimizer.step()
        self.optimizer.zero_grad()

    def sampling(self) -> None:
        """A batch of images in 20 steps."""
        C_id, m = self.identity.to(self.device), torch.zeros(self.batch, device=self.device)
        noise = torch.randn(self.batch, 3, self.size, self.size, device=self.device)

        def predict(x_t: torch.Tensor, t: torch.Tensor) -> torch.Tensor:
            return self.predict(x_t.contiguous(memory_format=self.layout), t, C_id, m)

        with autocast(self.device, self.precision), torch.inference_mode():
            denoise(predict, self.spec, noise, "ddim", STEPS)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--network", choices=list(SIZES), default="tiny")
    parser.add_argument("--batch", type=int, help="images per step; the recipe's where not given")
    parser.add_argument("--seconds", type=float, default=5.0, help="per row")
    parser.add_argument("--compile", action="store_true", help="a row with torch.compile, too")
    given = parser.parse_args()
    batch, device = given.batch or SIZES[given.network][-1], best_device()
    torch.set_float32_matmul_precision("high")  # TF32, which convolutions take on their own
    peaks = {"fp32": matmul_peak(device, torch.float32), "bf16": matmul_peak(device, torch.bfloat16)}
    name = torch.cuda.get_device_name() if device.type == "cuda" else f"CPU, {torch.get_num_threads()} threads"
    speeds = ", ".join(f"{precision} {peak / 1e12:.2f}" for precision, peak in peaks.items())
    print(f"{given.network} at {SIZES[given.network][0]} px, batch {batch}, {name}; matrix product TFLOP/s: {speeds}")
    row = "{:10} {:5} {:13} {:8} {:>9} {:>7} {:>8} {:>6} {:>6}"
    print(row.format("", "", "layout", "compiled", "img/s", "GB", "TFLOP/s", "share", "ratio"))
    first: dict[str, float] = {}
    flops: dict[str, float] = {}
    for precision, layout, is_compiled in cases(given.compile):
        case = Case(given.network, batch, device, precision, layout)
        for what in ("training", "sampling"):
            work = getattr(case, what)
            if what not in flops:
                flops[what] = flops_of(work)
            case.predict = compiled(case.network, is_compiled)
            if device.type == "cuda":
                torch.cuda.reset_peak_memory_stats()
            seconds = seconds_of(work, device, given.seconds)
            rate, speed = batch / seconds, flops[what] / seconds
            numbers = (f"{rate:.1f}", f"{peak_memory(device):.2f}", f"{speed / 1e12:.2f}")
            shares = (f"{speed / peaks[precision]:.0%}", f"{rate / first.setdefault(what, rate):.2f}")
            where = "NCHW" if layout == torch.contiguous_format else "channels-last"
            print(row.format(what, precision, where, "yes" if is_compiled else "no", *numbers, *shares), flush=True)


if __name__ == "__main__":
    main()
