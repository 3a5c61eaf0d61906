"""The images nearest to a reference, each beside what it is nearest to."""

import textwrap
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image, ImageDraw

from semihard.errors import UnmeasurableError
from semihard.figures.sheets import (
    FRAME,
    GAP,
    INK,
    MARGIN,
    MIDDLE,
    MUTED,
    font_of,
    save_sheet,
    signed,
    tile_of,
    tile_size,
)
from semihard.storage import schemas
from semihard.storage.artifacts import read_artifact
from semihard.storage.faceset import FaceSet

PAIRS, PER_ROW = 12, 4


def plot_nearest_sheet(
    leakage: Path | str, faces: Path | str, reference: Path | str, png: Path | str, csv: Path | str
) -> None:
    """Draw the 12 worst of the images whose pixels were compared, copied ones first, then the nearest, four pairs a row: the
    image at the left, what it is nearest to at the right, below them their cosine and the correlation r of their pixels.
    Same photographs are framed.

    leakage: artifact "leakage" of the face set `faces` against the face set `reference`. CSV: image, nearest (indices),
    cosine, correlation, copied; no line, and a sentence in the picture, where there was nothing to measure.
    """
    header = ["image", "nearest", "cosine", "correlation", "copied"]
    font, line = font_of(MIDDLE), MIDDLE + 8
    try:
        found = read_artifact(leakage, schemas.LEAKAGE)
    except UnmeasurableError as problem:
        text = textwrap.fill(f"not measured: {problem}", 80)
        sheet = Image.new("RGB", (800, 2 * MARGIN + line * (text.count("\n") + 5)), "white")
        ImageDraw.Draw(sheet).text((MARGIN, MARGIN), text, INK, font)
        return save_sheet(sheet, png, pd.DataFrame(columns=header), csv)
    audited, gallery = FaceSet(faces), FaceSet(reference)
    worst = np.argsort(~np.isin(found["compared"], found["copied"]), kind="stable")[:PAIRS]
    image = found["compared"][worst]
    row = np.searchsorted(found["image"], image)
    nearest, cosine = found["nearest_index"][row], found["nearest_similarity"][row]
    copied = np.isin(image, found["copied"])
    correlation = found["correlation"][worst]
    numbers = pd.DataFrame(dict(zip(header, (image, nearest, cosine, correlation, copied), strict=True)))
    pictures, others = audited.images(image), gallery.images(nearest)
    width, height = tile_size(pictures[0])
    other_width, other_height = tile_size(others[0])
    across, down = width + other_width + GAP + 3 * MARGIN, max(height, other_height) + line + 2 * MARGIN
    lines = -(-len(image) // PER_ROW)
    sheet = Image.new("RGB", (MARGIN + PER_ROW * across, line + MARGIN + lines * down), "white")
    draw = ImageDraw.Draw(sheet)
    draw.text(
        (2 * MARGIN, MARGIN),
        f"{audited.path.stem}, each image and what it is nearest to in {gallery.path.stem}",
        INK,
        font,
    )
    for at, pair in enumerate(numbers.itertuples()):
        x, y = 2 * MARGIN + at % PER_ROW * across, line + 2 * MARGIN + at // PER_ROW * down
        sheet.paste(tile_of(pictures[at]), (x, y))
        sheet.paste(tile_of(others[at]), (x + width + GAP, y))
        right = x + width + GAP + other_width
        if pair.copied:
            draw.rectangle((x - 4, y - 4, right + 3, y + max(height, other_height) + 3), outline=FRAME, width=4)
        text = f"{signed(pair.cosine)}   r {signed(pair.correlation)}" + ("   copied" if pair.copied else "")
        draw.text(
            ((x + right) / 2, y + max(height, other_height) + 6), text, FRAME if pair.copied else MUTED, font, "mt"
        )
    save_sheet(sheet, png, numbers, csv)
