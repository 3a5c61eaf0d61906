"""The discovery experiment as a picture: accuracy over similarity, and what was found, in words."""

import itertools
import textwrap
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from semihard.figures.style import BLUE, COLOURS, MUTED, WIDTH, legend_above, new_figure, save, style
from semihard.storage import schemas
from semihard.storage.artifacts import read_artifact

LETTERS = 56  # of a title's line


def plot_accuracy_over_similarity(
    scores: Path | str, svg: Path | str, csv: Path | str, series: Sequence[dict], real: str
) -> None:
    """Draw a panel per series: AVG with its 95 % interval over similarity (CemiFace, NeurIPS 2024, Tables 1 and 11); below it,
    where the study averages several benchmarks, each of them.

    scores: artifact "scores"; series: as of `workflow.study.Plan.similarity_series`; real: the face set whose first line is drawn
    as a dashed line where it is none of the series. CSV: series, label, similarity, accuracy, low, high (percent), the mean
    over seeds on each benchmark, finding.
    """
    lines = read_artifact(scores, schemas.SCORES)
    place = {label: row for row, label in enumerate(lines["label"])}
    accuracy_of_real = (
        lines["average"][lines["faceset"].tolist().index(real)] if real in lines["faceset"].tolist() else None
    )
    averaged = np.flatnonzero(lines["averaged"])
    with_seeds = np.ma.masked_invalid(lines["accuracy"])  # a reference has one number, not one of each seed
    by_benchmark = {lines["benchmark"][b]: with_seeds[:, b].mean(1).filled(np.nan) for b in averaged}
    levels = 2 if len(by_benchmark) > 1 else 1
    tables = []
    with style():
        figure = new_figure(0.4 + 2.5 * levels, WIDTH if len(series) > 1 else WIDTH * 0.6)
        panels = figure.subplots(levels, len(series), squeeze=False, sharey="row", sharex="col")
        for (axes, *below), part in zip(panels.T, series, strict=True):
            rows = [place[label] for label in part["labels"]]
            x = np.array(part["x"], float)
            if part["bins"]:
                x = read_artifact(part["bins"], schemas.BINS)["mean_similarity"][np.array(part["x"])]
            order = np.argsort(x)
            x, rows = x[order], np.array(rows)[order]
            y, interval = lines["average"][rows], lines["interval"][rows]
            finding = describe(x, y, interval)
            axes.errorbar(x, y, np.abs(interval.T - y), color=BLUE, marker="o", markersize=4, capsize=2)
            if accuracy_of_real is not None:
                axes.axhline(accuracy_of_real, color=MUTED, linewidth=0.8, linestyle=(0, (4, 3)), zorder=1)
                axes.annotate(real, (1, accuracy_of_real), (-2, 2), xycoords=axes.get_yaxis_transform(),
                              textcoords="offset points", ha="right", va="bottom", fontsize=7, color=MUTED)  # fmt: skip
            axes.margins(y=0.12)
            for beneath in below:
                for (name, values), colour in zip(by_benchmark.items(), itertools.cycle(COLOURS), strict=False):
                    beneath.plot(x, values[rows], color=colour, marker="o", markersize=2.5, linewidth=1, label=name)
            panels[-1, len(tables)].set_xlabel(part["axis"])
            axes.set_title("\n".join([part["title"], *textwrap.wrap(finding, LETTERS)]), fontsize=7.5)
            table = pd.DataFrame({"label": lines["label"][rows], "similarity": x, "accuracy": y})
            table = table.assign(series=part["title"], low=interval[:, 0], high=interval[:, 1], finding=finding)
            each = {name: values[rows] for name, values in by_benchmark.items()}
            columns = ["series", "label", "similarity", "accuracy", "low", "high", *each, "finding"]
            tables.append(table.assign(**each)[columns])
        panels[0, 0].set_ylabel("AVG (%), 95 % interval")
        if levels > 1:
            panels[1, 0].set_ylabel("accuracy (%)")
            legend_above(figure, panels[1, 0])
        save(figure, svg, pd.concat(tables), csv)


def describe(x: np.ndarray, y: np.ndarray, interval: np.ndarray) -> str:
    """What the points say: where the highest is, and whether its interval `[2]` is clear of those of both ends.

    x, y: `[n]` similarity, ascending, and accuracy in percent; interval: `[n, 2]`.
    """
    best = int(np.argmax(y))
    where = f"highest at {x[best]:.2f}: {y[best]:.2f} %"
    ends = [end for end in (0, len(x) - 1) if end != best]
    clear = [interval[best, 0] > interval[end, 1] for end in ends]
    if len(ends) == 1:
        side = "least" if best == 0 else "most"
        return f"{where}, the {side} similar" + ("" if clear[0] else "; no clear difference to the other end")
    if all(clear):
        return f"{where}, clear of both ends"
    if any(clear):
        unclear = "least" if not clear[0] else "most"
        return f"{where}; the {unclear} similar are not clearly worse"
    return f"{where}; neither end is clearly worse"
