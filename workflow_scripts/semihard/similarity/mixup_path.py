"""The path over φ from one identity to another (SynFace, ICCV 2021): which pairs, which φ, and how like both ends it is."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from semihard.errors import InputError
from semihard.similarity.embedders import load_embedder
from semihard.similarity.embedding import unit_embeddings
from semihard.similarity.mixup import draw_partners
from semihard.storage import schemas
from semihard.storage.artifacts import write_artifact
from semihard.storage.provenance import Provenance

PHI = np.linspace(0, 1, 11)
PATHS = 6


def path_pairs(seed: int, per_identity: int, identities: int) -> tuple[np.ndarray, np.ndarray]:
    """Identity and partner of up to six paths, int64 `[R]` each: identities spread evenly over the set, each with the
    partner that identity mixup draws for its first image. Raises InputError where there is one identity only."""
    if identities < 2:
        raise InputError("a path over φ needs two identities, this face set has one; ask for more")
    identity = np.unique(np.linspace(0, identities - 1, min(PATHS, identities)).round().astype(np.int64))
    partner = [draw_partners(seed, int(k), per_identity, identities)[0][0] for k in identity]
    return identity, np.array(partner, np.int64)


def write_path(
    images: np.ndarray,
    identity: Sequence[str],
    partner: Sequence[str],
    model: Path | str,
    output: Path | str,
    provenance: Provenance,
) -> None:
    """Write the artifact "mixup_path".

    images: uint8 RGB `[R, S, h, w, 3]`, at every φ of PHI; identity, partner: names `[R]`; model: the model file of the
    embedder that measures the cosine of every image to both ends of its path.
    """
    paths, steps = images.shape[:2]
    batches = (torch.from_numpy(path).permute(0, 3, 1, 2) for path in images)
    unit = unit_embeddings(load_embedder(model), batches, paths * steps).reshape(paths, steps, -1)
    ends = torch.stack([unit[:, -1], unit[:, 0]], 2)  # [R, D, 2]
    data = {"phi": PHI, "identity": list(identity), "partner": list(partner), "images": images}
    write_artifact(output, schemas.MIXUP_PATH, data | {"similarity": (unit @ ends).numpy()}, provenance)
