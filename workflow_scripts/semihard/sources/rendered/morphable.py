"""The morphable head: identity coefficients alpha and expression coefficients beta -> surface in a chart of directions.

Every coefficient is one named facial trait. `trait = middle + spread * a / sqrt(1 + a^2 / 6)` keeps each trait inside
`middle ± 2.45 spread`, so any alpha, and any mixture of two, is a valid face. Lengths are in pixels of the 112 px aligned
crop; the head's frame has x to the image's right, y up and z towards the viewer when the pose is frontal.

The head is star-shaped: the ellipsoid `AXES` scaled by a radius rho(direction), sampled on a G x G chart of directions
(dx, dy) / (CHART_K + dz). X = AXES[0] * dx and Y = AXES[1] * dy are the face coordinates that place every feature.
Pixels are made with + - * / sqrt only (no transcendental function), so they do not hang on SIMD paths or batch layout.
"""

from types import SimpleNamespace

import numpy as np
import torch

# name: (middle, spread); the order is the order of the coefficients in alpha
IDENTITY_TRAITS: dict[str, tuple[float, float]] = {
    # head
    "face_width": (0.0, 1.5), "face_length": (0.0, 1.9), "jaw_width": (0.0, 2.4), "jaw_corner": (0.8, 1.1),
    "chin_size": (2.6, 1.3), "chin_width": (15.0, 2.6), "cheekbone": (1.8, 1.1), "cheek": (-0.8, 1.4),
    "forehead": (0.0, 1.3), "brow_ridge": (1.3, 0.8), "ear_size": (5.5, 1.6),
    # nose
    "nose_length": (0.0, 1.5), "nose_width": (7.4, 1.0), "nose_bridge": (3.6, 1.4), "nose_tip": (8.6, 1.6),
    "nose_bulb": (5.4, 0.8), "bridge_width": (5.4, 0.8),
    # eyes
    "eye_spacing": (17.8, 1.0), "eye_height": (2.3, 0.8), "eye_width": (9.0, 0.65), "eye_opening": (3.45, 0.5),
    "eye_tilt": (0.05, 0.07), "eye_depth": (3.2, 0.9), "lid_crease": (0.45, 0.25), "eye_bags": (0.22, 0.16),
    "iris_warmth": (0.55, 0.3), "iris_light": (0.3, 0.22),
    # brows
    "brow_thickness": (1.7, 0.45), "brow_arch": (1.9, 0.8), "brow_height": (9.6, 0.9), "brow_tilt": (0.03, 0.07),
    "brow_length": (10.5, 1.0), "brow_density": (0.72, 0.16),
    # mouth
    "mouth_width": (14.0, 1.2), "mouth_height": (-36.5, 0.9), "upper_lip": (3.3, 0.75), "lower_lip": (4.3, 0.85),
    "cupid_bow": (0.9, 0.45), "lip_red": (0.38, 0.26),
    # skin
    "melanin": (0.42, 0.30), "skin_red": (0.5, 0.25), "freckles": (-0.25, 0.35), "beard": (-0.35, 0.55),
    "wrinkles": (0.2, 0.25), "mole_x": (0.0, 15.0), "mole_y": (-18.0, 12.0), "mole_size": (0.15, 0.5),
    # hair
    "hair_light": (0.36, 0.30), "hair_red": (0.4, 0.25), "hair_gray": (-0.25, 0.35), "hairline": (36.0, 5.5),
    "hairline_curve": (0.026, 0.010), "hair_length": (0.25, 0.6), "hair_part": (0.0, 0.22), "hair_volume": (5.5, 1.9),
    "fringe": (-0.45, 0.6), "hair_wave": (0.0, 0.8),
}  # fmt: skip
EXPRESSION_TRAITS = ("smile", "mouth_open", "brow_raise", "frown", "blink", "pucker", "gaze_x", "gaze_y")
ALPHA_DIM = len(IDENTITY_TRAITS)
BETA_DIM = len(EXPRESSION_TRAITS)

AXES = np.array([39.5, 58.0, 50.0], np.float32)  # half width, half height, half depth of the mean ellipsoid
BASE = -15.0  # Y of the mean nose's base
G = 128  # side of the chart
CHART_K = np.float32(1.5)
CHART_RANGE = np.float32(0.82)
_MIDDLE, _SPREAD = np.array(list(IDENTITY_TRAITS.values()), np.float32).T


def draw_identities(identities: range | np.ndarray, seed: int) -> np.ndarray:
    """Identity coefficients alpha, float32 [K, ALPHA_DIM], standard normal; row k hangs on (seed, identities[k]) alone."""
    rows = [
        np.random.Generator(np.random.Philox(key=[seed, 0], counter=[0, 0, 0, int(k)])).standard_normal(ALPHA_DIM)
        for k in identities
    ]
    return np.array(rows, np.float32).reshape(-1, ALPHA_DIM)


def mix_identities(alpha1: np.ndarray, alpha2: np.ndarray, phi: float | np.ndarray) -> np.ndarray:
    """Identity mixup in coefficient space, phi * alpha1 + (1 - phi) * alpha2 (SynFace, ICCV 2021, section 3.2).

    alpha1, alpha2: float32 [..., ALPHA_DIM]; phi: scalar or [...] in [0, 1]. Returns float32 [..., ALPHA_DIM].
    """
    phi = np.asarray(phi, np.float32)[..., None]
    return phi * alpha1 + (1 - phi) * alpha2


def traits(alpha: np.ndarray, beta: np.ndarray) -> SimpleNamespace:
    """The named traits of alpha [n, ALPHA_DIM] and beta [n, BETA_DIM], each float32 [n, 1]."""
    alpha, beta = alpha.astype(np.float32), beta.astype(np.float32)
    values = _MIDDLE + _SPREAD * alpha / np.sqrt(1 + alpha * alpha / 6)
    named = dict(zip(IDENTITY_TRAITS, values.T[..., None], strict=True))
    named["beard"] = named["beard"] - 0.5 * unit(named["hair_length"])
    return SimpleNamespace(**named, **dict(zip(EXPRESSION_TRAITS, beta.T[..., None], strict=True)))


def unit(x: np.ndarray) -> np.ndarray:
    """x clipped to [0, 1]."""
    return np.clip(x, 0, 1)


def positive(x: np.ndarray) -> np.ndarray:
    """max(x, 0); np.clip runs several times faster than np.maximum with a scalar."""
    return np.clip(x, 0, np.inf)


def sawtooth(x: np.ndarray) -> np.ndarray:
    """x wrapped into [-1, 1)."""
    return x - 2 * np.floor(x * 0.5) - 1


def matmul(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """a @ b on torch's threads: numpy's own would start as many again and wait for them busily."""
    return torch.matmul(torch.from_numpy(a), torch.from_numpy(b)).numpy()


def bump(x: np.ndarray, y: np.ndarray, rx: np.ndarray | float, ry: np.ndarray | float) -> np.ndarray:
    """(1 - (x/rx)^2 - (y/ry)^2)^2 inside its ellipse, 0 outside: a Gaussian's stand-in with bounded support."""
    x, y = x * (1 / rx), y * (1 / ry)
    w = positive(1 - (x * x + y * y))
    return w * w


def look_up(maps: np.ndarray, q: tuple[np.ndarray, ...], r: np.ndarray) -> np.ndarray:
    """Bilinear look-up of chart maps [n, C, G, G] in the directions of the vectors q = (x, y, z), of length r, each [n, P]."""
    scale = 1 / (CHART_RANGE * (CHART_K * r + q[2]))
    return sample(maps, q[0] * scale, q[1] * scale)


def sample(maps: np.ndarray, u: np.ndarray, v: np.ndarray) -> np.ndarray:
    """Bilinear look-up of maps [n, C, H, W] at coordinates u, v [n, P] in [-1, 1]: [n, C, P]."""
    grid = np.empty((len(u), 1, u.shape[1], 2), np.float32)
    grid[:, 0, :, 0], grid[:, 0, :, 1] = u, v
    out = torch.nn.functional.grid_sample(
        torch.from_numpy(maps), torch.from_numpy(grid), mode="bilinear", padding_mode="border", align_corners=True
    )
    return out.numpy()[:, :, 0]


def _chart_directions() -> np.ndarray:
    u, v = np.meshgrid(*[np.linspace(-CHART_RANGE, CHART_RANGE, G)] * 2)
    s = u * u + v * v
    dz = (np.sqrt(np.maximum(1 + s - s * CHART_K**2, 0)) - s * CHART_K) / (1 + s)
    d = np.stack([u * (CHART_K + dz), v * (CHART_K + dz), dz])
    return (d / np.linalg.norm(d, axis=0)).reshape(3, -1).astype(np.float32)


DIRECTIONS = _chart_directions()  # [3, G*G]
X, Y = DIRECTIONS[0] * AXES[0], DIRECTIONS[1] * AXES[1]
# the bare head is symmetric: its radius is computed on the half x > 0 of the chart, [G * G / 2], and mirrored
_AX, _Y, _Z = (a.reshape(G, G)[:, G // 2 :].reshape(-1).copy() for a in (X, Y, DIRECTIONS[2]))
_FRONT = unit(_Z * 2.5 + 0.2)
_SIDE = _AX / AXES[0]


def mouth_half_width(f: SimpleNamespace) -> np.ndarray:
    """From the middle of the mouth to a corner, in face coordinates [n, 1]."""
    return f.mouth_width * (1 + 0.16 * f.smile - 0.28 * f.pucker)


def mouth_frame(f: SimpleNamespace, ax: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mouth coordinates: (distance from the middle over the mouth's half width, height over the bent mouth line)."""
    r = ax * (1 / mouth_half_width(f))
    bend = f.smile * 3.4 - f.frown * 1.2
    return r, y - f.mouth_height - bend * np.clip(r * r, 0, 1.6) + f.smile * 0.8


def eye_frame(f: SimpleNamespace, ax: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Eye coordinates from the eye's center, x outwards along the tilted axis, y up."""
    ex, ey = ax - f.eye_spacing, y - f.eye_height
    return ex, ey - f.eye_tilt * ex


def hair_distance(f: SimpleNamespace) -> np.ndarray:
    """Signed distance (pixels, roughly) to the hair's border on the chart [n, G*G]: positive inside the hair."""
    fringe, long = unit(f.fringe), unit(f.hair_length)
    top = Y - (f.hairline - 21 * fringe - f.hairline_curve * (1 - 0.6 * fringe) * (X * X) + f.hair_part * X)
    sides = np.minimum(
        (0.58 * long + 0.5 * unit((Y - 10) * 0.1) - 0.27 - DIRECTIONS[2]) * 36, (Y + 12 + 110 * long) * 0.7
    )
    sides = np.minimum(sides, np.abs(X) - 27 * unit((10 - Y) * 0.05) - 0.2 * positive(-Y - 12))
    back = np.clip(-Y - 10, 0, 12) * 2.5 * (1 - unit(f.hair_length * 2))
    receding = positive(f.hairline - 44) * 6  # a very high hairline leaves no top hair and thin sides
    return np.maximum(top - receding, sides - back - receding * 0.4)


def head_radius(f: SimpleNamespace) -> np.ndarray:
    """Head without hair and ears: rho [n, G*G], the radius over the mean ellipsoid's."""
    ax, y, front = _AX, _Y, _FRONT
    low = unit((-y - 8) * (1 / 42))  # 0 above the cheeks, 1 at the chin
    jaw = low * (0.45 + 0.55 * low) * _SIDE
    d = f.face_width * (_SIDE * _SIDE) * 1.2
    d = d + (f.jaw_width - 8.5) * jaw * 1.6
    d += f.jaw_corner * bump(ax - 27, y + 37, 14, 16) * 2.2
    d += (f.face_length + 2.6 * f.mouth_open) * unit((-y - 30) * (1 / 28))
    d += f.forehead * bump(ax, y - 30, 34, 26)
    d -= 1.0 * bump(ax - 36, y - 14, 14, 24)  # temples
    d += f.brow_ridge * bump(ax - 13, y - 11 - f.brow_raise, 17, 8)
    d -= f.eye_depth * bump(ax - f.eye_spacing + 1, y - f.eye_height - 1, 14, 10)
    ex, ey = eye_frame(f, ax, y)
    d += 2.3 * bump(ex, ey, f.eye_width * 1.15, 6.5)
    d += (f.cheekbone + 0.5 * f.smile) * bump(ax - 27, y + 12, 17, 13)
    d += (f.cheek + 1.7 * f.smile) * bump(ax - 22, y + 25 - 3 * f.smile, 17, 17)
    d -= (0.2 + 0.8 * unit(f.smile) + f.wrinkles * 0.8) * bump(ax - 15.5 - 0.25 * (-y - 22), y + 27, 3.6, 14)
    # nose: a ridge that rises towards the tip and ends at its base
    base = BASE - f.nose_length
    along = (f.eye_height + 5 - y) / (f.eye_height + 5 - base)
    rise = unit(along)
    under = unit((y - base + 6.0) * (1 / 7.0))
    under = under * under * (3 - 2 * under)
    height = (f.nose_bridge * unit(along * 2.2 + 0.25) + (f.nose_tip - f.nose_bridge) * rise * rise) * under
    width = f.bridge_width * (1 + 0.7 * rise * rise)
    ridge = positive(1 - (ax / width) ** 2)
    d += height * ridge * (0.6 + 0.4 * ridge) * unit(along * 3 + 0.9) * (along < 1.6)
    d += 2.4 * bump(ax, y - base - 0.5, f.nose_bulb * 1.3, 7)
    d += 2.8 * bump(ax - f.nose_width + 2.2, y - base + 0.8, 4.6, 5.2)
    # mouth
    r, m = mouth_frame(f, ax, y)
    gap = 4.2 * f.mouth_open
    d += 2.0 * bump(ax, y - f.mouth_height - 1, 27, 18)
    taper = unit(1.25 - r * r * 0.95)
    d += (
        taper
        * (1.5 + 0.35 * f.upper_lip + 1.2 * f.pucker)
        * bump(r * 0, m - 2.1 - gap * 0.3, 1, 0.9 * f.upper_lip + 1.6)
    )
    d += taper * (1.4 + 0.4 * f.lower_lip + 1.2 * f.pucker) * bump(r * 0, m + 2.4 + gap, 1, 0.8 * f.lower_lip + 1.8)
    d -= 0.6 * bump(ax, y - f.mouth_height - 8.0, 2.2, 4.5)  # philtrum
    d -= 1.6 * bump(ax, m + 9.0 + gap, 11, 4)  # under the lower lip
    d += f.chin_size * bump(ax, y + 51 + gap, f.chin_width, 9)
    d = d * front + f.face_width * (1 - front) * (_SIDE * _SIDE) * 1.2
    half = (1 + d * (1 / AXES[2])).reshape(-1, G, G // 2)
    return np.concatenate([half[..., ::-1], half], 2).reshape(-1, G * G)


# ears stand out (0 to 1) at the sides, a little behind the middle
EARS = unit(bump((DIRECTIONS[2] + 0.02) * 50, Y - 0.5, 8.0, 13.5) * (np.abs(X) > 20) * 2.2)


def surface(rho: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Normals [n, 3, G, G] (outward, in the head's frame) and ambient occlusion [n, G, G] of rho [n, G*G]."""
    n = len(rho)
    p = (rho[:, None] * (DIRECTIONS * AXES[:, None])).reshape(n, 3, G, G)
    du, dv = np.empty_like(p), np.empty_like(p)
    du[..., 1:-1] = p[..., 2:] - p[..., :-2]
    du[..., 0], du[..., -1] = du[..., 1], du[..., -2]
    dv[..., 1:-1, :] = p[..., 2:, :] - p[..., :-2, :]
    dv[..., 0, :], dv[..., -1, :] = dv[..., 1, :], dv[..., -2, :]
    normal = np.stack(
        [du[:, i] * dv[:, j] - du[:, j] * dv[:, i] for i, j in ((1, 2), (2, 0), (0, 1))],
        axis=1,
    )
    normal /= np.sqrt((normal * normal).sum(1, keepdims=True)) + 1e-6
    r = rho.reshape(n, G, G)
    smooth = matmul(matmul(_SMOOTH, r[:, ::2, ::2].copy()), _SMOOTH.T)
    return normal, np.clip(1 - np.clip(smooth - r, -0.015, 1) * 11, 0.1, 1.2)


def _smoothing() -> np.ndarray:
    i = np.arange(G)
    k = np.clip(1 - ((i[:, None] - i[::2]) / 7.5) ** 2, 0, 1) ** 2
    return (k / k.sum(1, keepdims=True)).astype(np.float32)


_SMOOTH = _smoothing()
