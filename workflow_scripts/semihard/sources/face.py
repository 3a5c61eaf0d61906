"""One face as its source has it."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, slots=True)
class Face:
    """image: encoded JPEG or PNG bytes kept as they are, or uint8 RGB `[h, w, 3]`; identity: the source's own name,
    "" where unlabelled; key: where it came from, a record's key or a path relative to the source.
    """

    image: bytes | np.ndarray
    identity: str
    key: str
