"""From coefficients to pixels: camera, intersection of rays with the head, shading, compositing, degradation.

Images are computed in blocks of fixed layout, and each pixel with operations that treat images apart, so that an
image's bytes do not depend on the batch it is rendered in.
"""

from types import SimpleNamespace

import numpy as np
import torch

from semihard.errors import InputError
from semihard.sources.rendered import appearance, morphable
from semihard.sources.rendered.appearance import edge, rgb
from semihard.sources.rendered.morphable import AXES, G, bump, matmul, positive, unit
from semihard.sources.rendered.nuisance import BACKGROUND, Nuisance, harmonics

BLOCK = 4  # images computed together: large enough to pay for calls, small enough for the cache
STEPS = 7  # of the search along each ray
# ArcFace's five points in a 112 px crop, centered, y up: eyes, nose tip, mouth corners
TEMPLATE = np.array([[38.29, 51.70], [73.53, 51.50], [56.03, 71.74], [41.55, 92.37], [70.73, 92.20]], np.float32)
_TEMPLATE = (TEMPLATE - 56) * np.array([1, -1], np.float32)
_TILE = 512
_noise = np.random.Generator(np.random.Philox(key=[112, 7]))
GRAIN = _noise.standard_normal((_TILE, _TILE)).astype(np.float32)


def _strands() -> np.ndarray:
    """Texture [1, 2, T, T]: hair strands (streaks along y) and skin mottling, both of zero mean and unit deviation."""

    def smooth(x: np.ndarray, width: int, axis: int) -> np.ndarray:
        return sum(np.roll(x, k, axis) for k in range(width)) / width

    noise = _noise.standard_normal((2, 256, 256))
    strand = smooth(smooth(noise[0], 28, 0), 2, 1)
    strand = strand + 0.8 * smooth(smooth(noise[0], 40, 0), 9, 1) / 0.33
    mottle = smooth(smooth(noise[1], 3, 0), 3, 1)
    both = np.stack([strand / strand.std(), mottle / mottle.std()])
    return both.astype(np.float32)


TEXTURE = _strands()


def render(alpha: np.ndarray, nuisance: Nuisance, size: int = 112) -> np.ndarray:
    """Render faces, uint8 [n, size, size, 3] RGB, framed like a crop aligned to ArcFace's five points.

    alpha: float32 [n, ALPHA_DIM]; size: 16 to 448 pixels, the same frame at any size.
    Raises InputError when alpha and nuisance have different lengths or size is out of range.
    """
    if len(alpha) != len(nuisance):
        raise InputError(f"render got {len(alpha)} identities but the nuisance of {len(nuisance)} images; give one per image.")
    if not 16 <= size <= 448:
        raise InputError(f"render was asked for images of {size} px; sizes from 16 to 448 are possible.")
    images = np.empty((len(alpha), size, size, 3), np.uint8)
    for start in range(0, len(alpha), BLOCK):
        rows = slice(start, start + BLOCK)
        images[rows] = _render_block(alpha[rows], nuisance[rows], size)
    return images


def sample(maps: np.ndarray, u: np.ndarray, v: np.ndarray) -> np.ndarray:
    """Bilinear look-up of maps [n, C, H, W] at coordinates u, v [n, P] in [-1, 1]: [n, C, P]."""
    grid = np.stack([u, v], -1)[:, None]
    maps = maps if maps.flags.writeable else maps.copy()
    out = torch.nn.functional.grid_sample(
        torch.from_numpy(maps), torch.from_numpy(grid), mode="bilinear", padding_mode="border", align_corners=True
    )
    return out.numpy()[:, :, 0]


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
    half = f.mouth_width * (1 + 0.16 * f.smile - 0.28 * f.pucker)
    corner = f.mouth_height + f.smile * 2.6 - f.frown * 1.2
    x = np.concatenate([-f.eye_spacing, f.eye_spacing, 0 * half, -half, half], 1)
    y = np.concatenate([f.eye_height, f.eye_height, -14.5 - f.nose_length, corner, corner], 1)
    d = np.stack([x / AXES[0], y / AXES[1]], 1)
    d = np.concatenate([d, np.sqrt(1 - (d * d).sum(1, keepdims=True))], 1)
    radius = sample(rho.reshape(n, 1, G, G), *morphable.chart_of(d[:, 0], d[:, 1], d[:, 2]))
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
        self.shift = middle + nuisance.camera[:, :2] * np.array([1, -1], np.float32)

    def project(self, points: np.ndarray) -> np.ndarray:
        """Head frame [n, K, 3] -> pixels of the 112 px crop [n, K, 2], x right, y down."""
        flat = matmul(points, self.rotation[:, :2].transpose(0, 2, 1)) - self.center[:, None]
        flat = matmul(flat * self.scale[:, None, None], self.roll.transpose(0, 2, 1)) + self.shift[:, None]
        return flat * np.array([1, -1], np.float32) + 56

    def rays(self, x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Pixels (x right, y up, from the center) [P] -> origins [n, 3, P] and directions [n, 3] in the head's frame."""
        xy = np.stack([x, y])[None] - self.shift[:, :, None]
        flat = matmul(self.roll.transpose(0, 2, 1), xy) * (1 / self.scale)[:, None, None] + self.center[:, :, None]
        origin = matmul(self.rotation[:, :2].transpose(0, 2, 1), flat)
        return origin, -self.rotation[:, 2]


def _intersect(rho: np.ndarray, origin: np.ndarray, direction: np.ndarray) -> tuple[np.ndarray, ...]:
    """First hit of each ray with the head, found from the front: unit directions [3][n, P], distance f [n, P] (> 0: missed)."""
    axes = (1 / AXES)[:, None]
    o, d = origin * axes, (direction / AXES)[:, :, None]
    dd = (d * d).sum(1)
    od = (o * d).sum(1)
    bound = 1.34
    middle = -od / dd
    t = middle - np.sqrt(positive(od * od - dd * ((o * o).sum(1) - bound * bound))) / dd
    maps = rho.reshape(len(rho), 1, G, G)
    for step in range(STEPS + 1):
        q = o + t[:, None] * d
        q0, q1, q2 = q[:, 0], q[:, 1], q[:, 2]
        r = np.sqrt(q0 * q0 + q1 * q1 + q2 * q2) + 1e-6
        inv = 1 / r
        q0, q1, q2 = q0 * inv, q1 * inv, q2 * inv
        f = r - sample(maps, *morphable.chart_of(q0, q1, q2))[:, 0]
        if step < STEPS:
            slope = np.clip(-(q0 * d[:, 0] + q1 * d[:, 1] + q2 * d[:, 2]), 0.012, 1)
            if step:  # secant, kept from striding over the nose
                slope = np.clip((before - f) / (t - t_before + 1e-3), slope * 0.5, 0.1)
            before, t_before = f, t
            t = np.minimum(t + f * 0.95 / slope, middle)
    return q0, q1, q2, r, f, t, middle


def _render_block(alpha: np.ndarray, nuisance: Nuisance, size: int) -> np.ndarray:
    n, side = len(alpha), max(size, 112)
    pixel = 112 / side
    f = morphable.traits(alpha, nuisance.beta)
    length, fringe, light, part = (nuisance.hair[:, k : k + 1] for k in range(4))
    f.hair_part = f.hair_part * part
    bare = morphable.head_radius(f)
    hair = morphable.hair_distance(f, f.fringe + fringe, f.hair_length + length)
    worn, brim = nuisance.hat[:, :1], nuisance.hat[:, 1:2]
    hat = np.where(worn > 0, morphable.Y - brim + 0.006 * morphable.X * morphable.X - (1 - morphable.DIRECTIONS[2]) * 6, -9)
    thick = np.maximum(unit(hair * 0.16) * f.hair_volume * (1 - worn * 0.8), unit(hat * 0.5) * 6.5 * (1 + 0 * hair))
    rho = bare + thick * np.float32(1 / 50)
    normals, occlusion = morphable.surface(rho)

    camera = Camera(landmarks_3d(f, bare), nuisance)
    axis = (np.arange(side, dtype=np.float32) + 0.5) * pixel - 56
    px, py = np.tile(axis, side), -np.repeat(axis, side)
    origin, direction = camera.rays(px, py)
    d0, d1, d2, r, miss, t, middle = _intersect(rho, origin, direction)
    maps = np.concatenate([normals.reshape(n, 3, G, G), occlusion[:, None], hair.reshape(n, 1, G, G), hat.reshape(n, 1, G, G)], 1)
    maps = sample(np.ascontiguousarray(maps), *morphable.chart_of(d0, d1, d2))
    normal, occluded, hair, hat = maps[:, :3], maps[:, 3], maps[:, 4], maps[:, 5]
    x, y = d0 * AXES[0], d1 * AXES[1]

    # texture coordinates: strands run down from the crown, mottling is fixed to the face
    offset = nuisance.grain[:, 2:] % 256 / 128
    wrap = lambda a: a - 2 * np.floor(a * 0.5) - 1  # noqa: E731
    swing = wrap(y * 0.11 + d0)
    across = d0 * 1.9 / (1.5 + d2) + f.hair_wave * 0.06 * swing * (1 - np.abs(swing))
    strand = sample(np.broadcast_to(TEXTURE[None, :1], (n, 1, 256, 256)), wrap(across + offset.astype(np.float32)), wrap(y * 0.010))[:, 0]
    mottle = sample(np.broadcast_to(TEXTURE[None, 1:], (n, 1, 256, 256)), wrap(x * 0.012 + f.mole_x), wrap(y * 0.012))[:, 0]

    colour = appearance.hair_colour(f, light)
    front = unit(d2 * 4 - 0.3)
    layers = appearance.skin_layers(f, x, y, front, mottle)
    layers += [(front * m, c) for m, c in appearance.mouth_layers(f, x, y)]
    layers.append(appearance.beard_layer(f, x, y, strand, colour))
    layers += [(front * m, c) for m, c in appearance.eye_layers(f, x, y)]
    cover, brow = appearance.brow_layer(f, x, y, strand, colour)
    layers.append((front * cover, brow))
    ear = bump((d2 + 0.03) * 50, y - 0.5, 5, 9) * 0.6
    layers.append((ear, appearance.skin_colour(f) * np.array([[0.6, 0.42, 0.38, 0.5]], np.float32)))
    hairy = edge(hair + 0.7 * strand, 2.4)
    layers.append((hairy, colour * np.array([[0.8, 0.8, 0.8, 1]], np.float32)))
    layers.append((hairy * unit(strand * 0.45), colour * np.array([[1.5, 1.45, 1.4, 1]], np.float32)))
    layers.append((hairy * unit(-strand * 0.45), colour * np.array([[0.45, 0.45, 0.45, 1]], np.float32)))
    cloth = np.concatenate([nuisance.hat[:, 2:], np.zeros((n, 1), np.float32)], 1)
    hatted = edge(hat) * worn
    layers.append((hatted, cloth))
    rib = wrap(x * 0.5 + 8)
    layers.append((hatted * unit(np.abs(rib) * 0.5), cloth * np.float32(0.6)))
    layers.append((hatted * unit(1.4 - np.abs(hat - 7.5) * 0.8), cloth * np.float32(0.45)))
    surface = appearance.composite(layers, n)
    surface[:, :3] *= 1 + 0.022 * mottle[:, None]

    main = nuisance.gamma.reshape(-1, 9, 3)[:, 1:4].sum(2)
    strength = np.sqrt((main * main).sum(1, keepdims=True)) + 1e-6
    main = main / strength
    lit = _shadow(rho, (d0 * r, d1 * r, d2 * r), matmul(main[:, None], camera.rotation)[:, 0] / AXES)
    shaded = _shade(surface, normal, occluded, lit, main, strength, camera, nuisance)
    behind = _background(f, nuisance, colour, camera, px, py, side)
    head = np.maximum(edge(0.9 - miss * 45 / pixel), t < middle - 0.5)[:, None]
    image = behind + head * (shaded - behind)
    image = _glasses(image, nuisance, f, bare, origin, direction, t, head[:, 0], pixel)
    image = _patch(image, nuisance, px, py)
    return _expose(image, nuisance, side, size)


def _irradiance(gamma: np.ndarray, normal: np.ndarray) -> np.ndarray:
    """E [n, 3, P] of coefficients [n, 27] at camera-frame normals [n, 3, P], at least a little light."""
    light = matmul(np.ascontiguousarray(gamma.reshape(-1, 9, 3).transpose(0, 2, 1)), harmonics(normal))
    return np.clip(light, 0.012, np.inf)


def _shadow(rho, q, light) -> np.ndarray:
    """How much of the dominant light [n, 3] (head frame over AXES) reaches the surface points q, 0 to 1 [n, P]."""
    maps = rho.reshape(len(rho), 1, G, G)
    lit = 1.0
    for reach in (4.0, 8.0, 14.0):
        p0, p1, p2 = (a + reach * light[:, k : k + 1] for k, a in enumerate(q))
        r = np.sqrt(p0 * p0 + p1 * p1 + p2 * p2) + 1e-6
        inv = 1 / r
        above = r - sample(maps, *morphable.chart_of(p0 * inv, p1 * inv, p2 * inv))[:, 0]
        lit = np.minimum(lit, above * (70 / reach) + 1)
    return unit(lit)


def _shade(surface, normal, occluded, lit, main, strength, camera, nuisance) -> np.ndarray:
    """Diffuse spherical-harmonics shading and a highlight of the dominant light, linear [n, 3, P]."""
    normal = matmul(camera.rotation, normal)
    gamma = nuisance.gamma.reshape(-1, 9, 3)
    directed = unit(strength / gamma[:, 0].sum(1, keepdims=True))  # share of the light that casts shadows
    reach = occluded * (1 - 0.5 * directed * (1 - lit))
    light = _irradiance(nuisance.gamma, normal) * reach[:, None]
    half = main + np.array([0, 0, 1], np.float32)
    half = half / np.sqrt((half * half).sum(1, keepdims=True))
    shine = positive(matmul(half[:, None], normal)[:, 0])
    shine = shine * shine
    shine = shine * shine
    shine = shine * shine
    broad = shine * shine  # cos^16
    shine = broad * (0.35 + 0.65 * broad) * surface[:, 3] * reach * (strength * 0.22)
    tint = gamma[:, 0] / gamma[:, 0].mean(1, keepdims=True)
    return surface[:, :3] * surface[:, :3] * light + shine[:, None] * tint[:, :, None]


def _background(f, nuisance, colour, camera, px, py, side) -> np.ndarray:
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
    long = unit((f.hair_length + nuisance.hair[:, :1]) * 2.2)
    crown = positive(py - 6)
    sheet = edge((36 + f.face_width * 1.2 + 9 * long - ax - 0.08 * py - crown * crown * 0.02) * 0.6, 1.2) * edge((long - 0.3) * 4)
    tress = (colour[:, :3] * colour[:, :3] * light * 0.6)[:, :, None] * (0.9 + 0.5 * side_light * slope)[:, None]
    image = image + sheet[:, None] * (tress - image)
    skin = appearance.skin_colour(f)[:, :3]
    width = 22 + f.jaw_width * 0.6
    neck = edge(width + positive(down + 4) * 0.25 - ax, 1.2) * edge(-py - 20)
    round_ = 1 - (ax / (width + 12)) ** 2
    throat = (skin * skin * light)[:, :, None] * (0.42 * unit(round_ + 0.25) * (1 + 1.2 * side_light * slope))[:, None]
    return image + neck[:, None] * (throat - image)


def _glasses(image, nuisance, f, bare, origin, direction, t, head, pixel) -> np.ndarray:
    """Frames and lenses in a plane before the eyes."""
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
    bridge = edge((rim * 0.9 - np.abs(gy - f.eye_height - 1.5)) / pixel) * edge(f.eye_spacing * 1.06 - wide - np.abs(gx))
    temple = edge((rim * 0.9 - np.abs(gy - f.eye_height - 2)) / pixel) * edge(np.abs(gx) - f.eye_spacing * 1.06 - wide) * head
    temple = temple * edge(41 - np.abs(gx))
    lens = edge(-distance / pixel) * (0.06 + dark * 0.9)
    worn = g[:, :1]
    light = nuisance.gamma.reshape(-1, 9, 3)[:, 0] * 1.6
    tint = (g[:, 5:] * 0.25 * (1 - dark) * light)[:, :, None]
    sheen = 0.10 * unit(0.5 + (gx + gy) * 0.02)[:, None] * light[:, :, None]
    image = image + (worn * lens)[:, None] * (tint * 0.3 + sheen - image)
    solid = worn * np.maximum(np.maximum(frame, bridge), temple)
    return image + solid[:, None] * ((g[:, 5:] ** 2 * light)[:, :, None] - image)


def _patch(image, nuisance, px, py) -> np.ndarray:
    """A slanted, softly shaded rectangle before the face."""
    p = nuisance.patch
    x, y = px - (p[:, 1:2] - 56), py + (p[:, 2:3] - 56)
    slant = p[:, 5:6] * 0.6
    x, y = x + slant * y, y - slant * x
    inside = np.minimum(p[:, 3:4] - np.abs(x), p[:, 4:5] - np.abs(y))
    cover = p[:, :1] * edge(inside)
    colour = (p[:, 6:] ** 2)[:, :, None] * (0.8 + 0.012 * y)[:, None]
    return image + cover[:, None] * (positive(colour) - image)


def _expose(image: np.ndarray, nuisance: Nuisance, side: int, size: int) -> np.ndarray:
    """Blur and resample (one matrix per axis), display curve, noise, uint8."""
    n = len(image)
    image = image * (1.55 / (1 + 0.75 * image))
    image = np.sqrt(unit(image)).reshape(n, 3, side, side)
    to = (np.arange(size, dtype=np.float32) + 0.5) * (112 / size)
    of = (np.arange(side, dtype=np.float32) + 0.5) * (112 / side)
    gap = np.abs(to[:, None] - of)
    kernels = []
    for k in range(2):
        width = np.maximum(nuisance.degradation[:, k, None, None] - 1.0, 0) + 1.55 * max(112 / side, 112 / size)
        w = np.maximum(1 - (gap / width) ** 2, 0) ** 2
        kernels.append(w / w.sum(2, keepdims=True))
    image = matmul(matmul(kernels[1][:, None], image), kernels[0].transpose(0, 2, 1)[:, None])
    room = _TILE - size + 1
    windows = np.lib.stride_tricks.sliding_window_view(GRAIN, (size, size))
    grain = windows[nuisance.grain[:, 0] % room, nuisance.grain[:, 1] % room]
    chroma = windows[nuisance.grain[:, 1] % room, nuisance.grain[:, 2] % room]
    noise = nuisance.degradation[:, 2, None, None] * grain
    tinted = nuisance.degradation[:, 2, None, None] * 0.5 * chroma
    image = image * 255 + 0.5 + np.stack([noise + tinted, noise, noise - tinted], 1)
    return np.clip(image, 0, 255).astype(np.uint8).transpose(0, 2, 3, 1)


def _interpolation(cells: int, side: int) -> np.ndarray:
    """Smooth interpolation matrix [side, cells]: each row weighs the near cells, sum 1."""
    at = (np.arange(side) + 0.5) / side * (cells - 1)
    w = np.maximum(1 - ((at[:, None] - np.arange(cells)) / 1.7) ** 2, 0) ** 2
    return (w / w.sum(1, keepdims=True)).astype(np.float32)
