"""Error rates of demographic groups, a dot per training set."""

from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import LogLocator, NullFormatter

from semihard.errors import InputError
from semihard.figures.style import MUTED, WIDTH, bare, legend_above, looks, new_figure, save, style
from semihard.study_table.fairness import BETWEEN, read_fairness

PANELS = {"accuracy": "accuracy (%)", "false_non_match_rate": "FNMR (%)", "false_match_rate": "FMR (%)"}
ROW, HEADING = 0.115, 0.9  # inches per dot; a heading's height, in rows
FEW_DECADES = 100  # greatest by least rate: in fewer, there is room for 2 and 5


def plot_fairness(table: Path | str, picture: Path | str, csv: Path | str, benchmarks: str, real: str) -> None:
    """Draw groups as rows and a dot with its 95 % interval per line of the study table, the real set's in black.

    table: CSV of `score_fairness`; benchmarks: as it names them; real: face set. A false match rate of 0 is an arrow from the
    upper end of its interval. CSV: label, division, group, quantity, value, low, high (percent), people, pairs.
    Raises InputError where the table has no such benchmarks.
    """
    numbers = read_fairness(table)
    numbers = numbers[numbers["benchmarks"] == benchmarks]
    if numbers.empty:
        raise InputError(f"{table}: has no groups of {benchmarks!r}; make it again")
    drawn = numbers[(numbers["group"] != "") & (numbers["group"] != BETWEEN) & numbers["quantity"].isin(PANELS)]
    labels = drawn.drop_duplicates("label").set_index("label")["faceset"]
    look = looks(labels.index, next((label for label, faceset in labels.items() if faceset == real), None))
    place, headings = _places(drawn)
    offset = dict(zip(labels.index, np.linspace(-0.3, 0.3, len(labels)) if len(labels) > 1 else [0.0], strict=True))
    height = 0.85 + max(0.2, ROW * (len(labels) + 0.6)) * (len(place) + HEADING * len(headings))
    with style():
        figure = new_figure(height, WIDTH)
        panels = figure.subplots(1, len(PANELS), sharey=True)
        for axes, (quantity, title) in zip(panels, PANELS.items(), strict=True):
            bare(axes, "x")
            axes.tick_params(axis="y", length=0)
            axes.spines["left"].set_visible(False)
            axes.set_xlabel(title)
            part = drawn[drawn["quantity"] == quantity]
            if quantity == "false_match_rate":
                asked = numbers.loc[numbers["quantity"] == "threshold_rate", "value"].dropna()
                _logarithmic(axes, part, asked)
            for label, faceset in labels.items():
                mine = part[part["label"] == label]
                rows = [place[key] + offset[label] for key in zip(mine["division"], mine["group"], strict=True)]
                _dots(axes, mine, np.array(rows), look[label]["color"], label, hollow=faceset == "")
            for key, row in place.items():
                if part.loc[(part["division"] == key[0]) & (part["group"] == key[1]), "value"].isna().all():
                    axes.text(0.5, row, "too few", transform=axes.get_yaxis_transform(), ha="center", va="center",
                              fontsize=7, color=MUTED, bbox={"color": "white", "pad": 1})  # fmt: skip
        first = panels[0]
        people = drawn.drop_duplicates(["division", "group"]).set_index(["division", "group"])["people"]
        names = [f"{group.replace('_', ' ')} ({people[division, group]:,.0f})" for division, group in place]
        first.set_yticks(list(place.values()), names)
        for division, row in headings.items():
            first.annotate(
                division.replace("_", " "), (0, row), (-4, 0), xycoords=first.get_yaxis_transform(),
                textcoords="offset points", ha="right", va="center", fontsize=8, fontweight="bold",
            )  # fmt: skip
        first.set_ylim(max(place.values()) + 0.6, min([*place.values(), *headings.values()]) - 0.6)
        legend_above(figure, first)
        kept = ["label", "division", "group", "quantity", "value", "low", "high", "people", "pairs"]
        save(figure, picture, drawn[kept], csv)


def _places(drawn: pd.DataFrame) -> tuple[dict[tuple[str, str], float], dict[str, float]]:
    """The row of each group and, where there are several divisions, of their headings, from above."""
    keys = list(dict.fromkeys(zip(drawn["division"], drawn["group"], strict=True)))
    several = len({division for division, _ in keys}) > 1
    place, headings, row = {}, {}, 0.0
    for division, group in keys:
        if several and division not in headings:
            headings[division] = row
            row += HEADING
        place[division, group] = row
        row += 1
    return place, headings


def _logarithmic(axes: Axes, part: pd.DataFrame, asked: pd.Series) -> None:
    """A logarithmic axis that every rate above 0 and every end of an interval above 0 fits in, and a line at the rates at
    which the groups are compared."""
    ends = part[["value", "low", "high"]].to_numpy().ravel()
    ends = np.r_[ends[np.nan_to_num(ends) > 0], asked]
    axes.set_xscale("log")
    axes.xaxis.set_major_formatter(lambda rate, _: f"{rate:g}")
    axes.xaxis.set_minor_formatter(NullFormatter())
    if len(ends):
        axes.set_xlim(ends.min() / 1.6, ends.max() * 1.6)
        narrow = ends.max() < FEW_DECADES * ends.min()
        axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5) if narrow else (1,)))
    for rate in asked.unique():
        axes.axvline(rate, color=MUTED, linewidth=0.8, linestyle=(0, (4, 3)), zorder=1)


def _dots(axes: Axes, mine: pd.DataFrame, rows: np.ndarray, colour: str, label: str, hollow: bool) -> None:
    value, low, high = (mine[name].to_numpy() for name in ("value", "low", "high"))
    floor = axes.get_xlim()[0] if axes.get_xscale() == "log" else -np.inf
    axes.hlines(rows, np.maximum(low, floor), high, color=colour, linewidth=1.2)
    none = (value == 0) & np.isfinite(floor)
    face = "white" if hollow else colour
    axes.scatter(value[~none], rows[~none], s=18, c=face, edgecolors=colour, linewidths=1.1, zorder=3, label=label)
    axes.scatter(high[none], rows[none], s=22, c=face, edgecolors=colour, linewidths=1.1, zorder=3, marker="<")
