"""Sheets of faces, in exact pixels: one tile per image, two pixels between tiles."""

from pathlib import Path

import matplotlib
import numpy as np
import pandas as pd
from PIL import Image, ImageDraw, ImageFont

from semihard.figures.style import save_numbers
from semihard.storage import schemas
from semihard.storage.artifacts import read_artifact
from semihard.storage.atomic import atomic_path
from semihard.storage.faceset import FaceSet

TILE = 112  # least side of a tile: smaller images are enlarged
GAP, MARGIN = 2, 8
SMALL, MIDDLE, LARGE = 11, 17, 24
INK, MUTED, FRAME, PARTNER = "#222222", "#6b6b6b", "#D55E00", "#0072B2"
IDENTITIES, PER_IDENTITY = 12, 8


def plot_sample_sheet(faces: Path | str, png: Path | str, csv: Path | str) -> None:
    """Draw 12 identities of a face set, a row each, 8 images of each, its name at the left; evenly spread over the set.

    Identities of fewer than 8 images are taken only where there are not 12 others. A set without labels fills the same
    grid with images spread evenly over it. CSV: row, column, identity, image (index in the face set).
    """
    images = FaceSet(faces)
    counts = images.counts()
    if len(counts):
        enough = np.flatnonzero(counts >= PER_IDENTITY)
        if len(enough) < IDENTITIES:
            enough = np.sort(np.argsort(-counts, kind="stable")[:IDENTITIES])
        order = np.argsort(images.identity, kind="stable")
        first = np.searchsorted(images.identity[order], np.arange(len(counts)))
        rows = [
            (images.identity_names[k], order[first[k] + spread(counts[k], PER_IDENTITY)])
            for k in enough[spread(len(enough), IDENTITIES)]
        ]
    else:
        chosen = spread(len(images), IDENTITIES * PER_IDENTITY)
        rows = [("", chosen[at : at + PER_IDENTITY]) for at in range(0, len(chosen), PER_IDENTITY)]
    numbers = pd.DataFrame(
        [(r, c, name, i) for r, (name, chosen) in enumerate(rows) for c, i in enumerate(chosen)],
        columns=["row", "column", "identity", "image"],
    )
    font = font_of(SMALL)
    names = [_shorten(name, font, 1.2 * TILE) for name, _ in rows]
    left = MARGIN + int(max((font.getlength(name) for name in names), default=0)) + (MARGIN if any(names) else 0)
    tiles = images.images(numbers["image"].to_numpy())
    width, height = tile_size(tiles[0])
    columns = numbers["column"].max() + 1
    sheet = Image.new(
        "RGB", (left + columns * (width + GAP) - GAP + MARGIN, 2 * MARGIN + len(rows) * (height + GAP) - GAP), "white"
    )
    draw = ImageDraw.Draw(sheet)
    for place, tile in zip(numbers.itertuples(), tiles, strict=True):
        sheet.paste(tile_of(tile), (left + place.column * (width + GAP), MARGIN + place.row * (height + GAP)))
    for r, name in enumerate(names):
        draw.text((left - MARGIN, MARGIN + r * (height + GAP) + height / 2), name, MUTED, font, anchor="rm")
    save_sheet(sheet, png, numbers, csv)


def plot_similarity_ladder(calibration: Path | str, png: Path | str, csv: Path | str) -> None:
    """Draw the similarity ladder: a row per inquiry, framed at the left, then what was made of it from the same noise at
    falling requested m; under each tile the cosine it achieved by the generator's own embedder.

    CSV: row, column, m, similarity.
    """
    ladder = read_artifact(calibration, schemas.CALIBRATION)
    steps = np.argsort(-ladder["m"], kind="stable")
    similarity = ladder["similarity"][0, :, :, 0]  # the ladder's images are the first of their inquiries
    rows = range(ladder["images"].shape[1])
    numbers = pd.DataFrame(
        [(r, c, ladder["m"][s], similarity[s, r]) for r in rows for c, s in enumerate(steps)],
        columns=["row", "column", "m", "similarity"],
    )
    width, height = tile_size(ladder["images"][0, 0])
    font, line = font_of(LARGE), LARGE + 6  # a sheet this wide is looked at reduced
    start, top = MARGIN + width + 2 * MARGIN, MARGIN + line
    sheet = Image.new(
        "RGB",
        (start + len(steps) * (width + GAP) - GAP + MARGIN, top + len(rows) * (height + line + GAP) + GAP),
        "white",
    )
    draw = ImageDraw.Draw(sheet)
    draw.text((MARGIN + width / 2, MARGIN), "inquiry", INK, font, anchor="mt")
    for c, s in enumerate(steps):
        value = signed(ladder["m"][s])
        draw.text((start + c * (width + GAP) + width / 2, MARGIN), f"m={value}" if c == 0 else value, INK, font, "mt")
    for r in rows:
        y = top + r * (height + line + GAP)
        sheet.paste(tile_of(ladder["inquiry_images"][r]), (MARGIN, y))
        draw.rectangle((MARGIN - 3, y - 3, MARGIN + width + 2, y + height + 2), outline=FRAME, width=3)
        for c, s in enumerate(steps):
            x = start + c * (width + GAP)
            sheet.paste(tile_of(ladder["images"][s, r]), (x, y))
            draw.text((x + width / 2, y + height + 3), signed(similarity[s, r]), MUTED, font, anchor="mt")
    save_sheet(sheet, png, numbers, csv)


def plot_mixup_path(path: Path | str, png: Path | str, csv: Path | str) -> None:
    """Draw the paths over φ: a row per pair of identities, from the partner (φ = 0) to the identity (φ = 1), both framed;
    under each tile the cosines to these two ends, each in its frame's colour.

    path: artifact "mixup_path". CSV: row, column, phi, identity, partner, to_partner, to_identity.
    """
    paths = read_artifact(path, schemas.MIXUP_PATH)
    images, phi, similarity = paths["images"], paths["phi"], paths["similarity"]
    rows, steps = images.shape[:2]
    names = list(zip(paths["identity"], paths["partner"], strict=True))
    numbers = pd.DataFrame(
        [
            (r, c, phi[c], *names[r], similarity[r, c, 1], similarity[r, c, 0])
            for r in range(rows)
            for c in range(steps)
        ],
        columns=["row", "column", "phi", "identity", "partner", "to_partner", "to_identity"],
    )
    width, height = tile_size(images[0, 0])
    font, line = font_of(MIDDLE), MIDDLE + 8
    top = MARGIN + line
    sheet = Image.new(
        "RGB", (2 * MARGIN + steps * (width + GAP) - GAP, top + rows * (height + line + GAP) + GAP), "white"
    )
    draw = ImageDraw.Draw(sheet)
    for c in range(steps):
        text = f"φ = {phi[c]:g}" if c in (0, steps - 1) else f"{phi[c]:g}"
        draw.text((MARGIN + c * (width + GAP) + width / 2, MARGIN), text, INK, font, anchor="mt")
    for r in range(rows):
        y = top + r * (height + line + GAP)
        for c in range(steps):
            x = MARGIN + c * (width + GAP)
            sheet.paste(tile_of(images[r, c]), (x, y))
            to_identity, to_partner = (signed(value) for value in similarity[r, c])
            draw.text((x + width / 2 - 5, y + height + 6), to_partner, PARTNER, font, anchor="rt")
            draw.text((x + width / 2 + 5, y + height + 6), to_identity, FRAME, font, anchor="lt")
        for c, colour in ((0, PARTNER), (steps - 1, FRAME)):
            x = MARGIN + c * (width + GAP)
            draw.rectangle((x - 3, y - 3, x + width + 2, y + height + 2), outline=colour, width=3)
    save_sheet(sheet, png, numbers, csv)


def spread(count: int, wanted: int) -> np.ndarray:
    """At most `wanted` of 0 … count−1, evenly spread, both ends included."""
    return np.unique(np.linspace(0, count - 1, min(wanted, count)).round().astype(np.int64))


def tile_size(image: np.ndarray) -> tuple[int, int]:
    """Width and height of the tile of `image`, uint8 `[h, w, 3]`."""
    factor = max(1.0, TILE / min(image.shape[:2]))
    return round(image.shape[1] * factor), round(image.shape[0] * factor)


def tile_of(image: np.ndarray) -> Image.Image:
    """`image`, uint8 `[h, w, 3]`, as a tile."""
    size = tile_size(image)
    tile = Image.fromarray(image)
    return tile if tile.size == size else tile.resize(size, Image.Resampling.BICUBIC)


def font_of(size: int) -> ImageFont.FreeTypeFont:
    """The font of every sheet, `size` pixels high."""
    return ImageFont.truetype(Path(matplotlib.get_data_path()) / "fonts/ttf/DejaVuSans.ttf", size)


def _shorten(name: str, font: ImageFont.FreeTypeFont, width: float) -> str:
    name = " ".join(name.split())  # a name of several lines, on one
    if font.getlength(name) <= width:
        return name
    while name and font.getlength(f"{name}…") > width:
        name = name[:-1]
    return f"{name}…"


def signed(value: float) -> str:
    """Two digits, with a minus sign where it is negative."""
    return f"{value:.2f}".replace("-", "\N{MINUS SIGN}")


def save_sheet(sheet: Image.Image, png: Path | str, numbers: pd.DataFrame, csv: Path | str) -> None:
    """Write a sheet and the CSV of what it shows."""
    with atomic_path(png) as temporary:
        sheet.save(temporary, "png", optimize=True)
    save_numbers(numbers, csv)
