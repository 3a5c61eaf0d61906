"""Embed a face set: raw features of image plus mirror image, one row per image."""

from collections.abc import Iterable
from pathlib import Path

import torch
from torch import nn

from semihard.artifacts import create_artifact
from semihard.device import best_device
from semihard.errors import InputError
from semihard.faceset import FaceSet
from semihard.progress import progress
from semihard.provenance import Provenance
from semihard.similarity.embedders import Embedder, load_embedder


def embed_images(faces: FaceSet, rows: slice, embedder: Embedder, flip: bool = True) -> torch.Tensor:
    """Raw features float32 `[n, D]` of the images `rows`, on the CPU.

    flip: image plus mirror image, else the image alone. Raises InputError naming the first image, by its index and its
    key in the source, whose features are not finite.
    """
    features = embedder.embed(torch.from_numpy(faces.images(rows)).permute(0, 3, 1, 2), flip).cpu()
    finite = features.isfinite().all(1)
    if not finite.all():
        image = rows.start + int(finite.logical_not().nonzero()[0])
        key = f" (source_key {faces.column('source_key')[image]})" if "source_key" in faces.column_names else ""
        raise InputError(
            f"{faces.path}: image {image}{key} has no finite embedding; check the embedder's weights and the image"
        )
    return features


def unit_embeddings(embedder: Embedder, batches: Iterable[torch.Tensor], count: int) -> torch.Tensor:
    """Unit embeddings of image plus mirror image, float32 `[count, D]` on the CPU, of batches of uint8 `[n, 3, h, w]`."""
    parts = []
    with progress("embed", count, "images") as advance:
        for batch in batches:
            parts.append(nn.functional.normalize(embedder.embed(batch)).cpu())
            advance(len(batch))
    return torch.cat(parts)


def embed_faces(
    faces_path: Path | str, model_path: Path | str, output: Path | str, provenance: Provenance | None = None
) -> None:
    """Write the artifact "embeddings" of a face set by the embedder in `model_path`; memory is bounded by one block.

    Raises InputError where a file is not what it should be, or an embedding is not finite.
    """
    faces = FaceSet(faces_path)
    embedder = load_embedder(model_path, best_device())
    with (
        create_artifact(output, "embeddings", provenance) as writer,
        progress(f"embed {faces.path.stem}", len(faces), "images") as advance,
    ):
        embedding = writer.create("embedding", (len(faces), embedder.embedding_dim))
        for rows in faces.blocks():
            embedding[rows] = embed_images(faces, rows, embedder).numpy()
            advance(rows.stop - rows.start)
