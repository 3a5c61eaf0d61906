"""Training of a recognizer, images per second by precision, layout and compilation: each as a ratio to fp32, NCHW, eager."""

import argparse
import time
from collections.abc import Callable
from functools import partial

import torch

from semihard.compute.device import autocast, best_device, compiled
from semihard.recognizer.augmentation import augment
from semihard.recognizer.backbone import build_backbone
from semihard.recognizer.settings import Recognizer
from semihard.recognizer.training import Recognition, build_optimizer, build_recognizer_head

WARM_UP = 3


def step_of(
    settings: Recognizer, identities: int, layout: torch.memory_format, device: torch.device
) -> Callable[[], None]:
    """One optimizer step on random images that lie on the device: augmentation, network, head, SGD."""
    torch.manual_seed(0)
    size = (settings.image_size, settings.width or settings.image_size)
    backbone = build_backbone(settings.backbone, size, settings.embedding_dim)
    model = (
        Recognition(backbone, build_recognizer_head(settings, identities, 1)).to(device, memory_format=layout).train()
    )
    optimizer = build_optimizer(model, settings, device)
    recognize = compiled(model, settings.compile)
    images = torch.randint(256, (settings.batch, 3, *size), dtype=torch.uint8, device=device)
    label = torch.randint(identities, (settings.batch, 1), device=device)
    weight = torch.ones(settings.batch, 1, device=device)

    def step() -> None:
        x = augment(images, settings).contiguous(memory_format=layout)
        with autocast(device, settings.precision):
            loss, _ = recognize(x, label, weight)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()

    return step


def rate(step: Callable[[], None], batch: int, seconds: float, device: torch.device) -> float:
    """Images per second of `step`, over `seconds` after a warm-up."""

    def finish() -> None:
        if device.type == "cuda":
            torch.cuda.synchronize()

    for _ in range(WARM_UP):
        step()
    finish()
    start, steps = time.perf_counter(), 0
    while time.perf_counter() - start < seconds:
        step()
        steps += 1
        if steps % 10 == 0:
            finish()
    finish()
    return steps * batch / (time.perf_counter() - start)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--backbone", default="iresnet50")
    parser.add_argument("--recipe", default="cemiface")
    parser.add_argument("--image-size", type=int, default=112)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--identities", type=int, default=10_572)
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--compile", action="store_true", help="a row with torch.compile, too")
    given = parser.parse_args()
    device = best_device()
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else "CPU"
    print(f"{given.backbone}, {given.image_size} px, batch {given.batch}, {given.identities:,} identities")
    print(f"{name}, {torch.get_num_threads()} threads")
    rows = [
        ("fp32", "NCHW", False),
        ("fp32", "channels-last", False),
        ("bf16", "NCHW", False),
        ("bf16", "channels-last", False),
    ]
    rows += [("bf16", "channels-last", True)] if given.compile else []
    first = None
    for precision, layout, with_compile in rows:
        settings = Recognizer(
            recipe=given.recipe, backbone=given.backbone, image_size=given.image_size, batch=given.batch,
            precision=precision, compile=with_compile,
        )  # fmt: skip
        memory = torch.channels_last if layout == "channels-last" else torch.contiguous_format
        run = partial(rate, step_of(settings, given.identities, memory, device), given.batch, given.seconds, device)
        found = run()
        first = first or found
        print(
            f"{precision}  {layout:14}{'compiled' if with_compile else 'eager':10}{found:10.1f} img/s{found / first:8.2f}"
        )


if __name__ == "__main__":
    main()
