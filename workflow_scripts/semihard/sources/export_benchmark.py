"""Verification pairs for other people's code: InsightFace's `.bin`."""

from pathlib import Path

import numpy as np

from semihard.sources.benchmark_bin import write_bin
from semihard.storage import schemas
from semihard.storage.artifacts import read_artifact
from semihard.storage.faceset import FaceSet
from semihard.storage.pixels import encode_image


def export_benchmark(faces_path: Path | str, pairs_path: Path | str, output: Path | str) -> None:
    """Write the pairs of a benchmark, fold by fold, as others cut folds by order. Encoded images keep their bytes, pixels
    stored as they are become PNGs. Raises InputError where the pairs are of templates, which have no such file."""
    faces, pairs = FaceSet(faces_path), read_artifact(pairs_path, schemas.BENCHMARK)
    order = np.argsort(pairs["fold"], kind="stable")
    shown = np.stack([pairs["first"], pairs["second"]], 1)[order].ravel()
    raw = faces.codec == "raw"
    images = [encode_image(faces.images([i])[0], "png") if raw else faces.encoded(i) for i in shown.tolist()]
    write_bin(output, images, pairs["same"][order].tolist())
