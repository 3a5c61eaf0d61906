"""Everything in an image that is not identity: expression, illumination, pose, camera, occlusion, background, degradation."""

from collections.abc import Callable
from dataclasses import dataclass, fields

import numpy as np

GAMMA_DIM = 27  # 9 spherical-harmonics coefficients of the irradiance for each of R, G, B
THETA_DIM = 3  # yaw, pitch, roll in radians
BACKGROUND = 7  # side of the random grid a background is interpolated from


@dataclass(frozen=True)
class Nuisance:
    """Nuisance of n images; every array is float32 unless said otherwise."""

    beta: np.ndarray  # [n, 8] smile, mouth_open, brow_raise, frown, blink, pucker, gaze_x, gaze_y
    gamma: np.ndarray  # [n, 27] irradiance E(normal): 9 basis functions x RGB, basis-major
    theta: np.ndarray  # [n, 3] yaw (> 0: the nose points to the image's right), pitch (> 0: up), roll, radians
    camera: np.ndarray  # [n, 3] shift right, shift down (pixels of 112), scale
    hair: np.ndarray  # [n, 4] change of length, fringe, lightness, side of the parting
    glasses: np.ndarray  # [n, 8] worn (0/1), lens half width, half height, rim, dark lens (0..1), R, G, B of the rim
    hat: np.ndarray  # [n, 5] worn (0/1), height of its edge, R, G, B
    patch: np.ndarray  # [n, 9] present (0/1), center x, y, half width, half height, slant, R, G, B
    clothes: np.ndarray  # [n, 3] R, G, B
    background: np.ndarray  # [n, 3, 7, 7] colours, interpolated smoothly
    degradation: np.ndarray  # [n, 3] blur half width in x, in y (pixels of 112), noise standard deviation (grey levels)
    grain: np.ndarray  # int64 [n, 3] where the noise is cut from its tile

    def __len__(self) -> int:
        return len(self.theta)

    def __getitem__(self, rows: slice | np.ndarray) -> "Nuisance":
        """The nuisance of some of the images."""
        return Nuisance(*(getattr(self, field.name)[rows] for field in fields(self)))


_UNIFORMS, _NORMALS = 64, 32 + 3 * BACKGROUND * BACKGROUND


def draw_nuisance(seed: int, identity: np.ndarray, index: np.ndarray) -> Nuisance:
    """Nuisance of the images (identity[i], index[i]), int64 [n] each; image i's hangs on (seed, identity, index) alone."""
    n = len(identity)
    u, z = np.empty((n, _UNIFORMS)), np.empty((n, _NORMALS))
    for row, (k, j) in enumerate(zip(identity, index, strict=True)):
        generator = np.random.Generator(np.random.Philox(key=[seed, 1], counter=[0, 0, int(j), int(k)]))
        generator.random(out=u[row])
        generator.standard_normal(out=z[row])
    uniforms, normals = iter(u.T), iter(z.T[: _NORMALS - 3 * BACKGROUND * BACKGROUND])

    def between(low: float, high: float) -> np.ndarray:
        return low + (high - low) * next(uniforms)

    def with_chance(chance: float) -> np.ndarray:
        return (next(uniforms) < chance).astype(float)

    def normal(spread: float, limit: float) -> np.ndarray:
        return np.clip(next(normals) * spread, -limit, limit)

    beta = [
        with_chance(0.5) * between(0.2, 1.1) - with_chance(0.15) * between(0.0, 0.45),
        with_chance(0.4) * between(0.0, 1.0) ** 2,
        normal(0.9, 2.2),
        with_chance(0.25) * between(0, 1),
        np.maximum(with_chance(0.08), between(-0.9, 0.45)),
        with_chance(0.1) * between(0, 1),
        normal(0.8, 2.0),
        normal(0.4, 1.0),
    ]
    theta = [normal(0.33, 0.70), normal(0.14, 0.36), normal(0.045, 0.14)]
    camera = [normal(1.2, 3.5), normal(1.2, 3.5), 1 + normal(0.03, 0.08)]
    gamma = _illumination(between, normal, with_chance, n)
    hair = [normal(0.10, 0.3), normal(0.22, 0.6), normal(0.035, 0.1), np.sign(between(-0.3, 1.0))]
    glasses = [
        with_chance(0.17),
        between(8.8, 12.0),
        between(5.5, 9.0),
        between(0.5, 1.5),
        with_chance(0.25) * between(0.4, 0.93),
    ]
    glasses += _colour(between, 0.03, 0.5)
    hat = [with_chance(0.09), between(21, 33), *_colour(between, 0.1, 0.85)]
    patch = [with_chance(0.09), between(5, 107), between(25, 107), between(8, 22), between(8, 22), between(-1, 1)]
    patch += _colour(between, 0.05, 0.9)
    clothes = _colour(between, 0.05, 0.85)
    degradation = [between(1.0, 1.25), between(1.0, 1.25), between(0.3, 2.5)]
    blur = with_chance(0.35) * between(0.0, 2.6)
    motion = between(-0.6, 0.6)
    degradation[0] = degradation[0] + blur * (1 + motion)
    degradation[1] = degradation[1] + blur * (1 - motion)
    grain = [between(0, 1 << 20), between(0, 1 << 20), between(0, 1 << 20)]

    base = np.stack(_colour(between, 0.08, 0.85), 1)
    contrast = between(0.0, 0.16)
    grid = z[:, -3 * BACKGROUND * BACKGROUND :].reshape(n, 3, BACKGROUND, BACKGROUND)
    common = grid[:, :1] * 0.8 + grid * 0.5
    background = np.clip(base[:, :, None, None] + contrast[:, None, None, None] * common, 0.02, 1)

    def stack(columns: list[np.ndarray]) -> np.ndarray:
        return np.stack(columns, 1).astype(np.float32)

    return Nuisance(
        beta=stack(beta),
        gamma=gamma.astype(np.float32),
        theta=stack(theta),
        camera=stack(camera),
        hair=stack(hair),
        glasses=stack(glasses),
        hat=stack(hat),
        patch=stack(patch),
        clothes=stack(clothes),
        background=background.astype(np.float32),
        degradation=stack(degradation),
        grain=np.stack(grain, 1).astype(np.int64),
    )


def _colour(between: Callable[[float, float], np.ndarray], low: float, high: float) -> list[np.ndarray]:
    grey = between(low, high)
    return [np.clip(grey + between(-0.16, 0.16), 0.02, 1.0) for _ in range(3)]


def _illumination(
    between: Callable[[float, float], np.ndarray],
    normal: Callable[[float, float], np.ndarray],
    with_chance: Callable[[float], np.ndarray],
    n: int,
) -> np.ndarray:
    """Ambient light with a vertical gradient and two directional lights, projected on 9 spherical harmonics [n, 27]."""
    tint = np.stack([1 + normal(0.07, 0.18), 1 + normal(0.015, 0.04), 1 + normal(0.09, 0.22)], 1)
    exposure = np.clip(1 + normal(0.14, 0.35), 0.6, 1.35)
    ambient = between(0.12, 0.5)
    gamma = np.zeros((n, 9, 3))
    gamma[:, 0] = ambient[:, None] * tint
    gamma[:, 2] = (ambient * between(0.0, 0.35))[:, None] * tint
    for strength, coloured in ((between(0.45, 1.15), 0.10), (with_chance(0.5) * between(0.1, 0.5), 0.3)):
        x, y = normal(0.65, 1.6), 0.35 + normal(0.4, 1.0)
        z = between(0.25, 1.1)
        light = np.stack([x, y, z], 1) / np.sqrt(x * x + y * y + z * z)[:, None]
        colour = tint * np.stack(
            [1 + normal(coloured, 0.5), 1 + normal(coloured / 3, 0.2), 1 + normal(coloured, 0.5)], 1
        )
        gamma += directional_light(light)[:, :, None] * (strength[:, None] * colour)[:, None, :]
    return (gamma * exposure[:, None, None]).reshape(n, GAMMA_DIM)


def directional_light(light: np.ndarray) -> np.ndarray:
    """Irradiance max(0, normal . light) up to the second order, as coefficients [n, 9] of `harmonics`.

    light: unit vectors [n, 3] towards the light. max(0, c) = 1/4 + c/2 + 5/16 P2(c) + ... (Ramamoorthi and Hanrahan 2001).
    """
    x, y, z = light.T
    second = 1.5 * 5 / 16
    return np.stack(
        [
            np.full_like(x, 0.25),
            x / 2,
            y / 2,
            z / 2,
            second * 2 * x * y,
            second * 2 * y * z,
            second * (3 * z * z - 1) / 6,
            second * 2 * x * z,
            second * (x * x - y * y) / 2,
        ],
        axis=1,
    )


def harmonics(normal: np.ndarray) -> np.ndarray:
    """The nine basis functions 1, x, y, z, xy, yz, 3zz-1, xz, xx-yy of normals [n, 3, P] as [n, 9, P]."""
    x, y, z = normal[:, 0], normal[:, 1], normal[:, 2]
    return np.stack([np.ones_like(x), x, y, z, x * y, y * z, 3 * z * z - 1, x * z, x * x - y * y], 1)
