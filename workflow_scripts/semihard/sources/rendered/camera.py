"""The camera of aligned crops, and where its rays meet the head."""

from types import SimpleNamespace

import numpy as np

from semihard.sources.rendered.morphable import AXES, BASE, G, look_up, matmul, mouth_half_width, positive, unit
from semihard.sources.rendered.nuisance import Nuisance

STEPS = 6  # of the search along each ray
# ArcFace's five points in a 112 px crop, x right, y down: eyes, nose tip, mouth corners
TEMPLATE = np.array([[38.29, 51.70], [73.53, 51.50], [56.03, 71.74], [41.55, 92.37], [70.73, 92.20]], np.float32)
_UP = np.array([1, -1], np.float32)
_TEMPLATE = (TEMPLATE - 56) * _UP  # centered, y up


def rotation(theta: np.ndarray) -> np.ndarray:
    """R [n, 3, 3] = yaw about y after pitch about x, head frame -> camera frame (roll is applied in the image)."""
    (sy, cy), (sp, cp) = _sin_cos(theta[:, 0]), _sin_cos(theta[:, 1])
    zero = np.zeros_like(sy)
    return np.stack(
        [np.stack([cy, -sy * sp, sy * cp], 1), np.stack([zero, cp, sp], 1), np.stack([-sy, -cy * sp, cy * cp], 1)], 1
    )


def _sin_cos(a: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Taylor polynomials, exact to float32 for |a| < 1.2 and the same on every processor."""
    b = a * a
    sin = a * (1 - b / 6 * (1 - b / 20 * (1 - b / 42 * (1 - b / 72 * (1 - b / 110)))))
    cos = 1 - b / 2 * (1 - b / 12 * (1 - b / 30 * (1 - b / 56 * (1 - b / 90 * (1 - b / 132)))))
    return sin, cos


def landmarks_3d(f: SimpleNamespace, rho: np.ndarray) -> np.ndarray:
    """The five points on the head [n, 5, 3]: eyes (image left, right), nose tip, mouth corners (left, right)."""
    n = len(rho)
    half = mouth_half_width(f)
    corner = f.mouth_height + f.smile * 2.6 - f.frown * 1.2
    x = np.concatenate([-f.eye_spacing, f.eye_spacing, 0 * half, -half, half], 1)
    y = np.concatenate([f.eye_height, f.eye_height, BASE + 0.5 - f.nose_length, corner, corner], 1)
    d = np.stack([x / AXES[0], y / AXES[1]], 1)
    d = np.concatenate([d, np.sqrt(1 - (d * d).sum(1, keepdims=True))], 1)
    radius = look_up(rho.reshape(n, 1, G, G), (d[:, 0], d[:, 1], d[:, 2]), np.float32(1))
    return (d * radius * AXES[:, None]).transpose(0, 2, 1)


class Camera:
    """Scaled orthographic camera that puts the projected five points on the template (least squares: scale and shift)."""

    def __init__(self, points: np.ndarray, nuisance: Nuisance):
        self.rotation = rotation(nuisance.theta)
        flat = matmul(points, self.rotation[:, :2].transpose(0, 2, 1))
        center, middle = flat.mean(1, keepdims=True), _TEMPLATE.mean(0)
        flat = flat - center
        scale = (flat * (_TEMPLATE - middle)).sum((1, 2)) / (flat * flat).sum((1, 2))
        self.scale = scale * nuisance.camera[:, 2]
        sin, cos = _sin_cos(nuisance.theta[:, 2])
        self.roll = np.stack([np.stack([cos, -sin], 1), np.stack([sin, cos], 1)], 1)
        self.center = center[:, 0]
        self.shift = middle + nuisance.camera[:, :2] * _UP

    def project(self, points: np.ndarray) -> np.ndarray:
        """Head frame [n, K, 3] -> pixels of the 112 px crop [n, K, 2], x right, y down."""
        flat = matmul(points, self.rotation[:, :2].transpose(0, 2, 1)) - self.center[:, None]
        flat = matmul(flat * self.scale[:, None, None], self.roll.transpose(0, 2, 1)) + self.shift[:, None]
        return flat * _UP + 56

    def rays(self, x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Pixels (x right, y up, from the center) [P] -> origins [n, 3, P] and directions [n, 3] in the head's frame."""
        xy = np.stack([x, y])[None] - self.shift[:, :, None]
        flat = matmul(self.roll.transpose(0, 2, 1), xy) * (1 / self.scale)[:, None, None] + self.center[:, :, None]
        origin = matmul(self.rotation[:, :2].transpose(0, 2, 1), flat)
        return origin, -self.rotation[:, 2]


def intersect(
    rho: np.ndarray, origin: np.ndarray, direction: np.ndarray
) -> tuple[list[np.ndarray], np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """First hit of each ray with the head, found from the front.

    Returns the points over AXES (x, y, z), their lengths, how far outside the head they are (> 0: missed), the ray
    parameters and those where the rays pass the middle of the head, each [n, P].
    """
    axes = (1 / AXES)[:, None]
    o, d = origin * axes, (direction / AXES)[:, :, None]
    dd = (d * d).sum(1)
    od = (o * d).sum(1)
    bound = rho.max(1, keepdims=True) + 0.002
    middle = -od / dd
    t = middle - np.sqrt(positive(od * od - dd * ((o * o).sum(1) - bound * bound))) / dd
    maps = rho.reshape(len(rho), 1, G, G)
    before = t_before = t
    for step in range(STEPS + 1):
        q = [o[:, k] + t * d[:, k] for k in range(3)]
        r = np.sqrt(q[0] * q[0] + q[1] * q[1] + q[2] * q[2]) + 1e-6
        f = r - look_up(maps, q, r)[:, 0]
        if step < STEPS:
            slope = np.clip((q[0] * d[:, 0] + q[1] * d[:, 1] + q[2] * d[:, 2]) / -r, 0.012, 1)
            if step:  # secant, kept from striding over the nose
                slope = np.clip((before - f) / (t - t_before + 1e-3), slope * 0.5, 0.1)
            before, t_before = f, t
            t = np.minimum(t + f * 0.95 / slope, middle)
    return q, r, f, t, middle


def shadow(rho: np.ndarray, q: list[np.ndarray], light: np.ndarray) -> np.ndarray:
    """How much of the dominant light [n, 3] (head frame over AXES) reaches the surface points q, 0 to 1 [n, P]."""
    maps = rho.reshape(len(rho), 1, G, G)
    lit = 1.0
    for reach in (4.0, 10.0):
        p = [a + reach * light[:, k : k + 1] for k, a in enumerate(q)]
        r = np.sqrt(p[0] * p[0] + p[1] * p[1] + p[2] * p[2]) + 1e-6
        above = r - look_up(maps, p, r)[:, 0]
        lit = np.minimum(lit, above * (70 / reach) + 1)
    return unit(lit)
