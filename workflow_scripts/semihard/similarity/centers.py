"""Identity centers and the similarity of each image to its own: cosine of embedding and center (CemiFace, Sec. 3.1)."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from semihard.errors import InputError
from semihard.recognizer.model_file import load_class_centers
from semihard.storage import schemas
from semihard.storage.artifacts import open_artifact, write_artifact
from semihard.storage.faceset import FaceSet
from semihard.storage.provenance import Provenance


def find_identity_centers(
    faces_path: Path | str,
    embeddings_path: Path | str,
    center: str,
    model_path: Path | str | None,
    output: Path | str,
    provenance: Provenance | None = None,
) -> None:
    """Write the artifact "centers": a unit center per identity, the cosine of each image to its own (NaN: unlabelled).

    center: "mean", the renormalised mean of the identity's unit embeddings, or "class_weight", the identity's row of
    the head of the recognizer in `model_path`, found by name (CemiFace's definition). Embeddings are read block by block.

    Raises InputError where an identity is not among the classes of the recognizer, where an identity has one image only
    and the center is its mean (the cosine would be 1 whatever the image), or where a file does not fit another.
    """
    faces = FaceSet(faces_path)
    count = faces.counts()
    if not len(count):
        raise InputError(f"{faces_path}: no image is labelled, so there is no identity to find the center of")
    with open_artifact(embeddings_path, schemas.EMBEDDINGS) as h5:
        embedding = h5["embedding"]
        if len(embedding) != len(faces):
            raise InputError(
                f"{embeddings_path}: has {len(embedding)} embeddings, {faces_path} has {len(faces)} images"
            )

        def blocks() -> Iterator[tuple[slice, np.ndarray, np.ndarray]]:
            for rows in faces.blocks(1 << 14):
                yield rows, faces.identity[rows], unit(embedding[rows])

        if center == "mean":
            centers = _mean_centers(faces, count, embedding.shape[1], blocks())
        else:
            centers = _class_weights(faces, model_path)
            if centers.shape[1] != embedding.shape[1]:
                raise InputError(
                    f"{model_path}: class weights have length {centers.shape[1]}, embeddings {embedding.shape[1]}"
                )
        similarity = np.full(len(faces), np.nan, np.float32)
        for rows, identity, features in blocks():
            labelled = identity >= 0
            similarity[rows][labelled] = np.einsum("nd,nd->n", features[labelled], centers[identity[labelled]])
    data = {"center": centers, "identity_names": faces.identity_names, "count": count, "similarity": similarity}
    write_artifact(output, schemas.CENTERS, data, provenance, {"center": center})


def unit(vectors: np.ndarray) -> np.ndarray:
    """Rows of `[n, D]` divided by their length, in float64."""
    vectors = np.asarray(vectors, np.float64)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def _mean_centers(faces: FaceSet, count: np.ndarray, dimensions: int, blocks: Iterator) -> np.ndarray:
    single = np.flatnonzero(count == 1)
    if len(single):
        raise InputError(
            f"{faces.path}: identity {faces.identity_names[single[0]]!r} ({len(single)} in all) has one image, whose cosine "
            "to its own mean is 1; take a subset with min_per_identity: 2, or class-weight centers"
        )
    total = np.zeros((len(count), dimensions))
    for _, identity, features in blocks:
        labelled = identity >= 0
        np.add.at(total, identity[labelled], features[labelled])
    return unit(total)


def _class_weights(faces: FaceSet, model_path: Path | str | None) -> np.ndarray:
    if model_path is None:
        raise InputError("class-weight centers need a recognizer to take them from: an embedder of source recognizer")
    weight, names = load_class_centers(model_path)
    row = {name: i for i, name in enumerate(names)}
    missing = [name for name in faces.identity_names if name not in row]
    if missing:
        raise InputError(
            f"{model_path}: has no class for identity {missing[0]!r} ({len(missing)} in all) of {faces.path}; "
            "take a recognizer trained on this face set, or mean centers"
        )
    return unit(weight.numpy()[[row[name] for name in faces.identity_names]])
