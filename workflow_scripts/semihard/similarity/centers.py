"""Identity centers and the similarity of each image to its own: cosine of embedding and center (CemiFace, Sec. 3.1)."""

import logging
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from semihard.errors import InputError
from semihard.recognizer.model_file import load_class_centers
from semihard.storage import schemas
from semihard.storage.artifacts import open_artifact, write_artifact
from semihard.storage.faceset import FaceSet
from semihard.storage.provenance import Provenance

log = logging.getLogger("semihard")


def find_identity_centers(
    faces_path: Path | str,
    embeddings_path: Path | str,
    center: str,
    model_path: Path | str | None,
    output: Path | str,
    provenance: Provenance | None = None,
) -> None:
    """Write the artifact "centers": a unit center per identity, the cosine of each image to its own.

    center: "mean", the renormalised mean of the identity's unit embeddings, or "class_weight", the identity's row of
    the head of the recognizer in `model_path`, found by name (CemiFace's definition). Embeddings are read block by block.
    The cosine is NaN where an image is unlabelled, a copy of an inquiry (which enters no mean, unless its identity has
    nothing else), or the only one behind a mean, to which it would be 1 whatever the image.

    Raises InputError where an identity is not among the classes of the recognizer, or where a file does not fit another.
    """
    faces = FaceSet(faces_path)
    own = faces.is_own()
    count = np.bincount(faces.identity[own & (faces.identity >= 0)], minlength=len(faces.identity_names))
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
            counted = own & (faces.identity >= 0)
            counted |= (count == 0)[faces.identity] & (faces.identity >= 0)
            centers = _mean_centers(faces, counted, embedding.shape[1], blocks())
            own &= (count > 1)[faces.identity]
            if alone := int((count == 1).sum()):
                log.warning(
                    "%s: %d identities have one image, which has no similarity to its own mean", faces.path, alone
                )
        else:
            centers = _class_weights(faces, model_path)
            if centers.shape[1] != embedding.shape[1]:
                raise InputError(
                    f"{model_path}: class weights have length {centers.shape[1]}, embeddings {embedding.shape[1]}"
                )
        similarity = np.full(len(faces), np.nan, np.float32)
        for rows, identity, features in blocks():
            measured = own[rows] & (identity >= 0)
            similarity[rows][measured] = np.einsum("nd,nd->n", features[measured], centers[identity[measured]])
    data = {"center": centers, "identity_names": faces.identity_names, "count": count, "similarity": similarity}
    write_artifact(output, schemas.CENTERS, data, provenance, {"center": center})


def unit(vectors: np.ndarray) -> np.ndarray:
    """Rows of `[n, D]` divided by their length, in float64."""
    vectors = np.asarray(vectors, np.float64)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def _mean_centers(faces: FaceSet, counted: np.ndarray, dimensions: int, blocks: Iterator) -> np.ndarray:
    total = np.zeros((len(faces.identity_names), dimensions))
    for rows, identity, features in blocks:
        np.add.at(total, identity[counted[rows]], features[counted[rows]])
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
