"""Are these faces new? The nearest image of the set the generator learned from, judged at a false match rate.

After Otroshi Shahreza and Marcel, "Unveiling Synthetic Faces" (arXiv 2410.24015): exhaustive matching. A nearest
neighbour is a maximum over the whole gallery, so even unrelated faces often pass a threshold made for single
pairs: the share of matching *real* faces, each against the gallery images of everyone else, says how often.
"""

import math
from pathlib import Path

import numpy as np
import torch

from semihard.audit.settings import LeakageAudit
from semihard.compute.device import best_device
from semihard.compute.progress import progress
from semihard.errors import InputError, UnmeasurableError
from semihard.similarity.embedding_pairs import draw_pairs, identity_of_each, pair_cosines, unit_embeddings
from semihard.storage import schemas
from semihard.storage.artifacts import write_artifact
from semihard.storage.faceset import FaceSet
from semihard.storage.provenance import Provenance

QUERIES, GALLERY = 2048, 16384  # one block of cosines: 128 MiB
MATCHES_BEHIND_THRESHOLD = 1000  # false matches that fix the threshold: 3 % standard error of its rate
MOST_PAIRS = 20_000_000
REAL_QUERIES = 10_000


def audit_leakage(
    settings: LeakageAudit,
    faces: Path | str,
    embeddings: Path | str,
    gallery_faces: Path | str,
    gallery_embeddings: Path | str,
    output: Path | str,
    provenance: Provenance,
) -> None:
    """Write the artifact "leakage" of `faces`: nearest gallery image, its cosine, and the threshold of a match; copies
    of inquiries are left out.

    The threshold is exceeded by a share `settings.false_match_rate` of image pairs of different identities of the
    gallery; an unlabelled image counts as an identity of its own. Attributes: `matching`, the share of `faces`
    whose nearest cosine is above it; `matching_real`, the same for (at most 10 000) gallery images against those of
    other identities: what to expect of faces that are nobody's copies; `gallery`, its name.

    Raises InputError where the embeddings are of different lengths, UnmeasurableError where the gallery has too few
    pairs of different identities for the rate.
    """
    gallery = FaceSet(gallery_faces)
    known, identity = unit_embeddings(gallery_embeddings, gallery), identity_of_each(gallery)
    audited = FaceSet(faces)
    image = np.flatnonzero(audited.is_own())
    unit = unit_embeddings(embeddings, audited)[image]
    if unit.shape[1] != known.shape[1]:
        raise InputError(
            f"{embeddings}: embeddings of length {unit.shape[1]}, "
            f"{gallery_embeddings} has {known.shape[1]}; use one embedder"
        )
    rate = settings.false_match_rate
    first, second = draw_pairs(identity, False, min(math.ceil(MATCHES_BEHIND_THRESHOLD / rate), MOST_PAIRS), seed=0)
    if len(first) * rate < 1:
        raise UnmeasurableError(
            f"{gallery_faces}: {len(first)} image pairs of different identities cannot tell a false match rate of "
            f"{rate:g}; raise study.leakage.false_match_rate or take a larger real set"
        )
    threshold = float(np.quantile(pair_cosines(known, first, second), 1 - rate, method="higher"))
    index, similarity = find_nearest(unit, known)
    some = np.sort(np.random.default_rng(0).choice(len(gallery), min(REAL_QUERIES, len(gallery)), replace=False))
    _, real = find_nearest(known[some], known, identity[some], identity)
    write_artifact(
        output,
        schemas.LEAKAGE,
        {"image": image, "nearest_index": index, "nearest_similarity": similarity, "threshold": threshold},
        provenance,
        {
            "matching": float((similarity > threshold).mean()),
            "matching_real": float((real > threshold).mean()),
            "gallery": gallery.path.stem,
        },
    )


def find_nearest(
    queries: torch.Tensor,
    gallery: torch.Tensor,
    not_of: np.ndarray | None = None,
    identity: np.ndarray | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """The gallery image of greatest cosine for each query: index int64 `[N]` and cosine float32 `[N]`, block by block.

    queries `[N, D]`, gallery `[M, D]`: rows of length 1. not_of `[N]`, identity `[M]`: leave out those whose
    identity is the query's; −inf where that leaves none.
    """
    device = best_device()
    gallery = gallery.to(device)
    others = None if identity is None else torch.from_numpy(identity).to(device)
    index = torch.empty(len(queries), dtype=torch.int64)
    similarity = torch.empty(len(queries))
    with progress("nearest gallery image", len(queries), "images") as advance:
        for at in range(0, len(queries), QUERIES):
            rows = slice(at, min(at + QUERIES, len(queries)))
            block = queries[rows].to(device)
            best = torch.full((len(block),), -torch.inf, device=device)
            where = torch.zeros(len(block), dtype=torch.int64, device=device)
            for start in range(0, len(gallery), GALLERY):
                cosine = block @ gallery[start : start + GALLERY].T
                if others is not None:
                    own = torch.from_numpy(not_of[rows]).to(device)[:, None] == others[None, start : start + GALLERY]
                    cosine.masked_fill_(own, -torch.inf)
                value, column = cosine.max(1)
                where = torch.where(value > best, column + start, where)
                best = torch.maximum(value, best)
            index[rows], similarity[rows] = where.cpu(), best.cpu()
            advance(len(block))
    return index.numpy(), similarity.numpy()
