"""Greedy packing of inquiry candidates at cosine 0.3: seconds and peak memory of the blocks, and of the plain loop."""

import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch

from semihard.generator.inquiries import read_unit_embeddings
from semihard.similarity.greedy_selection import BLOCK, GreedyPacking
from semihard.storage import schemas
from semihard.storage.artifacts import create_artifact

N, FEW, CLUSTERS, DIM, THRESHOLD = 200_000, 50_000, 30_000, 512, 0.3


def make_embeddings(path: Path) -> None:
    """Clusters of directions of any width: about a fifth of 200,000 survives, as of DCFace's candidates."""
    rng = np.random.default_rng(0)
    center = rng.standard_normal((CLUSTERS, DIM), np.float32)
    with create_artifact(path, schemas.EMBEDDINGS) as writer:
        data = writer.create("embedding", (N, DIM))
        for start in range(0, N, BLOCK):
            n = min(BLOCK, N - start)
            spread = rng.uniform(0.3, 1.9, (n, 1)).astype(np.float32)
            noise = rng.standard_normal((n, DIM), np.float32)
            data[start : start + n] = center[rng.integers(0, CLUSTERS, n)] + spread * noise


def blocks(path: Path, count: int) -> Iterator[np.ndarray]:
    """Unit embeddings of `count` images in random order."""
    order = np.random.default_rng(1).permutation(N)[:count]
    return (read_unit_embeddings(path, order[start : start + BLOCK], N) for start in range(0, count, BLOCK))


def pack(path: Path, count: int) -> int:
    """How many the packing keeps."""
    packing = GreedyPacking(THRESHOLD)
    return sum(len(packing.add(torch.from_numpy(block))[0]) for block in blocks(path, count))


def loop(path: Path, count: int) -> int:
    """How many the plain loop keeps: each candidate against all kept before it."""
    kept, n = np.empty((count, DIM), np.float32), 0
    for block in blocks(path, count):
        for vector in block:
            if not n or (kept[:n] @ vector).max() < THRESHOLD:
                kept[n], n = vector, n + 1
    return n


def main() -> None:
    """Print the table."""
    with tempfile.TemporaryDirectory() as temporary:
        path = Path(temporary) / "embeddings.h5"
        make_embeddings(path)
        print(f"{'':10}{'candidates':>12}{'kept':>10}{'cpu-s':>10}{'peak memory':>14}{'× loop':>10}")
        rates: dict[str, float] = {}
        for name, count in (("imports", 0), ("loop", FEW), ("blocks", FEW), ("blocks", N)):
            command = [sys.executable, __file__, name, str(path), str(count)]
            out = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
            kept, seconds, peak = int(out[0]), float(out[1]), float(out[2])
            line = f"{name:10}{count:12,}{kept:10,}{seconds:10.1f}{peak:11.0f} MB"
            if count == FEW:
                rates[name] = seconds
                line += f"{rates['loop'] / seconds:10.1f}"
            print(line)


if __name__ == "__main__":
    if len(sys.argv) > 1:
        torch.set_num_threads(1)
        run = loop if sys.argv[1] == "loop" else pack
        start = time.process_time()
        kept = run(Path(sys.argv[2]), int(sys.argv[3]))
        print(kept, time.process_time() - start, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
    else:
        main()
