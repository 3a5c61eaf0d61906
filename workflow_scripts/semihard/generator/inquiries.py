"""Inquiries: the images that define new identities, mutually dissimilar (CemiFace Sec. 4.1 after DCFace)."""

import logging
from pathlib import Path

import numpy as np

from semihard.artifacts import open_artifact, write_artifact
from semihard.errors import InputError
from semihard.faceset import FaceSet
from semihard.provenance import Provenance
from semihard.seeds import seed_for
from semihard.settings import SyntheticFaces

log = logging.getLogger("semihard")
BLOCK = 512


def select_inquiries(
    settings: SyntheticFaces,
    faces_path: Path | str,
    embeddings_path: Path | str,
    output: Path | str,
    provenance: Provenance,
) -> None:
    """Write `settings.identities` inquiries of a face set, no two of them as similar as `settings.inquiry_threshold`.

    Candidates come in random order, one image per labelled identity (CemiFace: "1-shot"); each is looked at once.
    Memory is that of the inquiries and one block. Raises InputError where too few survive, with the numbers.
    """
    faces = FaceSet(faces_path)
    candidates = one_per_identity(faces, settings.seed)
    kept, nearest = np.empty((0, 0), np.float32), np.empty(0, np.float32)
    chosen = np.empty(0, np.int64)
    for start in range(0, len(candidates), BLOCK):
        block = candidates[start : start + BLOCK]
        unit = read_unit_embeddings(embeddings_path, block, len(faces))
        survivors, similarity = keep_dissimilar(unit, kept.reshape(-1, unit.shape[1]), settings.inquiry_threshold)
        kept = np.concatenate([kept.reshape(-1, unit.shape[1]), unit[survivors]])
        nearest, chosen = np.concatenate([nearest, similarity]), np.concatenate([chosen, block[survivors]])
        if len(chosen) >= settings.identities:
            break
    else:
        raise InputError(
            f"{faces_path}: {len(candidates)} candidates, {len(chosen)} of them mutually below cosine "
            f"{settings.inquiry_threshold}, {settings.identities} identities asked for; ask for fewer, raise "
            "inquiry_threshold or take a larger face set as inquiries"
        )
    names = np.array([*faces.identity_names, ""], object)
    data = {"source_index": chosen, "source_name": names[faces.identity[chosen]], "embedding": kept, "nearest": nearest}
    write_artifact(
        output, "inquiries", {name: values[: settings.identities] for name, values in data.items()}, provenance
    )
    log.info(
        "%d inquiries among the first %d of %d candidates", settings.identities, start + len(block), len(candidates)
    )


def one_per_identity(faces: FaceSet, seed: int) -> np.ndarray:
    """Images in random order, the first one of each labelled identity and all unlabelled ones: int64."""
    order = np.random.default_rng(seed_for(seed, "inquiries")).permutation(len(faces))
    identity = faces.identity[order]
    first = np.zeros(len(order), bool)
    first[np.unique(identity, return_index=True)[1]] = True
    return order[first | (identity < 0)]


def read_unit_embeddings(path: Path | str, rows: np.ndarray, count: int) -> np.ndarray:
    """Unit embeddings float32 `[len(rows), D]` of some of the `count` images of a face set."""
    with open_artifact(path, "embeddings") as h5:
        stored = h5["embedding"]
        if len(stored) != count:
            raise InputError(f"{path}: {len(stored)} embeddings for a face set of {count} images; embed that face set")
        raw = np.stack([stored[row] for row in rows])  # one by one: h5py's own fancy indexing is a hundred times slower
    return raw / np.linalg.norm(raw, axis=1, keepdims=True)


def keep_dissimilar(block: np.ndarray, kept: np.ndarray, threshold: float) -> tuple[np.ndarray, np.ndarray]:
    """Greedy selection: the rows of `block` whose cosine to `kept` and to every row selected before is below `threshold`.

    block: unit `[b, D]`; kept: unit `[k, D]`. Returns those rows int64 `[s]` and each one's highest cosine to an
    earlier inquiry, float32 `[s]`; NaN for the very first.
    """
    nearest = (block @ kept.T).max(1) if len(kept) else np.full(len(block), -np.inf, np.float32)
    within = block @ block.T
    rows = []
    similarity = []
    for row in range(len(block)):
        if nearest[row] < threshold:
            rows.append(row)
            similarity.append(nearest[row] if np.isfinite(nearest[row]) else np.nan)
            np.maximum(nearest, within[row], out=nearest)
    return np.array(rows, np.int64), np.array(similarity, np.float32)
