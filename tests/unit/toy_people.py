"""Face sets that a network learns in seconds."""

import numpy as np

from semihard.storage.faceset import FaceSetWriter


def write_people(path, people: int, each: int = 10, first: int = 0, seed: int = 0, **columns) -> None:
    """Identities that differ in colour and pattern, 16 × 16 pixels."""
    random = np.random.default_rng(seed)
    with FaceSetWriter(path, (16, 16), "raw") as writer:
        for k in range(people):
            base = np.kron(random.integers(0, 256, (4, 4, 3)), np.ones((4, 4, 1)))
            images = np.clip(base + random.normal(0, 25, (each, 16, 16, 3)), 0, 255).astype(np.uint8)
            rows = slice(k * each, (k + 1) * each)
            writer.add(images, [f"person {first + k}"] * each, {name: values[rows] for name, values in columns.items()})
