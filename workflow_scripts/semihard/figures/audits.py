"""What the audits found: separability of identities, fidelity."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd

from semihard.figures.style import (
    BIN_WIDTH,
    BLUE,
    MUTED,
    REAL,
    VERMILLION,
    WIDTH,
    bare,
    histogram,
    legend_above,
    new_figure,
    percent,
    read_measured,
    save,
    save_nothing,
    say,
    shared_bins,
    style,
    words,
)
from semihard.storage import schemas
from semihard.storage.artifacts import read_artifact

PANELS_PER_ROW = 3


def plot_diversity(measures: Mapping[str, Path | str], svg: Path | str, csv: Path | str) -> None:
    """Draw cosines of genuine and impostor pairs, a panel per face set, with what was measured of it.

    measures: face set → "diversity" artifact. CSV: faceset, quantity (genuine and impostor: share per bin; then all
    quantities of the artifact), low, high, value.
    """
    artifacts, reasons = read_measured(measures, schemas.DIVERSITY)
    header = ["faceset", "quantity", "low", "high", "value"]
    if not artifacts:
        return save_nothing(svg, csv, header, reasons)
    edges = shared_bins([data[kind] for data in artifacts.values() for kind in ("genuine", "impostor")])
    rows, columns = [], min(PANELS_PER_ROW, len(artifacts))
    lines = -(-len(artifacts) // columns)
    with style():
        figure = new_figure(0.4 + 2.05 * lines, max(columns, 2) / PANELS_PER_ROW * WIDTH)
        panels = figure.subplots(lines, columns, squeeze=False, sharex=True, sharey=True)
        for axes in panels.flat[len(artifacts) :]:
            axes.remove()
        for axes, (name, data) in zip(panels.flat, artifacts.items(), strict=False):
            bare(axes, "y")
            value = dict(zip(data["name"], data["value"], strict=True))
            for kind, colour in (("genuine", BLUE), ("impostor", VERMILLION)):
                table = histogram(data[kind], edges)
                axes.stairs(table["share"], edges, fill=True, color=colour, alpha=0.25)
                axes.stairs(table["share"], edges, color=colour, linewidth=1.2, label=f"{kind} pairs")
                rows += [(name, kind, bar.low, bar.high, bar.share) for bar in table.itertuples()]
            rows += [(name, quantity, None, None, number) for quantity, number in value.items()]
            text = (
                f"EER {100 * value['equal_error_rate']:.1f} %   $d'$ {value['d_prime']:.2f}\n"
                f"consistency {value['consistency']:.2f}   uniqueness {value['uniqueness']:.2f}"
            )
            axes.text(0, 1.03, text, transform=axes.transAxes, va="bottom", fontsize=7, color=MUTED, linespacing=1.35)
            axes.set_title(name, pad=26)
            percent(axes.yaxis)
        for axes in panels.flat[max(0, len(artifacts) - columns) : len(artifacts)]:
            axes.set_xlabel("cosine of two images")
            axes.tick_params(labelbottom=True)
        panels[0, 0].set_ylim(0)
        for axes in panels[:, 0]:
            axes.set_ylabel(f"share of pairs per {BIN_WIDTH:g}")
        legend_above(figure, panels.flat[0])
        say(figure, reasons)
        save(figure, svg, pd.DataFrame(rows, columns=header), csv)


def plot_fidelity(fidelities: Mapping[str, Path | str], svg: Path | str, csv: Path | str) -> None:
    """Draw every measure of every face set as a dot, a panel per measure and a row per set, the null as a black line.

    fidelities: face set → artifact "fidelity" against the same real set. CSV: faceset, features, quantity, value, null,
    images.
    """
    lines = []
    for faceset, path in fidelities.items():
        data = read_artifact(path, schemas.FIDELITY)
        for i, features in enumerate(data["features"]):
            for j, name in enumerate(data["name"]):
                lines.append(
                    {"faceset": faceset, "features": features, "quantity": name, "value": data["value"][i, j],
                     "null": data["null"][i, j], "images": data["count"][i]}
                )  # fmt: skip
    table = pd.DataFrame(lines)
    spaces, names, sets = (list(dict.fromkeys(table[key])) for key in ("features", "quantity", "faceset"))
    with style():
        figure = new_figure(0.5 + len(spaces) * (0.45 + 0.2 * len(sets)))
        panels = figure.subplots(len(spaces), len(names), squeeze=False, sharey=True)
        for row, features in zip(panels, spaces, strict=True):
            row[0].set_ylabel(f"{features}s" if features == "embedding" else "Inception")
            for axes, name in zip(row, names, strict=True):
                part = (
                    table[(table["features"] == features) & (table["quantity"] == name)].set_index("faceset").loc[sets]
                )
                place = np.arange(len(sets))[::-1]
                bare(axes, "x")
                axes.vlines(
                    part["null"], place - 0.35, place + 0.35, color=REAL, linewidth=1.4, label="null: real against real"
                )
                axes.scatter(part["value"], place, color=BLUE, s=18, zorder=3, label="face set")
                axes.set_yticks(place, sets)
                axes.set_ylim(-0.6, len(sets) - 0.4)
                values = np.nan_to_num([*part["value"], *part["null"]])
                axes.set_xlim(0, 1.05 * values.max() if values.any() else 1)
                if part["value"].isna().all():
                    axes.text(0.5, 0.5, "too few images", ha="center", color=MUTED, transform=axes.transAxes)
                axes.set_title(words(name))
        legend_above(figure, panels[0, 0])
        save(figure, svg, table, csv)
