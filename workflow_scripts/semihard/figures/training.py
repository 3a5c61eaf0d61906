"""Training curves, a panel per quantity; fidelity over images seen."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.ticker import EngFormatter, MaxNLocator

from semihard.figures.style import BLUE, MUTED, REAL, WIDTH, legend_above, looks, new_figure, save, style, words
from semihard.storage import schemas
from semihard.storage.artifacts import read_artifact

COLUMNS = 3


def plot_training_curves(
    histories: Mapping[str, Path | str], svg: Path | str, csv: Path | str, real: str | None = None
) -> None:
    """Draw every quantity of one or more trainings over the optimizer steps.

    histories: label → "history" artifact; real: the label of the training on real faces. A quantity that a training did
    not record is missing from its panel. CSV: label, step, quantity, value.
    """
    tables = {}
    for label, path in histories.items():
        data = read_artifact(path, schemas.HISTORY)
        columns = {name.removeprefix("columns/"): values for name, values in data.items() if name != "step"}
        tables[label] = pd.DataFrame(columns, index=pd.Index(data["step"], name="step"))
    quantities = sorted(
        {name for table in tables.values() for name in table}, key=lambda name: ("loss" not in name, name)
    )
    rows = -(-len(quantities) // COLUMNS)
    columns = -(-len(quantities) // rows)
    with style():
        figure = new_figure(0.3 + 1.7 * rows, max(2, columns) / COLUMNS * WIDTH)
        panels = figure.subplots(rows, columns, squeeze=False, sharex=True)
        for axes in panels.flat[len(quantities) :]:
            axes.remove()
        for axes, quantity in zip(panels.flat, quantities, strict=False):
            for label, look in looks(tables, real).items():
                if quantity in tables[label]:
                    marker = "." if len(tables[label]) == 1 else None
                    axes.plot(
                        tables[label].index, tables[label][quantity], marker=marker, label=label, linewidth=1.1, **look
                    )
            axes.set_title(words(quantity))
        for axes in panels.flat[max(0, len(quantities) - columns) : len(quantities)]:
            axes.set_xlabel("optimizer step")
            axes.tick_params(labelbottom=True)
        if len(tables) > 1:
            legend_above(figure, panels.flat[0])
        numbers = pd.concat(
            table.reset_index().melt("step", var_name="quantity").assign(label=label) for label, table in tables.items()
        )
        save(figure, svg, numbers[["label", "step", "quantity", "value"]], csv)


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
