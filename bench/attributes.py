"""Annotation of a large set: seconds per image of the whole stage, the network alone for comparison, and peak memory.

    python bench/attributes.py [images] [attributes]

500,000 images and 47 attributes unless other numbers are given; embeddings of 512 values at random, images of one pixel.
"""

import resource
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).parents[1] / "workflow_scripts"))

from semihard.attributes.annotation import annotate_attributes
from semihard.attributes.classifier_file import FOLDS, Classifier, Taught, save_classifier
from semihard.attributes.network import AttributeNetwork
from semihard.attributes.reliability import ROWS
from semihard.attributes.settings import Annotation
from semihard.storage import schemas
from semihard.storage.artifacts import create_artifact
from semihard.storage.faceset import FaceSetWriter
from semihard.storage.provenance import Provenance


def main(images: int = 500_000, attributes: int = 47) -> None:
    """Print one line per part."""
    names = [f"Attribute_{a:02d}" for a in range(attributes)]
    random = np.random.default_rng(0)
    with tempfile.TemporaryDirectory() as folder:
        faces, embeddings, model = (Path(folder, name) for name in ("faces.h5", "embeddings.h5", "model.safetensors"))
        with FaceSetWriter(faces, (1, 1), "raw") as writer:
            for start in range(0, images, 8192):
                rows = min(8192, images - start)
                writer.add(
                    random.integers(0, 256, (rows, 1, 1, 3), np.uint8),
                    [f"{i // 50}" for i in range(start, start + rows)],
                )
        with create_artifact(embeddings, schemas.EMBEDDINGS, attrs={"embedder": "e"}) as writer:
            written = writer.create("embedding", (images, 512))
            for start in range(0, images, 8192):
                written[start : start + 8192] = random.normal(size=(min(8192, images - start), 512))
        torch.manual_seed(0)
        networks = [AttributeNetwork(512, attributes).eval() for _ in range(FOLDS)]
        known = {key: np.full(attributes, 0.5) for key in ("accuracy", "reliable_accuracy", "threshold", "temperature")}
        kinds = (f"{kept}{name}" for kept in ("", "reliable_") for name in ("sensitivity", "specificity"))
        known |= {kind: np.full(attributes, 0.5) for kind in kinds}
        taught = Taught("t", "", 1, 1, names, np.array([1]), np.zeros(1, np.uint8), networks)
        save_classifier(model, Classifier(names, "e", 512, 0.9, known, [taught]), Provenance())

        print(f"{images:,} images, {attributes} attributes, {torch.get_num_threads()} threads")
        for what, settings in (
            ("with 100 passes", Annotation()),
            ("the network alone", Annotation(confidence="probability")),
        ):
            wall, cpu = time.monotonic(), time.process_time()
            annotate_attributes(settings, model, faces, embeddings, Path(folder, "out.h5"), Provenance())
            wall, cpu = time.monotonic() - wall, time.process_time() - cpu
            print(f"{what:20}{wall:8.1f} s {cpu:8.1f} CPU-s {1e6 * cpu / images:8.1f} µs an image")
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(f"peak memory {peak:,.0f} MB; blocks of {ROWS} images go through the network")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
