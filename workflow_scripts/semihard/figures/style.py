"""One look for every chart: real is black, synthetic is coloured, colours tell apart for everyone (Okabe and Ito).

Bytes are a function of the data: ids in an SVG are hashed with a fixed salt and no date is written.
"""

import textwrap
from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure

from semihard.errors import UnmeasurableError
from semihard.storage.artifacts import read_artifact
from semihard.storage.atomic import atomic_path
from semihard.storage.schema import Schema

REAL = "#222222"
INK, MUTED, GRID = "#222222", "#6b6b6b", "#e4e4e4"
BLUE, VERMILLION, GREEN, PURPLE, SKY, ORANGE = "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00"
COLOURS = (BLUE, VERMILLION, GREEN, PURPLE, SKY, ORANGE)
DASHES = ("-", (0, (4, 1.5)), (0, (1, 1)))
BIN_WIDTH = 0.02  # of cosines
WIDTH = 6.75  # inches: the text width of a two-column paper

RC: dict[str, Any] = {
    "figure.constrained_layout.use": True,
    "figure.dpi": 100,
    "savefig.dpi": 200,
    "svg.hashsalt": "semihard",
    "font.family": "DejaVu Sans",
    "font.size": 8,
    "text.color": INK,
    "axes.titlesize": 8.5,
    "axes.titlelocation": "left",
    "axes.labelsize": 8,
    "axes.labelcolor": INK,
    "axes.edgecolor": MUTED,
    "axes.linewidth": 0.6,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "axes.grid": True,
    "grid.color": GRID,
    "grid.linewidth": 0.6,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "xtick.labelsize": 7.5,
    "ytick.labelsize": 7.5,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "xtick.major.size": 2.5,
    "ytick.major.size": 2.5,
    "xtick.minor.visible": False,
    "lines.linewidth": 1.4,
    "lines.solid_capstyle": "round",
    "legend.frameon": False,
    "legend.fontsize": 7.5,
    "legend.handlelength": 1.6,
    "legend.borderaxespad": 0.3,
}


def style() -> AbstractContextManager:
    """The context every chart is made and saved in."""
    return mpl.rc_context(RC)


def new_figure(height: float, width: float = WIDTH) -> Figure:
    """An empty figure, width and height in inches. It belongs to no window and no global state."""
    return Figure((width, height), layout="constrained")


def looks(labels: Iterable[str], real: str | None = None) -> dict[str, dict[str, Any]]:
    """Colour and dashes of each label, in order: the real one black and solid, the others' pairs never the same twice
    for up to eighteen."""
    synthetic = [label for label in labels if label != real]
    chosen = {
        label: {"color": COLOURS[i % len(COLOURS)], "linestyle": DASHES[i // len(COLOURS) % len(DASHES)]}
        for i, label in enumerate(synthetic)
    }
    return {label: chosen.get(label, {"color": REAL, "linestyle": "-"}) for label in labels}


def bare(axes: Axes, keep: str) -> None:
    """Keep the grid lines of one axis, "x" or "y", or of "none"."""
    axes.grid(False)
    if keep != "none":
        axes.grid(True, axis=keep)


def legend_above(figure: Figure, axes: Axes) -> None:
    """One legend for the whole figure, above everything, in as many columns as its width allows."""
    handles, labels = axes.get_legend_handles_labels()
    entry = 0.5 + 0.07 * max(map(len, labels))  # inches, about
    figure.legend(handles, labels, loc="outside upper left", ncols=max(1, int(figure.get_figwidth() / entry)))


def legend_beside(figure: Figure, axes: Axes, title: str) -> None:
    """One legend at the right, a line per entry; the figure grows with it."""
    handles, labels = axes.get_legend_handles_labels()
    figure.set_figheight(max(figure.get_figheight(), 0.5 + 0.17 * len(labels)))
    figure.legend(handles, labels, loc="outside right upper", title=title, title_fontsize=7.5, alignment="left")


def words(name: str) -> str:
    """An identifier as a reader writes it: learning_rate → learning rate."""
    return name.replace("_", " ").replace("frechet", "Fréchet")


def percent(axis: Axis) -> None:
    """Label shares as percentages."""
    axis.set_major_formatter(lambda share, _: f"{100 * share:g} %")


def read_measured(
    paths: Mapping[str, Path | str], schema: Schema
) -> tuple[dict[str, dict[str, np.ndarray]], dict[str, str]]:
    """Artifacts by label, and why those are not there that their face sets do not allow."""
    artifacts, reasons = {}, {}
    for label, path in paths.items():
        try:
            artifacts[label] = read_artifact(path, schema)
        except UnmeasurableError as problem:
            reasons[label] = str(problem)
    return artifacts, reasons


def say(figure: Figure, reasons: Mapping[str, str]) -> None:
    """Below a chart, why something is not in it; the figure grows by the lines."""
    lines = [
        line for label, reason in reasons.items() for line in textwrap.wrap(f"{label}: not measured: {reason}", 110)
    ]
    if lines:
        figure.set_figheight(figure.get_figheight() + 0.15 * len(lines))
        figure.supxlabel("\n".join(lines), x=0.01, ha="left", fontsize=7, color=MUTED)


def save_nothing(picture: Path | str, csv: Path | str, columns: Sequence[str], reasons: Mapping[str, str]) -> None:
    """A chart that holds nothing but the reasons, and a CSV of nothing but its `columns`."""
    with style():
        figure = new_figure(0.3)
        say(figure, reasons)
        save(figure, picture, pd.DataFrame(columns=list(columns)), csv)


def shared_bins(values: Iterable[np.ndarray], width: float = BIN_WIDTH) -> np.ndarray:
    """Edges at multiples of `width` that cover all `values`."""
    values = list(values)
    low = np.floor(min(v.min() for v in values) / width)
    high = max(np.ceil(max(v.max() for v in values) / width), low + 1)
    return np.round(np.arange(low, high + 1) * width, 12)


def histogram(values: np.ndarray, edges: np.ndarray) -> pd.DataFrame:
    """Columns low, high, count and share (of `values`) per bin."""
    count = np.histogram(values, edges)[0]
    return pd.DataFrame({"low": edges[:-1], "high": edges[1:], "count": count, "share": count / max(1, len(values))})


def save(figure: Figure, picture: Path | str, numbers: pd.DataFrame, csv: Path | str) -> None:
    """Write the chart (by its suffix: .svg, .png, .pdf) and the CSV of what it shows."""
    picture = Path(picture)
    kind = picture.suffix[1:]
    undated: Mapping[str, None] = {"svg": {"Date": None}, "pdf": {"CreationDate": None}}.get(kind, {})
    with atomic_path(picture) as temporary:
        figure.savefig(temporary, format=kind, metadata=undated)
    save_numbers(numbers, csv)


def save_numbers(numbers: pd.DataFrame, csv: Path | str) -> None:
    """Write a CSV, seven significant digits."""
    with atomic_path(csv) as temporary:
        numbers.to_csv(temporary, index=False, float_format="%.7g")
