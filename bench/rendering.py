"""Rendered images per second of processor time on one core, against the recognizer that eats them at the same size."""

import time

import torch

from semihard.recognizer.backbone import build_backbone
from semihard.sources.rendered.stream import rendered_faces

COUNT = 640


def main() -> None:
    """Print the table."""
    torch.set_num_threads(1)
    for _ in rendered_faces(2, 32, 1):
        pass
    start = time.process_time()
    for _ in rendered_faces(COUNT // 32, 32, 0):
        pass
    rendered = COUNT / (time.process_time() - start)
    backbone, images = build_backbone("tiny", (112, 112), 128), torch.randn(64, 3, 112, 112)
    backbone(images).sum().backward()
    start = time.process_time()
    backbone(images).sum().backward()
    trained = len(images) / (time.process_time() - start)
    print(f"{'rendered, 112 px':36}{rendered:8.0f} images/cpu-s")
    print(f"{'forward and backward of tiny, 112 px':36}{trained:8.0f} images/cpu-s")
    print(f"{'ratio':36}{rendered / trained:8.2f}")


if __name__ == "__main__":
    main()
