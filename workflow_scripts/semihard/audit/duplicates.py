"""Near-duplicates inside a set: people under two names, and photographs that are there twice. The quantities of the artifact:

- `images`, `identities`: counts; an unlabelled image counts as an identity of its own, copies of inquiries are left out.
- `matching_other`: share of images whose nearest image of another identity is above the set's threshold (as of
  audit.match_rates), with its 95 % bootstrap interval over identities: label noise and look-alikes. `matching_other_null`:
  what to expect of distinct people: the same of unrelated people against this set where there are such, else 1 − (1 − r)^M for
  the M images of other identities if their cosines were independent, which is too many, the more so the larger the set.
- `nearer_to_another`: share of images of an identity of two or more that are nearer to an image of another identity.
- `compared`: images compared pixel by pixel (audit.photographs) with the nearest of their own identity and of another, where
  these are similar enough; `repeated`: images of which the set has the same photograph in the same identity;
  `repeated_other`: in another one.
"""

import logging
import math
from pathlib import Path

import numpy as np

from semihard.audit.match_rates import match_threshold, share_with_interval
from semihard.audit.nearest import find_nearest, find_nearest_of_identity
from semihard.audit.photographs import SAME_PHOTOGRAPH, photograph_correlation
from semihard.audit.samples import NULL_QUERIES, check_same_embedder, drawn
from semihard.audit.settings import LeakageAudit
from semihard.errors import UnmeasurableError
from semihard.similarity.embedding_pairs import identity_of_each, unit_embeddings
from semihard.storage import schemas
from semihard.storage.artifacts import write_artifact
from semihard.storage.faceset import FaceSet
from semihard.storage.provenance import Provenance

log = logging.getLogger("semihard")
COMPARED_ABOVE = 0.7  # cosine; a photograph and its JPEG of quality 50: 0.74 or more (1,000 of FairFace, two embedders)
MOST_COMPARED = 20_000  # of each kind, the most similar


def find_duplicates(
    settings: LeakageAudit,
    faces: Path | str,
    embeddings: Path | str,
    output: Path | str,
    provenance: Provenance,
    unrelated: tuple[Path | str, Path | str] | None = None,
) -> None:
    """Write the artifact "duplicates" of `faces`: the nearest image of another identity and of the same one to each image, the
    quantities above, and pairs of the same photograph.

    Compared pixel by pixel are pairs of a cosine of 0.7 or more, at most 20,000 of each kind, the most similar first.
    unrelated: a face set and its embeddings, people who are not in this one. Attributes: `faceset`, `null`.
    Raises InputError where embeddings are of different lengths; UnmeasurableError where the set has too few pairs of
    different identities for the false match rate.
    """
    images = FaceSet(faces)
    image = np.flatnonzero(images.is_own())
    identity, unit = identity_of_each(images)[image], unit_embeddings(embeddings, images)[image]
    if len(np.unique(identity)) < 2:
        raise UnmeasurableError(f"{faces}: its images are of one identity; two are needed")
    threshold = match_threshold(unit, identity, settings.false_match_rate, faces)
    other, to_other = find_nearest(unit, unit, identity, identity)
    same, to_same = find_nearest_of_identity(unit, identity)
    if unrelated is None:
        of_others = len(image) - np.unique(identity, return_inverse=True, return_counts=True)[2]
        weight = (len(image) - of_others) / len(image)
        null = float((weight * -np.expm1(of_others * math.log1p(-settings.false_match_rate))).sum())
    else:
        strangers = FaceSet(unrelated[0])
        others = unit_embeddings(unrelated[1], strangers)
        check_same_embedder(others.shape[1], unrelated[1], unit.shape[1], embeddings)
        some = drawn(np.flatnonzero(strangers.is_own()), NULL_QUERIES)
        null = float((find_nearest(others[some], unit)[1] > threshold).mean())

    share, interval = share_with_interval(to_other > threshold, identity)
    pairs, compared = [], 0
    for index, cosine in ((same, to_same), (other, to_other)):
        likely = np.argsort(-cosine, kind="stable")[: min(int((cosine >= COMPARED_ABOVE).sum()), MOST_COMPARED)]
        if len(likely) == MOST_COMPARED:
            log.warning("%s: the %d most similar pairs of a kind are compared pixel by pixel", faces, MOST_COMPARED)
        correlation = photograph_correlation(images, image[likely], images, image[index[likely]])
        repeated = np.sort(likely[correlation >= SAME_PHOTOGRAPH])
        pairs.append(np.stack([image[repeated], image[index[repeated]]], 1))
        compared += len(likely)
    several = np.isfinite(to_same)
    quantities = {
        "images": len(image),
        "identities": len(np.unique(identity)),
        "matching_other": share,
        "matching_other_null": null,
        "nearer_to_another": (to_other > to_same)[several].mean() if several.any() else math.nan,
        "compared": compared,
        "repeated": len(pairs[0]),
        "repeated_other": len(pairs[1]),
    }
    nothing = (math.nan, math.nan)
    data = {
        "name": list(quantities),
        "value": list(quantities.values()),
        "interval": [interval if name == "matching_other" else nothing for name in quantities],
        "threshold": threshold,
        "image": image,
        "other_index": image[other],
        "other_similarity": to_other,
        "same_index": np.where(several, image[same], -1),
        "same_similarity": to_same,
        "repeated": pairs[0],
        "repeated_other": pairs[1],
    }
    null_of = "independent pairs" if unrelated is None else Path(unrelated[0]).stem
    write_artifact(output, schemas.DUPLICATES, data, provenance, {"faceset": images.path.stem, "null": null_of})
