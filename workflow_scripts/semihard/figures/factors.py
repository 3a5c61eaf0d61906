"""What one varied factor of the faces does to a recognizer: cosines within and between identities, and its errors."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from semihard.figures.style import (
    BLUE,
    MUTED,
    REAL,
    VERMILLION,
    bare,
    legend_above,
    new_figure,
    percent,
    read_measured,
    save,
    save_nothing,
    say,
    style,
)
from semihard.storage import schemas
from semihard.verification.protocol import tar_at_far

FALSE_ACCEPTS = 0.001
RANGE = (5, 95)  # percentiles
HEADER = ["faceset", "varies", "identities", "images"]
HEADER += [f"{kind}_{part}" for kind in ("genuine", "impostor") for part in ("mean", "p5", "p95")]
HEADER += ["intra_class_similarity", "equal_error_rate", "d_prime", "tar_at_far_0.001", "consistency"]


def plot_factors(
    measures: Mapping[str, Path | str], svg: Path | str, csv: Path | str, varies: Mapping[str, str]
) -> None:
    """Draw a row per face set: cosines of genuine and impostor pairs, then the error rate and the true accept rate.

    measures: face set → "diversity" artifact; varies: face set → what varies in it, empty for photographs. CSV: a line
    per face set; means and percentiles of the pairs' cosines, the errors of the pairs, consistency and mean cosine
    within identities as in that artifact. A rate that the impostor pairs are too few to resolve is empty.
    """
    artifacts, reasons = read_measured(measures, schemas.DIVERSITY)
    if not artifacts:
        return save_nothing(svg, csv, HEADER, reasons)
    table = pd.DataFrame([_line(name, varies[name], data) for name, data in artifacts.items()])[HEADER]
    place = np.arange(len(table))[::-1]
    with style():
        figure = new_figure(0.85 + 0.34 * len(table))
        cosines, errors, accepts = figure.subplots(1, 3, sharey=True, width_ratios=(2.2, 1, 1))
        for kind, colour, shift in (("genuine", BLUE, 0.12), ("impostor", VERMILLION, -0.12)):
            low, mean, high = (table[f"{kind}_{part}"] for part in ("p5", "mean", "p95"))
            cosines.hlines(place + shift, low, high, color=colour, linewidth=1.6, alpha=0.55)
            cosines.scatter(mean, place + shift, color=colour, s=20, zorder=3, label=f"{kind} pairs: mean, 5 to 95 %")
        cosines.set_xlabel("cosine of two images")
        _dots(errors, table["equal_error_rate"], place, table["varies"])
        errors.set_xlabel("EER")
        _dots(accepts, table["tar_at_far_0.001"], place, table["varies"])
        accepts.set_xlabel(f"TAR at FAR {100 * FALSE_ACCEPTS:g} %")
        for axes in (cosines, errors, accepts):
            bare(axes, "x")
        cosines.set_yticks(place, _rows(table))
        cosines.set_ylabel("what varies")
        cosines.set_ylim(-0.6, len(table) - 0.4)
        legend_above(figure, cosines)
        say(figure, reasons)
        save(figure, svg, table, csv)


def _line(name: str, varied: str, data: Mapping[str, np.ndarray]) -> dict[str, object]:
    """A line of the table."""
    line: dict[str, object] = {"faceset": name, "varies": varied, **dict(zip(data["name"], data["value"], strict=True))}
    for kind in ("genuine", "impostor"):
        cosine = data[kind].astype(np.float64)
        low, high = np.percentile(cosine, RANGE)
        line |= {f"{kind}_mean": cosine.mean(), f"{kind}_p5": low, f"{kind}_p95": high}
    cosine = np.concatenate([data["genuine"], data["impostor"]])
    line["tar_at_far_0.001"] = tar_at_far(-cosine, np.arange(len(cosine)) < len(data["genuine"]), [FALSE_ACCEPTS])[0]
    return line


def _dots(axes: Axes, shares: pd.Series, place: np.ndarray, varied: pd.Series) -> None:
    """A dot per face set, photographs in black, and its value as text."""
    axes.scatter(shares, place, color=np.where(varied == "", REAL, BLUE), s=20, zorder=3)
    for share, y in zip(shares, place, strict=True):
        if np.isfinite(share):
            axes.annotate(f"{100 * share:.1f}", (share, y), (0, 5), textcoords="offset points", ha="center", fontsize=6.5,
                          color=MUTED)  # fmt: skip
    most = max(np.nan_to_num(shares).max(), 0.01)
    axes.set_xlim(-0.12 * most, 1.2 * most)
    percent(axes.xaxis)


def _rows(table: pd.DataFrame) -> list[str]:
    """What the rows are called: what varies, with the face set's name where several are varied alike."""
    names, varied = table["faceset"], table["varies"]
    named = varied.duplicated().any()
    return [
        f"{shorten(name, 40)} (real)" if not factors else f"{factors}\n{shorten(name, 40)}" if named else factors
        for name, factors in zip(names, varied, strict=True)
    ]


def shorten(name: str, most: int) -> str:
    """A name of at most so many characters."""
    return name if len(name) <= most else f"{name[: most - 1]}…"
