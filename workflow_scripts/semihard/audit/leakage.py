"""Are these faces new? The nearest image of a reference, such as the set a generator learned from, to every image of a set,
judged beside what unrelated real people have (audit.match_rates) and told apart by pixels (audit.photographs).

Exhaustive matching after Otroshi Shahreza and Marcel, "Unveiling Synthetic Faces" (arXiv 2410.24015). The quantities of
the artifact; an unlabelled image counts as an identity of its own, copies of inquiries are in nothing but the last two:

- `images`, `identities`, `reference_images`, `null_images`: counts.
- `matching`: share of images whose nearest cosine is above the threshold; `matching_null`: the same of the null, each with its
  95 % bootstrap interval over identities; `ratio`: of the first to the second.
- `auc`: the chance that an image is nearer to the reference than one of the null; ½ where both are alike.
- `identities_matching`, `identities_half_matching`: share of identities of which one image, or half of them, match;
  `identity_matching_median`: median over identities of the share of their images that do.
- `beyond_null`: images nearer to the reference than every one of the null; `beyond_null_p`: the chance of so many were both
  alike, images being taken for independent; `beyond_null_identities_p`: the same of one image of each identity and of the null,
  drawn at random: it holds where images of one identity are alike, and sees less.
- `compared`: images compared pixel by pixel with their nearest; `copied`: those of them that are the same photograph.
- `inquiry_copies`, `inquiry_copies_matching`: photographs among the images, and the share of them that match.
"""

import logging
import math
from pathlib import Path

import numpy as np

from semihard.audit.match_rates import (
    area_under_curve,
    chance_beyond,
    match_threshold,
    share_of_each_identity,
    share_with_interval,
)
from semihard.audit.nearest import find_nearest
from semihard.audit.photographs import SAME_PHOTOGRAPH, photograph_correlation
from semihard.audit.samples import NULL_QUERIES, check_same_embedder, drawn, one_of_each
from semihard.audit.settings import LeakageAudit
from semihard.errors import UnmeasurableError
from semihard.similarity.embedding_pairs import identity_of_each, unit_embeddings
from semihard.storage import schemas
from semihard.storage.artifacts import write_artifact
from semihard.storage.faceset import FaceSet
from semihard.storage.provenance import Provenance

log = logging.getLogger("semihard")
COMPARED_ABOVE = 0.99  # quantile of the null's nearest cosines
LEAST_COMPARED, MOST_COMPARED = 12, 5000  # the most similar; the first for the figure, the second for time
SAME_IMAGE = 0.9999  # cosine of an image to itself, float32 rounding left to it
NEARLY_ALL = 0.99


def audit_leakage(
    settings: LeakageAudit,
    faces: Path | str,
    embeddings: Path | str,
    reference_faces: Path | str,
    reference_embeddings: Path | str,
    output: Path | str,
    provenance: Provenance,
    role: str = "",
    unrelated: tuple[Path | str, Path | str] | None = None,
) -> None:
    """Write the artifact "leakage" of `faces` against a reference: nearest images, the quantities above, and which images are
    beyond the null, compared and copied.

    A share `settings.false_match_rate` of image pairs of different identities of the reference exceeds the threshold. The null
    are at most 10,000 images, drawn at random, of `unrelated`, a face set and its embeddings, people who are in no reference;
    where not given, of the reference itself, each against those of other identities. Compared are the images above the null's
    99 % quantile, the 12 nearest in any case, at most 5,000, the most similar first. Attributes: `faceset`, `reference` and
    `null`, names; `role` of the reference; `is_reference`, true, as a line of the log says, where nearly all images are
    the reference's own.

    Raises InputError where the embeddings are of different lengths, UnmeasurableError where the reference has too few
    pairs of different identities for the rate, or `faces` fewer identities than a bootstrap needs.
    """
    audited, reference = FaceSet(faces), FaceSet(reference_faces)
    unit, known = unit_embeddings(embeddings, audited), unit_embeddings(reference_embeddings, reference)
    check_same_embedder(unit.shape[1], embeddings, known.shape[1], reference_embeddings)
    own = audited.is_own()
    image, identity, known_identity = np.flatnonzero(own), identity_of_each(audited)[own], identity_of_each(reference)
    if len(np.unique(identity)) < 2:
        raise UnmeasurableError(f"{faces}: images of one identity have no interval over identities; 2 are needed")
    threshold = match_threshold(known, known_identity, settings.false_match_rate, reference_faces)

    index, similarity = find_nearest(unit[image], known)
    if unrelated is None:
        some = drawn(np.arange(len(reference)), NULL_QUERIES)
        null_identity = known_identity[some]
        _, null = find_nearest(known[some], known, null_identity, known_identity)
    else:
        strangers = FaceSet(unrelated[0])
        others = unit_embeddings(unrelated[1], strangers)
        check_same_embedder(others.shape[1], unrelated[1], known.shape[1], reference_embeddings)
        some = drawn(np.flatnonzero(strangers.is_own()), NULL_QUERIES)
        null_identity = identity_of_each(strangers)[some]
        _, null = find_nearest(others[some], known)
    matching = similarity > threshold
    of_identity = share_of_each_identity(matching, identity)
    share, interval = share_with_interval(matching, identity)
    null_share, null_interval = share_with_interval(null > threshold, null_identity)
    beyond = similarity > null.max()
    singles, null_singles = one_of_each(identity), one_of_each(null_identity)
    beyond_of_singles = int((similarity[singles] > null[null_singles].max()).sum())

    nearest_first = np.argsort(-similarity, kind="stable")
    above = int((similarity > np.quantile(null, COMPARED_ABOVE)).sum())
    compared = nearest_first[: min(max(above, LEAST_COMPARED), MOST_COMPARED)]
    if above > MOST_COMPARED:
        log.warning("%s: of %d images the %d most similar are compared pixel by pixel", faces, above, MOST_COMPARED)
    correlation = photograph_correlation(audited, image[compared], reference, index[compared])
    copied = correlation >= SAME_PHOTOGRAPH
    copies = np.flatnonzero(~own)
    of_copies = find_nearest(unit[copies], known)[1] > threshold
    is_reference = bool((similarity >= SAME_IMAGE).mean() >= NEARLY_ALL)
    if is_reference:
        log.warning("%s: nearly all images are in %s: it is audited against itself", faces, reference_faces)

    quantities = {
        "images": len(image),
        "identities": len(of_identity),
        "reference_images": len(reference),
        "null_images": len(null),
        "matching": share,
        "matching_null": null_share,
        "ratio": share / null_share if null_share else math.nan,
        "auc": area_under_curve(similarity, null),
        "identities_matching": (of_identity > 0).mean(),
        "identities_half_matching": (of_identity >= 0.5).mean(),
        "identity_matching_median": np.median(of_identity),
        "beyond_null": beyond.sum(),
        "beyond_null_p": chance_beyond(int(beyond.sum()), len(image), len(null)),
        "beyond_null_identities_p": chance_beyond(beyond_of_singles, len(singles), len(null_singles)),
        "compared": len(compared),
        "copied": copied.sum(),
        "inquiry_copies": len(copies),
        "inquiry_copies_matching": of_copies.mean() if len(copies) else math.nan,
    }
    nothing = (math.nan, math.nan)
    intervals = {"matching": interval, "matching_null": null_interval}
    data = {
        "name": list(quantities),
        "value": list(quantities.values()),
        "interval": [intervals.get(name, nothing) for name in quantities],
        "image": image,
        "nearest_index": index,
        "nearest_similarity": similarity,
        "threshold": threshold,
        "null_similarity": null,
        "beyond_null": image[beyond],
        "compared": image[compared],
        "correlation": correlation,
        "copied": np.sort(image[compared[copied]]),
    }
    names = {"faceset": audited.path.stem, "reference": reference.path.stem, "role": role, "is_reference": is_reference}
    names["null"] = "other identities of the reference" if unrelated is None else Path(unrelated[0]).stem
    write_artifact(output, schemas.LEAKAGE, data, provenance, names)
