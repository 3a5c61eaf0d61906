"""Some identities and images of a face set as one of its own."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from semihard.compute.seeds import seed_for
from semihard.errors import InputError
from semihard.sources.settings import SubsetFaces
from semihard.storage.faceset import FaceSet, copy_faces
from semihard.storage.provenance import Provenance


def subset_faces(
    settings: SubsetFaces,
    faces_path: Path | str,
    output: Path | str,
    provenance: Provenance,
    exclude_paths: Sequence[Path | str] = (),
) -> None:
    """Draw identities, then images of each, in the order of the source; those named in `exclude_paths` are left out.

    Raises InputError where fewer identities remain than asked for, or none.
    """
    faces = FaceSet(faces_path)
    counts = faces.counts()
    eligible = counts >= settings.min_per_identity
    excluded = {name for path in exclude_paths for name in FaceSet(path).identity_names}
    eligible &= np.array([name not in excluded for name in faces.identity_names], bool)
    identities = np.flatnonzero(eligible)
    wanted = settings.identities or len(identities)
    if not len(identities) or wanted > len(identities):
        raise InputError(
            f"{faces_path}: {len(identities)} of {len(counts)} identities have {settings.min_per_identity} images or more"
            f"{' and are not excluded' if excluded else ''}, {wanted or 'some'} are asked for; "
            "lower identities or min_per_identity"
        )
    random = np.random.default_rng(seed_for(settings.seed, "subset"))
    chosen = np.zeros(len(counts) + 1, bool)  # the last entry is that of unlabelled images, class −1
    chosen[random.permutation(identities)[:wanted]] = True
    indices = np.flatnonzero(chosen[faces.identity])
    if settings.per_identity:
        shuffled = random.permutation(indices)
        order = shuffled[np.argsort(faces.identity[shuffled], kind="stable")]
        classes = faces.identity[order]
        rank = np.arange(len(order)) - np.searchsorted(classes, classes)
        indices = np.sort(order[rank < settings.per_identity])
    copy_faces(faces, indices, output, provenance)
