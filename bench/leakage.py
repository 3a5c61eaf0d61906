"""The search for nearest images against the matrix products alone, of the same blocks: time of both and their ratio.

python bench/leakage.py [QUERIES] [GALLERY] [THREADS]   # 20,000 × 49,000 of 512 numbers, two threads
"""

import sys
import time

import numpy as np
import torch

from semihard.audit.nearest import GALLERY, QUERIES, find_nearest

DIM, FULL = 512, (500_000, 490_000)


def products(queries: torch.Tensor, gallery: torch.Tensor) -> None:
    """Every block of cosines, and nothing done with it."""
    memory = torch.empty(QUERIES * GALLERY)
    for block in queries.split(QUERIES):
        for part in gallery.split(GALLERY):
            torch.mm(block, part.T, out=memory[: len(block) * len(part)].view(len(block), len(part)))


def timed(function, *arguments) -> float:
    start = time.perf_counter()
    function(*arguments)
    return time.perf_counter() - start


def main(queries: int = 20_000, gallery: int = 49_000, threads: int = 2) -> None:
    """Measure and print, the parts in turns, twice, the less of each: another process may be in the way."""
    torch.set_num_threads(threads)
    random = torch.Generator().manual_seed(0)
    q, g = (torch.nn.functional.normalize(torch.randn(n, DIM, generator=random)) for n in (queries, gallery))
    of_q, of_g = np.arange(queries) // 20, np.arange(gallery) // 20
    parts = {
        "products alone": lambda: products(q, g),
        "nearest": lambda: find_nearest(q, g),
        "nearest of another identity": lambda: find_nearest(q, g, of_q, of_g),
    }
    products(q[:QUERIES], g)
    rounds = [{name: timed(part) for name, part in parts.items()} for _ in range(2)]
    least = {name: min(seconds[name] for seconds in rounds) for name in parts}
    factor = FULL[0] * FULL[1] / (queries * gallery)
    print(
        f"{queries:,} × {gallery:,} × {DIM}, {threads} threads (at {FULL[0]:,} × {FULL[1]:,}, by the number of cosines)"
    )
    for name, seconds in least.items():
        ratio = seconds / least["products alone"]
        print(f"{name:28} {seconds:7.1f} s   × {ratio:.2f}   ({factor * seconds / 60:.0f} min)")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
