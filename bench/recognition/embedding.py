"""Embedding on one CPU thread: images per second of a plain network, with batch norm folded, with autocast, of `embed`.

The rows take turns and the best of several rounds counts, so that a busy machine disturbs all of them alike.
"""

import argparse
import time
from collections.abc import Callable

import torch
from torch import Tensor, nn

from semihard.compute.tensors import to_float
from semihard.recognizer.backbone import build_backbone
from semihard.recognizer.model_file import EmbedderSpec
from semihard.similarity.embedders import Embedder

SIZE, DIM = (112, 112), 512


def seconds_of(function: Callable[[Tensor], Tensor], images: Tensor) -> float:
    """CPU seconds of one call."""
    start = time.process_time()
    function(images)
    return time.process_time() - start


@torch.inference_mode()
def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--backbone", default="iresnet50")
    parser.add_argument("--batches", type=int, nargs="+", default=[16, 64])
    parser.add_argument("--rounds", type=int, default=5)
    given = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    spec = EmbedderSpec(given.backbone, SIZE, DIM)
    plain = build_backbone(given.backbone, SIZE, DIM)
    plain(torch.rand(16, 3, *SIZE) * 2 - 1)  # running statistics of its own
    plain.eval().requires_grad_(False)
    embedder = Embedder(plain, spec)

    def autocast(images: Tensor) -> Tensor:
        with torch.autocast("cpu", torch.bfloat16):
            return embedder(to_float(images))

    rows = {
        "fp32, as trained (NCHW)": lambda images: plain(to_float(images)),
        "fp32, folded, channels-last": lambda images: embedder(to_float(images)),
        "bf16 by autocast": autocast,
        "Embedder.embed": lambda images: embedder.embed(images, flip=False),
    }
    print(f"{given.backbone}, 112 × 112, one thread, best of {given.rounds} rounds\n")
    print(f"{'':30}{'batch':>8}{'img/s':>10}{'ratio':>10}{'min cosine':>14}")
    for batch in given.batches:
        images = torch.randint(0, 256, (batch, 3, *SIZE), dtype=torch.uint8)
        features = {name: function(images).float() for name, function in rows.items()}
        seconds = [[seconds_of(function, images) for function in rows.values()] for _ in range(given.rounds)]
        best = [min(column) for column in zip(*seconds, strict=True)]
        for name, least in zip(rows, best, strict=True):
            cosine = nn.functional.cosine_similarity(features[name], features["fp32, as trained (NCHW)"]).min()
            print(f"{name:30}{batch:8}{batch / least:10.1f}{best[0] / least:10.2f}{float(cosine):14.5f}")


if __name__ == "__main__":
    main()
