"""Embed a face set: raw features of image plus mirror image, one row per image."""

import os
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import zip_longest
from pathlib import Path

import numpy as np
import torch
from torch import nn

from semihard.compute.device import best_device
from semihard.compute.progress import progress
from semihard.errors import InputError
from semihard.recognizer.model_file import weights_digest
from semihard.similarity.embedders import Embedder, load_embedder
from semihard.storage import schemas
from semihard.storage.artifacts import create_artifact
from semihard.storage.checkpoint import Resume
from semihard.storage.faceset import FaceSet
from semihard.storage.provenance import Provenance


def embed_blocks(
    faces: FaceSet, blocks: list[slice], embedder: Embedder, flip: bool = True
) -> Iterator[tuple[slice, torch.Tensor]]:
    """Each of `blocks` with the raw features float32 `[n, D]` of its images, on the CPU; the next block is decoded
    while one is embedded.

    flip: image plus mirror image, else the image alone. Raises InputError as `finite_features` does.
    """
    with ThreadPoolExecutor(1) as decoder:
        decoding = decoder.submit(faces.images, blocks[0]) if blocks else None
        for rows, following in zip_longest(blocks, blocks[1:]):
            images = decoding.result()
            if following:
                decoding = decoder.submit(faces.images, following)
            yield rows, finite_features(faces, rows, images, embedder, flip)


def finite_features(faces: FaceSet, rows: slice, images: np.ndarray, embedder: Embedder, flip: bool) -> torch.Tensor:
    """Raw features float32 `[n, D]`, on the CPU, of `images`, uint8 RGB `[n, h, w, 3]`, which are `rows` of `faces`.

    Raises InputError naming the first image, by its index and its key in the source, whose features are not finite.
    """
    features = embedder.embed(torch.from_numpy(images).permute(0, 3, 1, 2), flip).cpu()
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
    """Write the artifact "embeddings" of a face set by the embedder in `model_path`; memory is bounded by two blocks.
    Its attribute `embedder` is the digest of that embedder's weights.

    Finished blocks are kept in `<output>.resume/features`, float32 rows one after the other: interrupted at any moment,
    the next call goes on behind them, on CPU to the very same bytes.
    Raises InputError where a file is not what it should be, or an embedding is not finite.
    """
    faces = FaceSet(faces_path)
    embedder = load_embedder(model_path, best_device())
    embedder.spec.check_proportions(faces.image_size, faces.path, model_path)
    row_bytes = 4 * embedder.embedding_dim
    resume = Resume(output, provenance or Provenance(), [faces_path, model_path])
    with (resume.directory / "features").open("a+b") as file:
        rows_there = file.tell() // row_bytes
        missing = [rows for rows in faces.blocks() if rows.stop > rows_there]
        done = missing[0].start if missing else len(faces)
        file.truncate(done * row_bytes)  # of a block that was being written
        with progress(f"embed {faces.path.stem}", len(faces), "images", done) as advance:
            for rows, features in embed_blocks(faces, missing, embedder):
                file.write(features.numpy().tobytes())
                file.flush()
                os.fsync(file.fileno())
                advance(rows.stop - rows.start)
        file.seek(0)
        about = {"embedder": weights_digest(model_path)}
        with create_artifact(output, schemas.EMBEDDINGS, provenance, about) as writer:
            embedding = writer.create("embedding", (len(faces), embedder.embedding_dim))
            for rows in faces.blocks():
                part = file.read((rows.stop - rows.start) * row_bytes)
                embedding[rows] = np.frombuffer(part, np.float32).reshape(-1, embedder.embedding_dim)
    resume.discard()
