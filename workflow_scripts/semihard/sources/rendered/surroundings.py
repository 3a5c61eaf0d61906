"""What surrounds the face: backdrop, clothes, long hair and neck behind it, glasses and patches before it."""

from types import SimpleNamespace

import numpy as np

from semihard.sources.rendered.appearance import edge
from semihard.sources.rendered.morphable import matmul, positive, sawtooth, unit
from semihard.sources.rendered.nuisance import BACKGROUND, Nuisance


def behind(
    f: SimpleNamespace, nuisance: Nuisance, hair: np.ndarray, px: np.ndarray, py: np.ndarray, side: int
) -> np.ndarray:
    """What lies behind the head: smooth backdrop, clothes, long hair, neck, linear [n, 3, P]."""
    n = len(nuisance)
    weights = _interpolation(BACKGROUND, side)
    back = matmul(matmul(weights, nuisance.background), weights.T).reshape(n, 3, -1)
    back = back * back * 0.8
    neck_x = -nuisance.theta[:, :1] * 22 + nuisance.camera[:, :1]
    down = -py - 58 + nuisance.theta[:, 1:2] * 16  # below the chin
    ax = np.abs(px - neck_x)
    light = nuisance.gamma.reshape(-1, 9, 3)[:, 0]
    side_light = nuisance.gamma.reshape(-1, 9, 3)[:, 1].mean(1, keepdims=True)
    shoulder = edge((down + 42 - ax * 0.1 - positive(46 - ax) * 2.2) * 0.5, 1.5)
    slope = (px - neck_x) * (1 / 34)
    clothes = (nuisance.clothes * nuisance.clothes * light)[:, :, None] * (0.8 + 0.4 * side_light * slope)[:, None]
    image = back + (edge(shoulder * 4 - 2) * edge((down + 36 - positive(52 - ax)) * 0.4))[:, None] * (clothes - back)
    long = unit(f.hair_length * 2.2)
    crown = positive(py - 6)
    sheet = edge((36 + f.face_width * 1.2 + 9 * long - ax - 0.08 * py - crown * crown * 0.02) * 0.6, 1.2) * edge(
        (long - 0.3) * 4
    )
    tress = (hair[:, :3] * hair[:, :3] * light * 0.6)[:, :, None] * (
        (0.9 + 0.5 * side_light * slope) * (0.85 + 0.3 * np.abs(sawtooth(px * 0.31)))
    )[:, None]
    image = image + sheet[:, None] * (tress - image)
    skin = f.skin[:, :3]
    width = 22 + f.jaw_width * 0.6
    neck = edge(width + positive(down + 4) * 0.25 - ax, 1.2) * edge(-py - 20)
    round_ = 1 - (ax / (width + 12)) ** 2
    throat = (skin * skin * light)[:, :, None] * (0.42 * unit(round_ + 0.25) * (1 + 1.2 * side_light * slope))[:, None]
    return image + neck[:, None] * (throat - image)


def glasses(
    image: np.ndarray,
    f: SimpleNamespace,
    nuisance: Nuisance,
    origin: np.ndarray,
    direction: np.ndarray,
    head: np.ndarray,
    pixel: float,
) -> np.ndarray:
    """Frames and lenses in a plane before the eyes."""
    if not nuisance.glasses[:, 0].any():
        return image
    g = nuisance.glasses
    plane = np.float32(57.0)
    at = (plane - origin[:, 2]) / direction[:, 2:]
    gx = origin[:, 0] + at * direction[:, :1]
    gy = origin[:, 1] + at * direction[:, 1:2]
    wide, high, rim, dark = (g[:, k : k + 1] for k in range(1, 5))
    lx, ly = np.abs(np.abs(gx) - f.eye_spacing * 1.06) * (1 / wide), np.abs(gy - f.eye_height * 1.05 + 0.6) * (1 / high)
    square = np.sqrt(np.sqrt(lx * lx * lx * lx + ly * ly * ly * ly) + 1e-6)
    distance = (square - 1) * high
    frame = edge((rim - np.abs(distance)) / pixel, 1.2)
    bridge = edge((rim * 0.9 - np.abs(gy - f.eye_height - 1.5)) / pixel) * edge(
        f.eye_spacing * 1.06 - wide - np.abs(gx)
    )
    temple = (
        edge((rim * 0.9 - np.abs(gy - f.eye_height - 2)) / pixel)
        * edge(np.abs(gx) - f.eye_spacing * 1.06 - wide)
        * head
    )
    temple = temple * edge(41 - np.abs(gx))
    lens = edge(-distance / pixel) * (0.06 + dark * 0.9)
    worn = g[:, :1]
    light = nuisance.gamma.reshape(-1, 9, 3)[:, 0] * 1.6
    tint = (g[:, 5:] * 0.25 * (1 - dark) * light)[:, :, None]
    sheen = 0.10 * unit(0.5 + (gx + gy) * 0.02)[:, None] * light[:, :, None]
    image = image + (worn * lens)[:, None] * (tint * 0.3 + sheen - image)
    solid = worn * np.maximum(np.maximum(frame, bridge), temple)
    return image + solid[:, None] * ((g[:, 5:] ** 2 * light)[:, :, None] - image)


def patch(image: np.ndarray, nuisance: Nuisance, px: np.ndarray, py: np.ndarray) -> np.ndarray:
    """A slanted, softly shaded rectangle before the face."""
    if not nuisance.patch[:, 0].any():
        return image
    p = nuisance.patch
    x, y = px - (p[:, 1:2] - 56), py + (p[:, 2:3] - 56)
    slant = p[:, 5:6] * 0.6
    x, y = x + slant * y, y - slant * x
    inside = np.minimum(p[:, 3:4] - np.abs(x), p[:, 4:5] - np.abs(y))
    cover = p[:, :1] * edge(inside)
    colour = (p[:, 6:] ** 2)[:, :, None] * (0.8 + 0.012 * y)[:, None]
    return image + cover[:, None] * (positive(colour) - image)


def _interpolation(cells: int, side: int) -> np.ndarray:
    """Smooth interpolation matrix [side, cells]: each row weighs the near cells, sum 1."""
    at = (np.arange(side) + 0.5) / side * (cells - 1)
    w = np.maximum(1 - ((at[:, None] - np.arange(cells)) / 1.7) ** 2, 0) ** 2
    return (w / w.sum(1, keepdims=True)).astype(np.float32)
