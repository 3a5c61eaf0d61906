"""From coefficients to pixels: paint, shade, composite, degrade.

Images are computed in blocks of a few, and each pixel with operations that treat images apart, so that an image's
bytes do not depend on the batch it is rendered in.
"""

from types import SimpleNamespace

import numpy as np

from semihard.errors import InputError
from semihard.sources.rendered import appearance, morphable, surroundings
from semihard.sources.rendered.camera import Camera, intersect, landmarks_3d, shadow
from semihard.sources.rendered.morphable import AXES, G, look_up, matmul, positive, sample, sawtooth, unit
from semihard.sources.rendered.nuisance import Nuisance, harmonics

BLOCK = 4  # images computed together: enough to pay for the calls, few enough for the cache
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
    return np.tile(both.astype(np.float32), (BLOCK, 1, 1, 1))


TEXTURE = _strands()


def render(alpha: np.ndarray, nuisance: Nuisance, size: int = 112) -> np.ndarray:
    """Render faces, uint8 [n, size, size, 3] RGB, framed like a crop aligned to ArcFace's five points.

    alpha: float32 [n, ALPHA_DIM]; size: 16 to 448 pixels, the same frame at any size.
    Raises InputError when alpha and nuisance have different lengths or size is out of range.
    """
    if len(alpha) != len(nuisance):
        raise InputError(
            f"render got {len(alpha)} identities but the nuisance of {len(nuisance)} images; give one per image."
        )
    if not 16 <= size <= 448:
        raise InputError(f"render was asked for images of {size} px; sizes from 16 to 448 are possible.")
    images = np.empty((len(alpha), size, size, 3), np.uint8)
    for start in range(0, len(alpha), BLOCK):
        rows = slice(start, start + BLOCK)
        images[rows] = _render_block(alpha[rows], nuisance[rows], size)
    return images


def landmarks(alpha: np.ndarray, nuisance: Nuisance) -> np.ndarray:
    """Where the five points of the faces fall, float32 [n, 5, 2] (x, y) in pixels of the 112 px crop.

    Order: eye at the image's left, eye at its right, nose tip, mouth corners left and right. Glasses or a patch do not matter.
    """
    f = morphable.traits(alpha, nuisance.beta)
    points = landmarks_3d(f, morphable.head_radius(f))
    return Camera(points, nuisance).project(points)


def _render_block(alpha: np.ndarray, nuisance: Nuisance, size: int) -> np.ndarray:
    n, side = len(alpha), max(size, 112)
    pixel = 112 / side
    f = morphable.traits(alpha, nuisance.beta)
    f.skin = appearance.skin_colour(f)
    length, fringe, light, part = (nuisance.hair[:, k : k + 1] for k in range(4))
    f.hair_part, f.hair_length, f.fringe = f.hair_part * part, f.hair_length + length, f.fringe + fringe

    # geometry: bare head, on it the thickest of hair, hat and ears
    bare = morphable.head_radius(f)
    hair = morphable.hair_distance(f)
    hat = appearance.hat_distance(nuisance.hat, *morphable.DIRECTIONS)
    thick = np.maximum(unit(hair * 0.16) * f.hair_volume * (1 - nuisance.hat[:, :1] * 0.8), unit(hat * 0.5) * 6.5)
    rho = bare + np.maximum(thick, f.ear_size * morphable.EARS) * (1 / AXES[2])
    normals, occlusion = morphable.surface(rho)
    maps = np.concatenate([normals, occlusion[:, None], hair.reshape(n, 1, G, G)], 1)

    # what each pixel sees
    camera = Camera(landmarks_3d(f, bare), nuisance)
    axis = (np.arange(side, dtype=np.float32) + 0.5) * pixel - 56
    px, py = np.tile(axis, side), -np.repeat(axis, side)
    origin, direction = camera.rays(px, py)
    hit, radius, miss, t, middle = intersect(rho, origin, direction)
    head = np.maximum(appearance.edge(0.9 - miss * 45 / pixel), t < middle - 0.5)
    maps = look_up(maps, hit, radius)

    colour = appearance.hair_colour(f, light)
    surface = _paint(f, nuisance, [a / radius for a in hit], maps[:, 4], colour)
    shaded = _shade(surface, maps[:, :3], maps[:, 3], rho, hit, camera, nuisance)
    image = surroundings.behind(f, nuisance, colour, px, py, side)
    image = image + head[:, None] * (shaded - image)
    image = surroundings.glasses(image, f, nuisance, origin, direction, head, pixel)
    image = surroundings.patch(image, nuisance, px, py)
    return _expose(image, nuisance, side, size)


def _paint(
    f: SimpleNamespace, nuisance: Nuisance, direction: list[np.ndarray], hair: np.ndarray, colour: np.ndarray
) -> np.ndarray:
    """Colour and gloss [n, 4, P] of the head in the directions (x, y, z) [n, P] each."""
    dx, dy, dz = direction
    n, x, y = len(dx), dx * AXES[0], dy * AXES[1]
    swing = sawtooth(y * 0.11 + dx)
    across = dx * 1.9 / (1.5 + dz) + f.hair_wave * 0.06 * swing * (1 - np.abs(swing))
    texture = sample(TEXTURE[:n], sawtooth(across + f.mole_x), sawtooth(y * 0.010))
    strand, mottle = texture[:, 0], texture[:, 1]
    face = x + np.float32(999) * (dz < 0.08)  # features are painted on the front: elsewhere x lies beyond all of them
    layers = appearance.skin_layers(f, face, y, mottle)
    layers += appearance.mouth_layers(f, face, y)
    layers.append(appearance.beard_layer(f, x, y, strand, colour))
    layers += appearance.eye_layers(f, face, y)
    layers.append(appearance.brow_layer(f, face, y, strand, colour))
    layers.append(appearance.ear_layer(f, y, dz))
    layers += appearance.hair_layers(hair, strand, colour)
    layers += appearance.hat_layers(appearance.hat_distance(nuisance.hat, dx, dy, dz), nuisance.hat, x)
    surface = appearance.composite(layers, n)
    surface[:, :3] *= 1 + 0.022 * mottle[:, None]
    return surface


def _shade(
    surface: np.ndarray,
    normal: np.ndarray,
    occluded: np.ndarray,
    rho: np.ndarray,
    hit: list[np.ndarray],
    camera: Camera,
    nuisance: Nuisance,
) -> np.ndarray:
    """Diffuse spherical-harmonics light, cast shadow and a highlight of the dominant light: linear RGB [n, 3, P]."""
    gamma = nuisance.gamma.reshape(-1, 9, 3)
    main = gamma[:, 1:4].sum(2)
    strength = np.sqrt((main * main).sum(1, keepdims=True)) + 1e-6
    main = main / strength
    lit = shadow(rho, hit, matmul(main[:, None], camera.rotation)[:, 0] / AXES)
    directed = unit(strength / gamma[:, 0].sum(1, keepdims=True))  # share of the light that casts shadows
    reach = occluded * (1 - 0.5 * directed * (1 - lit))
    normal = matmul(camera.rotation, normal)
    light = matmul(np.ascontiguousarray(gamma.transpose(0, 2, 1)), harmonics(normal))
    light = np.clip(light, 0.012, np.inf) * reach[:, None]
    half = main + np.array([0, 0, 1], np.float32)
    half = half / np.sqrt((half * half).sum(1, keepdims=True))
    shine = positive(matmul(half[:, None], normal)[:, 0]) ** 2
    shine = (shine * shine) ** 2
    shine = shine * shine  # cos^16
    shine = shine * (0.35 + 0.65 * shine) * surface[:, 3] * reach * (strength * 0.22)
    tint = gamma[:, 0] / gamma[:, 0].mean(1, keepdims=True)
    return surface[:, :3] * surface[:, :3] * light + shine[:, None] * tint[:, :, None]


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
    image = matmul(image.reshape(n, 3 * side, side), kernels[0].transpose(0, 2, 1)).reshape(n, 3, side, size)
    image = matmul(kernels[1], image.transpose(0, 2, 1, 3).reshape(n, side, 3 * size)).reshape(n, size, 3, size)
    room = _TILE - size + 1
    windows = np.lib.stride_tricks.sliding_window_view(GRAIN, (size, size))
    grain = windows[nuisance.grain[:, 0] % room, nuisance.grain[:, 1] % room]
    chroma = windows[nuisance.grain[:, 1] % room, nuisance.grain[:, 2] % room]
    noise = nuisance.degradation[:, 2, None, None] * grain
    tinted = nuisance.degradation[:, 2, None, None] * 0.5 * chroma
    image = image * 255 + 0.5 + np.stack([noise + tinted, noise, noise - tinted], 2)
    return np.clip(image, 0, 255).astype(np.uint8).transpose(0, 1, 3, 2)
