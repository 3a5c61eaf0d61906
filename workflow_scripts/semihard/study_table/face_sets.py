"""What a line of the study table says of its face set: how large it is, and how near to the real one."""

from pathlib import Path

import numpy as np

from semihard.storage import schemas
from semihard.storage.artifacts import read_artifact
from semihard.storage.faceset import FaceSet

COUNTS = ("identities", "images", "inquiry_copies")


def count_faces(faces: FaceSet) -> dict[str, int]:
    """Columns `identities`, `images` and `inquiry_copies` of a face set; copies of inquiries are in the last alone."""
    own = faces.is_own()
    named = faces.identity[own & (faces.identity >= 0)]
    return dict(zip(COUNTS, (len(np.unique(named)), int(own.sum()), int((~own).sum())), strict=True))


def read_fidelity(path: Path | str) -> dict[str, float]:
    """Columns of the table from an artifact "fidelity": `<measure>_<features>` and `<measure>_<features>_null`."""
    numbers = read_artifact(path, schemas.FIDELITY)
    return {
        f"{name}_{features}{ending}": float(numbers[which][i, j])
        for i, features in enumerate(numbers["features"])
        for j, name in enumerate(numbers["name"])
        for which, ending in (("value", ""), ("null", "_null"))
    }
