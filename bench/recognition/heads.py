"""One training step of a head (forward, backward, SGD): seconds and peak memory of the whole and of the sampled softmax.

Each in a process of its own; on a GPU where there is one, whose memory is then the one counted. At a million identities
of 512 dimensions the whole softmax takes 9 GB.
"""

import argparse
import json
import resource
import subprocess
import sys
import time

import torch
from torch import nn

from semihard.compute.device import best_device
from semihard.recognizer.margin_head import build_head
from semihard.recognizer.partial_fc import SampledHead

DIM, REPEATS = 512, 2


def measure(identities: int, batch: int, rate: float) -> tuple[float, float]:
    """Seconds of the fastest step and peak memory in GB; rate 1 is the plain head."""
    device = best_device()
    sampled = rate < 1
    if sampled:
        head: nn.Module = SampledHead("cosface", identities, DIM, None, 64.0, rate, batch)
    else:
        head = build_head("cosface", identities, DIM, None, 64.0)
    head = head.to(device)
    optimizer = torch.optim.SGD(head.parameters(), 0.1, momentum=0.9, weight_decay=5e-4, fused=True)
    embedding = torch.randn(batch, DIM, device=device, requires_grad=True)
    label, weight = torch.randint(identities, (batch, 1), device=device), torch.ones(batch, 1, device=device)

    def step() -> None:
        if sampled:
            head.take(label, optimizer)
        head.loss(embedding, label, weight)[0].backward()
        optimizer.step()
        optimizer.zero_grad()
        if sampled:
            head.give_back(optimizer)

    seconds = []
    for _ in range(1 + REPEATS):
        start = time.perf_counter()
        step()
        if device.type == "cuda":
            torch.cuda.synchronize()
        seconds.append(time.perf_counter() - start)
    if device.type == "cuda":
        return min(seconds[1:]), torch.cuda.max_memory_allocated() / 1e9
    return min(seconds[1:]), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--identities", type=int, nargs="+", default=[10_000, 100_000, 1_000_000])
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--rate", type=float, default=0.1, help="share of the centers that take part in a step")
    parser.add_argument("--one", type=float, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.one is not None:
        print(json.dumps(measure(given.identities[0], given.batch, given.one)))
        return
    print(
        f"{'identities':>12}{'whole':>12}{f'rate {given.rate:g}':>12}{'ratio':>8}{'whole':>12}{'sampled':>12}{'ratio':>8}"
    )
    for identities in given.identities:
        numbers = []
        for rate in (1.0, given.rate):
            command = [sys.executable, __file__, "--identities", identities, "--batch", given.batch, "--one", rate]
            out = subprocess.run([str(part) for part in command], capture_output=True, text=True, check=True).stdout
            numbers.append(json.loads(out))
        (whole, whole_gb), (part, part_gb) = numbers
        row = f"{identities:12,}{whole * 1e3:9,.1f} ms{part * 1e3:9,.1f} ms{whole / part:8.2f}"
        print(row + f"{whole_gb:9.2f} GB{part_gb:9.2f} GB{whole_gb / part_gb:8.2f}", flush=True)


if __name__ == "__main__":
    main()
