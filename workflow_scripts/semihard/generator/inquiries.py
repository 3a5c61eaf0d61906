"""Inquiries: the images that define new identities, mutually dissimilar (CemiFace Sec. 4.1 after DCFace)."""

import logging
from pathlib import Path

import h5py
import numpy as np
import torch

from semihard.compute.progress import progress
from semihard.compute.seeds import seed_for
from semihard.compute.tensors import resize
from semihard.errors import InputError
from semihard.generator.quality import QualityGate
from semihard.generator.settings import SyntheticFaces
from semihard.similarity.embedding_pairs import open_embeddings
from semihard.similarity.greedy_selection import BLOCK, GreedyPacking
from semihard.storage import schemas
from semihard.storage.artifacts import open_artifact, write_artifact
from semihard.storage.faceset import FaceSet
from semihard.storage.provenance import Provenance

log = logging.getLogger("semihard")


def select_inquiries(
    settings: SyntheticFaces,
    faces_path: Path | str,
    embeddings_path: Path | str,
    output: Path | str,
    provenance: Provenance,
    centers_path: Path | str | None = None,
    told_apart_by: Path | str | None = None,
) -> None:
    """Write `settings.identities` inquiries of a face set, no two of them as similar as `settings.inquiry_threshold`.

    embeddings_path: by the generator's embedder; told_apart_by: embeddings by another one, whose cosine it then is.

    Candidates come in random order, one image per labelled identity (CemiFace: "1-shot") and every unlabelled image,
    without those of the lowest quality. While too few survive, each identity not taken yet sends another image, in up
    to `inquiry_rounds` rounds. Given the artifact "centers", an identity's center stands for its embedding (CemiFace
    Table 8), its images come in order of similarity to the center, and unlabelled images are no candidates.

    Attributes: `candidates` in all rounds; `gated`, how many of them were left out for their quality; `rounds`. Memory
    is that of the inquiries and one block. Raises InputError where too few survive, or a file is of another face set.
    """
    faces = FaceSet(faces_path)
    similarity = None if centers_path is None else _similarity_to_centers(centers_path, faces)
    shuffled, turn = order_candidates(faces, settings.seed, similarity)
    gate = QualityGate(faces, embeddings_path, settings.quality_quantile)
    packing = GreedyPacking(settings.inquiry_threshold)
    chosen, nearest = np.empty(0, np.int64), np.empty(0, np.float32)
    counts = {"candidates": 0, "gated": 0, "rounds": 0}
    while len(chosen) < settings.identities and counts["rounds"] < settings.inquiry_rounds:
        taken = np.isin(faces.identity[shuffled], faces.identity[chosen])
        candidates = shuffled[(turn == counts["rounds"]) & ~taken]
        if not len(candidates):
            break
        good = gate(candidates)
        counts["candidates"] += len(candidates)
        counts["gated"] += len(candidates) - len(good)
        counts["rounds"] += 1
        with progress("pack inquiries", len(good), "candidates") as advance:
            for start in range(0, len(good), BLOCK):
                block = good[start : start + BLOCK]
                if centers_path is None:
                    unit = read_unit_embeddings(told_apart_by or embeddings_path, block, len(faces))
                else:
                    with open_artifact(centers_path, schemas.CENTERS) as h5:
                        unit = _read_rows(h5["center"], faces.identity[block])
                survivors, cosine = packing.add(torch.from_numpy(unit))
                chosen, nearest = np.append(chosen, block[survivors]), np.append(nearest, cosine)
                advance(len(block))
                if len(chosen) >= settings.identities:
                    break
    if len(chosen) < settings.identities:
        more = "or take a larger face set" if faces.identity_names else "or draw more images"
        if faces.identity_names and counts["rounds"] == settings.inquiry_rounds:
            more = f"raise inquiry_rounds, {more}"
        raise InputError(
            f"{faces_path}: {settings.identities} identities asked for; of {counts['candidates']} candidates in "
            f"{counts['rounds']} of {settings.inquiry_rounds} rounds {counts['gated']} were left out for their quality, "
            f"{len(chosen)} of the others are mutually below cosine {settings.inquiry_threshold}; ask for fewer, raise "
            f"inquiry_threshold, lower quality_quantile, {more}"
        )
    names = np.array([*faces.identity_names, ""], object)
    nearest[0] = np.nan
    embedding = torch.cat(packing.kept).numpy()
    if told_apart_by:
        embedding = read_unit_embeddings(embeddings_path, chosen, len(faces))
    data = {
        "source_index": chosen,
        "source_name": names[faces.identity[chosen]],
        "embedding": embedding,
        "nearest": nearest,
    }
    data = {name: values[: settings.identities] for name, values in data.items()}
    write_artifact(output, schemas.INQUIRIES, data, provenance, counts)
    log.info("%d inquiries; candidates %d, gated %d, rounds %d", settings.identities, *counts.values())


def order_candidates(faces: FaceSet, seed: int, similarity: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
    """All images in random order, int64 `[N]`, and the round in which each is a candidate, int64 `[N]` beside it.

    An identity has one image in a round: in that order, or by falling `similarity` `[N]` of image and identity center.
    Unlabelled images are all in round 0; in none, −1, where similarity is given.
    """
    shuffled = np.random.default_rng(seed_for(seed, "inquiries")).permutation(len(faces))
    identity = faces.identity[shuffled]
    order = np.lexsort((np.zeros(len(faces)) if similarity is None else -similarity[shuffled], identity))  # stable
    turn = np.empty(len(faces), np.int64)
    turn[order] = np.arange(len(faces)) - np.searchsorted(identity[order], identity[order])
    turn[identity < 0] = 0 if similarity is None else -1
    return shuffled, turn


def one_per_identity(faces: FaceSet, seed: int) -> np.ndarray:
    """Images in random order, the first one of each labelled identity and all unlabelled ones: int64."""
    shuffled, turn = order_candidates(faces, seed)
    return shuffled[turn == 0]


def read_unit_embeddings(path: Path | str, rows: np.ndarray, count: int) -> np.ndarray:
    """Unit embeddings float32 `[len(rows), D]` of distinct ones of the `count` images of a face set."""
    with open_embeddings(path, count) as h5:
        raw = _read_rows(h5["embedding"], rows)
    return raw / np.linalg.norm(raw, axis=1, keepdims=True)


def read_inquiry_images(faces: FaceSet, source_index: np.ndarray, size: int) -> np.ndarray:
    """Images `source_index` int64 `[n]` of the inquiries' face set, uint8 RGB `[n, size, size, 3]`."""
    images = torch.from_numpy(faces.images(source_index)).permute(0, 3, 1, 2)
    return resize(images, size).permute(0, 2, 3, 1).contiguous().numpy()


def _read_rows(dataset: h5py.Dataset, rows: np.ndarray) -> np.ndarray:
    order = np.argsort(rows)  # HDF5 takes distinct rows in rising order only
    found = np.empty((len(rows), *dataset.shape[1:]), dataset.dtype)
    found[order] = dataset[rows[order]]
    return found


def _similarity_to_centers(path: Path | str, faces: FaceSet) -> np.ndarray:
    with open_artifact(path, schemas.CENTERS) as h5:
        names, similarity = h5["identity_names"].asstr()[:].tolist(), h5["similarity"][:]
    if names != faces.identity_names or len(similarity) != len(faces):
        raise InputError(
            f"{path}: centers of {len(names)} identities in {len(similarity)} images, not those of {faces.path} "
            f"({len(faces.identity_names)} in {len(faces)}); find the centers of that face set"
        )
    return similarity
