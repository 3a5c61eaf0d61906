"""Samplers and steps of a trained generator: seconds, distance to the limit of many steps, similarity obeyed.

    python bench/sampling.py GENERATOR EMBEDDER [EMBEDDINGS] [--compile]

GENERATOR and EMBEDDER are model files (the embedder it was trained with), EMBEDDINGS the inquiries' embeddings; without
them, the conditions are random directions. The same noise everywhere; the limit is DDIM in 250 steps; the ratio is to
the paper's DDIM in 20.
"""

import sys
import time

import numpy as np
import torch

from semihard.compute.device import autocast, best_device, compiled
from semihard.generator.model_file import load_generator
from semihard.generator.samplers import denoise, draw_noise
from semihard.similarity.embedders import load_embedder
from semihard.storage import schemas
from semihard.storage.artifacts import read_artifact

COUNT, COUNT_ON_GPU, M = 64, 512, 0.4
RUNS = [
    ("ddim", 20),
    ("ddim", 5),
    ("ddim", 10),
    ("ddim", 50),
    ("dpmsolver++", 5),
    ("dpmsolver++", 10),
    ("dpmsolver++", 20),
]


def main() -> None:
    """Print the table."""
    given = [argument for argument in sys.argv[1:] if argument != "--compile"]
    if len(given) not in (2, 3):
        sys.exit(__doc__)
    device, wanted = best_device(), "--compile" in sys.argv
    count = COUNT if device.type == "cpu" else COUNT_ON_GPU
    network, spec = load_generator(given[0], device, wanted)
    network.predict = compiled(network.predict, wanted)
    embedder = load_embedder(given[1], device)
    spec.check_embedder(given[1], embedder)
    if len(given) == 3:
        identity = torch.from_numpy(read_artifact(given[2], schemas.EMBEDDINGS)["embedding"][:count])
    else:
        identity = torch.randn(count, spec.embedding_dim, generator=torch.Generator().manual_seed(0))
    identity = torch.nn.functional.normalize(identity).to(device)
    noise = draw_noise(0, np.arange(len(identity)), np.zeros(len(identity), int), spec.image_size).to(device)
    m = torch.full((len(identity),), M, device=device)

    @torch.inference_mode()
    def draw(sampler: str, steps: int) -> tuple[torch.Tensor, float]:
        start = time.perf_counter()
        with autocast(device, "auto" if device.type == "cuda" else "fp32"):
            images = denoise(lambda x_t, t: network(x_t, t, identity, m), spec, noise, sampler, steps)
        return images.cpu(), time.perf_counter() - start

    draw("ddim", 2)
    limit, _ = draw("ddim", 250)
    row = "{:12} {:>6} {:>8} {:>6} {:>12} {:>11}"
    print(row.format("sampler", "steps", "img/s", "ratio", "grey levels", "similarity"))
    first = 0.0
    for sampler, steps in RUNS:
        images, seconds = draw(sampler, steps)
        first = first or seconds
        off = (images.int() - limit.int()).abs().float().mean()
        achieved = torch.nn.functional.cosine_similarity(embedder.embed(images).to(device), identity).mean()
        numbers = (f"{len(images) / seconds:.1f}", f"{first / seconds:.2f}", f"{off:.2f}", f"{achieved:.3f}")
        print(row.format(sampler, steps, *numbers))


if __name__ == "__main__":
    main()
