"""A model on a benchmark: embed its images once, then verify its pairs."""

from pathlib import Path

import torch

from semihard.artifacts import read_artifact, write_artifact
from semihard.device import best_device
from semihard.errors import InputError
from semihard.faceset import FaceSet
from semihard.progress import progress
from semihard.provenance import Provenance
from semihard.similarity.embedders import load_embedder
from semihard.similarity.embedding import embed_images
from semihard.verification import auc, equal_error_rate, squared_distances, tar_at_far, verify


def verify_faces(
    faces_path: Path | str,
    pairs_path: Path | str,
    model_path: Path | str,
    output: Path | str,
    provenance: Provenance | None = None,
    flip: bool = True,
) -> None:
    """Embed every image of a benchmark once and write the artifact "verification".

    pairs_path: artifact "benchmark"; flip: features of image and mirror image summed, as insightface does. Attributes:
    accuracy and its population standard deviation (ddof 0) over the folds, AUC, EER, TAR at FAR 0.001.
    Raises InputError where a pair names an image that the face set does not have.
    """
    faces = FaceSet(faces_path)
    pairs = read_artifact(pairs_path, "benchmark")
    if max(pairs["first"].max(), pairs["second"].max()) >= len(faces):
        raise InputError(f"{pairs_path}: a pair names an image beyond the {len(faces)} of {faces_path}")
    embedder = load_embedder(model_path, best_device())
    with progress(f"embed {faces.path.stem}", len(faces), "images") as advance:
        parts = []
        for rows in faces.blocks():
            parts.append(embed_images(faces, rows, embedder, flip))
            advance(rows.stop - rows.start)
    distance = squared_distances(torch.cat(parts).numpy(), pairs["first"], pairs["second"])
    result = verify(distance, pairs["same"], pairs["fold"])
    attrs = {
        "accuracy_mean": float(result.accuracy.mean()),
        "accuracy_std": float(result.accuracy.std()),
        "auc": auc(distance, pairs["same"]),
        "equal_error_rate": equal_error_rate(distance, pairs["same"]),
        "tar_at_far_0.001": tar_at_far(distance, pairs["same"], 1e-3),
        "flip": flip,
    }
    data = {"distance": distance, "same": pairs["same"], "fold": pairs["fold"]}
    write_artifact(
        output, "verification", data | {"accuracy": result.accuracy, "threshold": result.threshold}, provenance, attrs
    )
