"""Training curves, a panel per quantity."""

from collections.abc import Mapping
from pathlib import Path

import pandas as pd

from semihard.figures.style import WIDTH, legend_above, looks, new_figure, save, style, words
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
