"""The classic swap: faces written as BGR and read as RGB."""

import logging

import numpy as np

logger = logging.getLogger(__name__)


def looks_bgr(images: np.ndarray) -> bool:
    """True where the sample's mean red is below its mean blue: skin never is. images: uint8 RGB `[n, h, w, 3]`."""
    red, _, blue = images.mean((0, 1, 2))
    return bool(red < blue)


def warn_if_bgr(images: np.ndarray, origin: object) -> None:
    """Log a warning that names `origin` if a sample of its images, uint8 `[n, h, w, 3]`, has red and blue swapped."""
    if looks_bgr(images):
        logger.warning(
            "%s: more blue than red in its faces: red and blue may have been swapped when it was made", origin
        )
