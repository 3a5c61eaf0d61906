"""What the epochs kept of a training show: fidelity, similarity and faces of a generator, accuracy of recognizers."""

from collections.abc import Mapping
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.ticker import EngFormatter, MaxNLocator
from PIL import Image, ImageDraw

from semihard.figures.sheets import FRAME, GAP, INK, MARGIN, MIDDLE, font_of, save_sheet, spread, tile_of, tile_size
from semihard.figures.style import (
    BLUE,
    MUTED,
    REAL,
    legend_above,
    legend_beside,
    looks,
    new_figure,
    save,
    style,
    words,
)
from semihard.storage import schemas
from semihard.storage.artifacts import read_artifact

COLUMNS = 3
MOST = 12  # epochs on a sheet, and in a legend


def plot_learning(learning: Path | str, svg: Path | str, csv: Path | str) -> None:
    """Draw each measure of an artifact "learning" over the images seen, the null a dashed line.

    CSV: epoch, images, quantity, value, null.
    """
    data = read_artifact(learning, schemas.LEARNING)
    names = list(data["name"])
    with style():
        figure = new_figure(0.3 + 1.9 * -(-len(names) // COLUMNS))
        panels = figure.subplots(-(-len(names) // COLUMNS), COLUMNS, squeeze=False, sharex=True)
        for axes in panels.flat[len(names) :]:
            axes.remove()
        for i, (axes, name) in enumerate(zip(panels.flat, names, strict=False)):
            if np.isnan(data["value"][:, i]).all():
                axes.text(0.5, 0.5, "too few images", ha="center", color=MUTED, transform=axes.transAxes)
            axes.plot(data["images"], data["value"][:, i], marker="o", markersize=3, color=BLUE, label="drawn")
            axes.axhline(data["null"][i], color=REAL, linestyle="--", linewidth=0.9, label="null: real against real")
            axes.set_title(words(name))
            axes.set_ylim(bottom=0)
            axes.set_xlim(left=0)
            if i >= len(names) - COLUMNS:
                axes.set_xlabel("images seen")
                axes.xaxis.set_major_locator(MaxNLocator(4))
                axes.xaxis.set_major_formatter(EngFormatter())
                axes.tick_params(labelbottom=True)
        legend_above(figure, panels.flat[0])
        table = pd.DataFrame(data["value"], columns=names).assign(epoch=data["epoch"], images=data["images"])
        table = table.melt(["epoch", "images"], var_name="quantity")
        table["null"] = table["quantity"].map(dict(zip(names, data["null"], strict=True)))
        save(figure, svg, table, csv)


def plot_learning_similarity(learning: Path | str, svg: Path | str, csv: Path | str) -> None:
    """Draw achieved similarity against requested m, a curve per epoch of an artifact "learning", the darker the later, and
    the diagonal; of more than 12 epochs, 12 are named. CSV: epoch, m, images, mean, standard_deviation."""
    data = read_artifact(learning, schemas.LEARNING)
    m, similarity = data["m"], data["similarity"].astype(np.float64)
    with style():
        figure = new_figure(3.1)
        axes = figure.subplots()
        axes.axline((0, 0), slope=1, color=MUTED, linewidth=0.9, linestyle=(0, (4, 3)), label="achieved = requested")
        colours = mpl.colormaps["viridis"](np.linspace(0.85, 0.05, len(similarity)))
        named = spread(len(similarity), MOST)
        for i, (epoch, colour, values) in enumerate(zip(data["epoch"], colours, similarity, strict=True)):
            label = f"{epoch}" if i in named else None
            axes.plot(m, values.mean(1), marker="o", markersize=2.6, color=colour, label=label)
        axes.set(xlabel="requested similarity $m$", ylabel="achieved similarity (cosine)")
        axes.margins(x=0.03)
        legend_beside(figure, axes, "after epoch")
        epochs, values = np.repeat(data["epoch"], len(m)), np.tile(m, len(similarity))
        table = pd.DataFrame({"epoch": epochs, "m": values, "images": similarity.shape[2]})
        save(
            figure,
            svg,
            table.assign(mean=similarity.mean(2).ravel(), standard_deviation=similarity.std(2).ravel()),
            csv,
        )


def plot_learning_faces(learning: Path | str, png: Path | str, csv: Path | str) -> None:
    """Draw a sheet of an artifact "learning": a row per condition, its image framed at the left where there is one, then
    what the epochs kept make of it from the same noise; of more than 12 epochs, 12 evenly spread. CSV: row, column, epoch.
    """
    data = read_artifact(learning, schemas.LEARNING)
    epochs, framed = data["epoch"], data["condition_faces"]
    shown = spread(len(epochs), MOST)
    images = data["faces"][shown]
    rows = range(images.shape[1])
    width, height = tile_size(images[0, 0])
    font, line = font_of(MIDDLE), MIDDLE + 8
    start, top = MARGIN + (width + 2 * MARGIN) * bool(len(framed)), MARGIN + line
    size = (start + len(shown) * (width + GAP) - GAP + MARGIN, top + len(rows) * (height + GAP) - GAP + MARGIN)
    sheet = Image.new("RGB", size, "white")
    draw = ImageDraw.Draw(sheet)
    for r, image in enumerate(framed):
        y = top + r * (height + GAP)
        sheet.paste(tile_of(image), (MARGIN, y))
        draw.rectangle((MARGIN - 3, y - 1, MARGIN + width + 2, y + height), outline=FRAME, width=3)
    for c, epoch in enumerate(epochs[shown]):
        x = start + c * (width + GAP)
        draw.text((x + width / 2, MARGIN), f"epoch {epoch}" if c == 0 else f"{epoch}", INK, font, anchor="mt")
        for r in rows:
            sheet.paste(tile_of(images[c, r]), (x, top + r * (height + GAP)))
    numbers = [(r, c, epoch) for r in rows for c, epoch in enumerate(epochs[shown])]
    save_sheet(sheet, png, pd.DataFrame(numbers, columns=["row", "column", "epoch"]), csv)


def plot_epochs(epochs: Mapping[str, Path | str], svg: Path | str, csv: Path | str, real: str | None = None) -> None:
    """Draw the accuracy of every epoch kept on one benchmark.

    epochs: label → artifact "epochs"; real: the label of what was trained on real faces. CSV: label, epoch, accuracy and
    fold_sd (percent, over folds).
    """
    tables = []
    with style():
        figure = new_figure(2.9, 5.6)
        axes = figure.subplots()
        for label, look in looks(epochs, real).items():
            data = read_artifact(epochs[label], schemas.EPOCHS)
            accuracy = 100 * data["accuracy"]
            mean = accuracy.mean(1)
            axes.plot(data["epoch"], mean, marker="o", markersize=3, label=f"{label}  {mean[-1]:.2f}", **look)
            table = pd.DataFrame({"epoch": data["epoch"], "accuracy": mean, "fold_sd": accuracy.std(1)})
            tables.append(table.assign(label=label))
        axes.xaxis.set_major_locator(MaxNLocator(5, integer=True))
        axes.set(xlabel="epoch", ylabel="accuracy (%)")
        legend_beside(figure, axes, "accuracy (%) of the last one kept")
        save(figure, svg, pd.concat(tables)[["label", "epoch", "accuracy", "fold_sd"]], csv)
