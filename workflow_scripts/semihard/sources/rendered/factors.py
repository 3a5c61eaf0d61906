"""What of an image varies: the factors of SynFace (ICCV 2021), each alone or together, the others held at a neutral value.

Held are values and not draws per identity: a backdrop of an identity's own would tell who it is.
"""

from collections.abc import Iterable
from dataclasses import replace

import numpy as np

from semihard.sources.rendered.nuisance import GAMMA_DIM, Nuisance, directional_light

FACTORS = {  # factor -> the fields of Nuisance that it consists of; together, all of them
    "expression": ("beta",),
    "illumination": ("gamma",),
    "pose": ("theta",),
    "surroundings": ("camera", "hair", "glasses", "hat", "patch", "clothes", "background", "degradation", "grain"),
}


def neutral_light() -> np.ndarray:
    """Irradiance float32 [27]: the mean ambient light of `draw_nuisance` and one light from before and above, both white."""
    light = np.array([[0.0, 0.35, 0.675]])
    gamma = 0.7 * directional_light(light / np.linalg.norm(light))[0, :, None] * np.ones(3)
    gamma[0] += 0.31
    gamma[2] += 0.31 * 0.175
    return gamma.reshape(GAMMA_DIM).astype(np.float32)


# What is not here is zero: no expression, frontal, nothing worn, nothing in front.
NEUTRAL = {
    "gamma": neutral_light(),
    "camera": np.array([0, 0, 1]),
    "hair": np.array([0, 0, 0, 1]),
    "glasses": np.array([0, 10, 7, 1, 0, 0, 0, 0]),  # of a size, though not worn
    "clothes": np.array([0.4, 0.4, 0.4]),
    "background": np.array(0.46),
    "degradation": np.array([1.12, 1.12, 1.4]),
}


def hold(nuisance: Nuisance, vary: Iterable[str]) -> Nuisance:
    """`nuisance` with every factor neutral but those in `vary`, whose values stay as they are; as it is where none is named.

    Raises KeyError for a factor that is not in FACTORS.
    """
    varied = {name for factor in vary for name in FACTORS[factor]}
    if not varied:
        return nuisance
    held = {}
    for name in {name for names in FACTORS.values() for name in names} - varied:
        drawn = getattr(nuisance, name)
        held[name] = np.broadcast_to(np.asarray(NEUTRAL.get(name, 0), drawn.dtype), drawn.shape).copy()
    return replace(nuisance, **held)
