"""The colours of the head: skin, eyes, brows, lips, hair, painted in face coordinates as layers, back to front.

A layer is (opacity [n, P], colour [n, 4]): red, green, blue as displayed (0 to 1) and gloss. Every edge is a
signed distance in pixels turned into coverage by `edge`, so it is anti-aliased at any size.
"""

from types import SimpleNamespace

import numpy as np

from semihard.sources.rendered.morphable import (
    AXES,
    BASE,
    bump,
    eye_frame,
    matmul,
    mouth_frame,
    positive,
    sawtooth,
    unit,
)

Layer = tuple[np.ndarray, np.ndarray]


def edge(distance: np.ndarray, softness: float = 1.0) -> np.ndarray:
    """Coverage of a pixel whose center lies `distance` inside a border."""
    return unit(distance * (1 / softness) + 0.5)


def rgb(*levels: float, gloss: float = 0.0) -> np.ndarray:
    """A colour [1, 4] from 0..255 levels."""
    return np.array([[*(x / 255 for x in levels), gloss]], np.float32)


def _tone(red: float, green: float, blue: float, gloss: float = 1.0) -> np.ndarray:
    """Factors [1, 4] that make one colour from another."""
    return np.array([[red, green, blue, gloss]], np.float32)


def blend(first: np.ndarray, second: np.ndarray, weight: np.ndarray | float) -> np.ndarray:
    """first + weight * (second - first)."""
    return first + weight * (second - first)


def skin_colour(f: SimpleNamespace) -> np.ndarray:
    """Skin [n, 4] from melanin (light, tan, dark) and redness."""
    m = f.melanin
    light = blend(rgb(230, 186, 159, gloss=0.12), rgb(236, 177, 152, gloss=0.12), f.skin_red)
    tan = blend(rgb(197, 141, 107, gloss=0.16), rgb(198, 132, 98, gloss=0.16), f.skin_red)
    dark = blend(rgb(78, 52, 40, gloss=0.22), rgb(92, 54, 42, gloss=0.22), f.skin_red)
    return np.where(m < 0.5, blend(light, tan, unit(m * 2)), blend(tan, dark, unit(m * 2 - 1)))


def hair_lightness(f: SimpleNamespace, change: np.ndarray) -> np.ndarray:
    """0 (black) .. 1 (blond) [n, 1]; darker with melanin."""
    light = unit(f.hair_light + change)
    return light * (1 - 0.75 * unit(f.melanin * 1.5 - 0.25))


def hair_colour(f: SimpleNamespace, change: np.ndarray) -> np.ndarray:
    """Hair [n, 4] from lightness (changed by `change` [n, 1]), redness and greyness."""
    light = hair_lightness(f, change)
    brown = blend(rgb(98, 68, 46), rgb(124, 60, 32), unit(f.hair_red))
    blond = blend(rgb(222, 188, 128), rgb(206, 122, 62), unit(f.hair_red * 1.4 - 0.4))
    colour = np.where(
        light < 0.4, blend(rgb(26, 21, 20), brown, unit(light * 2.5)), blend(brown, blond, unit(light * 1.667 - 0.667))
    )
    colour = blend(colour, rgb(172, 170, 168), unit(f.hair_gray * 1.6))
    colour[:, 3] = 0.10
    return colour


def skin_layers(f: SimpleNamespace, x: np.ndarray, y: np.ndarray, mottle: np.ndarray) -> list[Layer]:
    """Bare skin with blush, shadows of the features, freckles, moles and beard."""
    ax = np.abs(x)
    skin = f.skin
    deep = skin * _tone(0.62, 0.46, 0.42)
    blush = skin * _tone(1.0, 0.72, 0.70)
    black = skin * _tone(0.25, 0.16, 0.15, 0)
    base = BASE - f.nose_length
    layers = [(np.ones_like(x), skin)]
    red = 0.42 * bump(ax - 23, y + 15, 17, 15) + 0.35 * bump(ax, y - base - 1, 9, 9)
    layers.append(((0.35 + 0.65 * f.skin_red) * red, blush))
    ex, ey = eye_frame(f, ax, y)
    socket = 0.34 * bump(ex + 1.5, ey - 1, f.eye_width * 1.5, 9.5) + f.eye_bags * bump(
        ex + 0.5, ey + 6.2, f.eye_width, 4.2
    )
    layers.append((socket, deep))
    _, m = mouth_frame(f, ax, y)
    fold = f.nose_width + 2.2 + (base + 1 - y) * (f.mouth_width * 1.16 + 3.5 - f.nose_width - 2.2) * (1 / 17)
    crease = (0.13 + 0.4 * unit(f.smile) + 0.3 * unit(f.wrinkles)) * unit(1 - np.abs(ax - fold) * 0.55)
    layers.append((crease * bump(0 * x, y - base + 8.5, 1, 12.5), deep))
    alar = 0.5 * bump(ax - f.nose_width - 1.2, y - base - 0.5, 2.2, 5.0) + 0.30 * bump(ax, y - base + 4.2, 7.0, 2.4)
    layers.append((alar, deep))
    layers.append((0.85 * bump(ax - f.nose_width * 0.46, y - base + 2.3, 2.9, 1.9), black))
    gap = 4.2 * f.mouth_open
    layers.append((0.30 * bump(ax, m + 8.2 + gap, 9, 3.2), deep))
    freckled = unit((mottle - 0.9) * 2.5) * unit(f.freckles * 2) * bump(ax - 14, y + 9, 27, 22)
    layers.append((0.55 * freckled, deep))
    mole = edge(0.6 + 0.8 * unit(f.mole_size) - np.sqrt((x - f.mole_x) ** 2 + (y - f.mole_y) ** 2)) * (
        f.mole_size > 0.35
    )
    layers.append((0.8 * mole, deep * _tone(0.55, 0.5, 0.5, 0)))
    return layers


def beard_layer(f: SimpleNamespace, x: np.ndarray, y: np.ndarray, strand: np.ndarray, colour: np.ndarray) -> Layer:
    """Stubble to full beard over jaw, chin and upper lip."""
    ax = np.abs(x)
    _, m = mouth_frame(f, ax, y)
    below = -24 + 0.85 * positive(ax - 16) - y
    moustache = np.minimum(m - 1.0, 13.5 - m) - positive(ax - 15) * 1.2
    jaw = np.minimum(below, np.maximum(ax - 11.5, -m - 8.5 - 4.2 * f.mouth_open) * 1.3)
    grown = unit(np.maximum(moustache - 1.4, jaw) * 0.22 + 0.35 + 0.16 * strand)
    shade = np.minimum(
        colour * _tone(0.85, 0.8, 0.8, 0.3), f.skin * _tone(0.7, 0.66, 0.64, 0.3)
    )  # darker than the skin
    return grown * unit(f.beard * 1.7) * unit(0.86 + 0.12 * strand), shade


def mouth_layers(f: SimpleNamespace, x: np.ndarray, y: np.ndarray) -> list[Layer]:
    """Lips, the line between them or the open mouth with teeth."""
    skin = f.skin
    r, m = mouth_frame(f, np.abs(x), y)
    lip = skin * blend(_tone(0.86, 0.66, 0.64), _tone(0.88, 0.52, 0.52), f.lip_red)
    lip[:, 3] = 0.75
    arch = 1 - r * r
    gap = 7.5 * f.mouth_open * arch
    upper = (
        (f.upper_lip + 0.4 - 0.9 * unit(f.smile))
        * arch
        * (1 - 0.55 * f.cupid_bow * positive(1 - r * 4.5) * (1 - 0.2 * f.cupid_bow))
    )
    lower = (f.lower_lip + 0.3 - 0.5 * unit(f.smile)) * (0.4 * arch + 0.6 * (1 - r * r * r * r))
    inside = edge(np.minimum(upper - m, m + gap + lower), 1.5) * edge((1.02 - r) * 12)
    top = edge(m)
    opening = edge(np.minimum(0.12 * gap - m, m + gap)) * edge((0.96 - r) * 10) * edge(gap - 0.6)
    teeth = opening * edge(m + 1.0 + 0.36 * gap) * unit(0.25 + 0.8 * f.smile)
    line = unit(1.15 - np.abs(m + 0.15) * 0.95) * edge((1.04 - r) * 8)
    return [
        (inside * 0.92, lip),
        (inside * top * 0.38, lip * _tone(0.55, 0.45, 0.45, 0.2)),
        (line * 0.85 * (1 - opening), skin * _tone(0.34, 0.18, 0.17, 0)),
        (opening, rgb(48, 16, 18)),
        (teeth * edge((0.86 - r) * 8) * 0.95, rgb(226, 220, 208, gloss=0.5)),
    ]


def eye_layers(f: SimpleNamespace, x: np.ndarray, y: np.ndarray) -> list[Layer]:
    """Eyeballs with iris, pupil and lid shadow, lashes and the lid's crease."""
    skin = f.skin
    ax = np.abs(x)
    side = np.clip(x * 100, -1, 1)
    ex, ey = eye_frame(f, ax, y)
    t = ex * (1 / f.eye_width)
    arch = 1 - t * t
    wide = f.eye_opening * (1 - 0.22 * unit(f.smile)) * (1 - f.blink)
    up = wide * 1.08 * arch * (1 - 0.22 * t) - 0.9 * unit(f.blink)
    low = -0.76 * f.eye_opening * (1 - 0.35 * unit(f.blink)) * arch * (1 + 0.18 * t)
    inside = edge(np.minimum(up - ey, ey - low)) * (arch > -0.05)
    ix, iy = ex - f.gaze_x * side, ey - 0.45 - f.gaze_y
    ring = np.sqrt(ix * ix + iy * iy)
    iris = inside * edge(3.85 - ring)
    warm = blend(rgb(92, 124, 150), rgb(104, 110, 62), unit(f.iris_warmth * 2))
    warm = blend(warm, rgb(120, 72, 34), unit(f.iris_warmth * 2 - 1))
    tone = unit(f.iris_light * 1.6 * (1 - 0.7 * unit(f.melanin * 1.6 - 0.3)))
    colour = blend(rgb(58, 36, 22), warm * np.float32(1.15), tone)
    colour[:, 3] = 0.35
    glint = inside * edge(1.0 - np.sqrt((ix * side + 1.15) ** 2 + (iy - 1.2) ** 2))
    lash_reach = unit((1.12 - np.abs(t)) * 6)
    lash = unit(1.35 - np.abs(ey - up - 0.25) * (1.15 - 0.3 * unit(t))) * lash_reach * (0.55 + 0.4 * unit(t + 0.6))
    crease = (
        unit(1.2 - np.abs(ey - wide * 1.15 * arch - 2.0 - 0.4 * t) * 0.9) * unit((1.1 - np.abs(t)) * 3) * f.lid_crease
    )
    lower = unit(1 - np.abs(ey - low + 0.3) * 0.9) * unit((1.0 - np.abs(t)) * 4) * 0.32
    deep = skin * _tone(0.42, 0.27, 0.25, 0.3)
    return [
        (crease, deep),
        (lower, deep),
        (inside, rgb(196, 188, 183, gloss=0.6)),
        (inside * bump(t - 1.0, t * 0, 0.5, 1) * 0.3, rgb(190, 120, 110, gloss=0.8)),
        (inside * bump(t + 1.0, t * 0, 0.5, 1) * 0.5, rgb(200, 120, 112, gloss=0.8)),
        (iris, colour * _tone(0.45, 0.45, 0.45)),
        (inside * edge(3.0 - ring, 1.4), colour),
        (inside * edge(1.6 - ring), rgb(12, 10, 10, gloss=0.35)),
        (inside * unit(1 - (up - ey) * 0.55) * 0.55, rgb(40, 26, 24, gloss=0.4)),
        (glint * 0.9, rgb(255, 255, 255, gloss=1.0)),
        (lash, rgb(30, 20, 18)),
    ]


def brow_layer(f: SimpleNamespace, x: np.ndarray, y: np.ndarray, strand: np.ndarray, colour: np.ndarray) -> Layer:
    """Brows: an arched, tapered band with hairs."""
    b = (np.abs(x) - f.eye_spacing - 0.8) * (1 / f.brow_length)
    inner = unit(-b * 1.2 + 0.2)
    line = f.eye_height + f.brow_height + f.brow_arch * (1 - (b - 0.3) ** 2 * 1.5) + f.brow_tilt * b * 10
    line = line + f.brow_raise * 0.9 - f.frown * 2.3 * inner
    half = f.brow_thickness * (1.1 - 0.75 * unit(b)) * unit((1.06 - np.abs(b)) * 4)
    cover = edge(half - np.abs(y - line) + 0.3 * strand, 1.7) * unit((1.1 - np.abs(b)) * 8)
    return cover * unit(f.brow_density + 0.12 * strand), colour * _tone(0.72, 0.70, 0.70, 0.2)


def ear_layer(f: SimpleNamespace, y: np.ndarray, dz: np.ndarray) -> Layer:
    """The shade inside the ears."""
    return bump((dz + 0.03) * 50, y - 0.5, 5, 9) * 0.6, f.skin * _tone(0.6, 0.42, 0.38, 0.5)


def hair_layers(hair: np.ndarray, strand: np.ndarray, colour: np.ndarray) -> list[Layer]:
    """Hair where its signed distance `hair` is positive, with lighter and darker strands."""
    cover = edge(hair + 0.7 * strand, 2.4)
    return [
        (cover, colour * _tone(0.8, 0.8, 0.8)),
        (cover * unit(strand * 0.45), colour * _tone(1.5, 1.45, 1.4)),
        (cover * unit(-strand * 0.45), colour * _tone(0.45, 0.45, 0.45)),
    ]


def hat_distance(hat: np.ndarray, dx: np.ndarray, dy: np.ndarray, dz: np.ndarray) -> np.ndarray:
    """Signed distance (pixels, roughly) of directions [n, P] or [P] to the edge of the hat [n, 5], positive on it [n, P]."""
    return AXES[1] * dy - hat[:, 1:2] + 9 * dx * dx + 6 * dz - 6 - 999 * (1 - hat[:, :1])


def hat_layers(distance: np.ndarray, hat: np.ndarray, x: np.ndarray) -> list[Layer]:
    """A knitted hat with ribs and a fold."""
    colour = np.concatenate([hat[:, 2:], np.zeros((len(hat), 1), np.float32)], 1)
    cover = edge(distance)
    return [
        (cover, colour),
        (cover * unit(np.abs(sawtooth(x * 0.5)) * 0.5), colour * np.float32(0.6)),
        (cover * unit(1.4 - np.abs(distance - 7.5) * 0.8), colour * np.float32(0.45)),
    ]


def composite(layers: list[Layer], n: int) -> np.ndarray:
    """Layers, back to front, to one colour [n, 4, P]: each weighs its opacity times what lies before it lets through."""
    through = 1.0
    weights = np.empty((n, len(layers), layers[0][0].shape[1]), np.float32)
    colours = np.empty((n, 4, len(layers)), np.float32)
    for k in range(len(layers) - 1, -1, -1):
        weights[:, k] = layers[k][0] * through
        through = through * (1 - layers[k][0])
        colours[:, :, k] = layers[k][1]
    return matmul(colours, weights)
