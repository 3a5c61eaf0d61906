"""Verification: ROC curves, and the study table as a picture."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.ticker import MaxNLocator

from semihard.figures.style import MUTED, REAL, WIDTH, bare, legend_beside, looks, new_figure, save, style
from semihard.storage import schemas
from semihard.storage.artifacts import kind_of, read_artifact
from semihard.verification.protocol import roc

FALSE_ACCEPT_RATE = 1e-3
POINTS = 1000
TEXT_COLUMNS = ("label", "faceset", "recognizer", "seeds", "gap_reference", "published", "best_epoch")


def plot_roc(
    verifications: Mapping[str, Path | str], svg: Path | str, csv: Path | str, real: str | None = None
) -> None:
    """Draw true accept rate over false accept rate on one benchmark.

    verifications: label → artifact "verification" or "template_verification"; real: the label of what was trained on real
    faces. The axis begins at one false accept: below it there is nothing to see. CSV: label, false_accept_rate,
    true_accept_rate, threshold (squared distance); all points of every curve, of templates `POINTS` of them.
    """
    tables = []
    with style():
        figure = new_figure(2.9, 5.6)
        axes = figure.subplots()
        least, floor = 1.0, 1.0
        for label, look in looks(verifications, real).items():
            far, tar, threshold, one_accept = _curve(verifications[label])
            shown = np.clip(far, one_accept, None)
            at = tar[np.searchsorted(far, FALSE_ACCEPT_RATE, side="right") - 1]
            number = f"{100 * at:.1f}" if one_accept <= FALSE_ACCEPT_RATE else "–"  # too few impostor pairs to say
            axes.plot(shown, tar, drawstyle="steps-post", label=f"{label}  {number}", **look)
            tables.append(
                pd.DataFrame({"false_accept_rate": far, "true_accept_rate": tar, "threshold": threshold}).assign(
                    label=label
                )
            )
            least, floor = min(least, one_accept), min(floor, tar[far <= one_accept][-1])
        axes.axvline(FALSE_ACCEPT_RATE, color="#b5b5b5", linewidth=0.8, linestyle=(0, (4, 3)), zorder=0)
        axes.set_xscale("log")
        axes.set(xlim=(least, 1), ylim=(max(0, np.floor(floor * 10 - 0.5) / 10), 1.005))
        axes.set(xlabel="false accept rate", ylabel="true accept rate")
        legend_beside(figure, axes, f"TAR (%) at FAR {FALSE_ACCEPT_RATE:g}")
        numbers = pd.concat(tables)
        save(figure, svg, numbers[["label", *numbers.columns.drop("label")]], csv)


def _curve(path: Path | str) -> tuple[np.ndarray, np.ndarray, np.ndarray, float]:
    """False and true accept rates, thresholds, and the rate of one false accept; of templates, which have millions of
    pairs, at `POINTS` false accept rates."""
    templates = kind_of(path) == schemas.TEMPLATE_VERIFICATION.kind
    data = read_artifact(path, schemas.TEMPLATE_VERIFICATION if templates else schemas.VERIFICATION)
    distance = 2 - 2 * data["cosine"] if templates else data["distance"]
    curve, one_accept = roc(distance, data["same"]), 1 / np.count_nonzero(~data["same"])
    if templates:
        rates = np.r_[0, np.geomspace(one_accept, 1, POINTS)]
        kept = np.unique(np.searchsorted(curve[0], rates * (1 + 1e-9), side="right") - 1)
        curve = tuple(values[kept] for values in curve)
    return *curve, one_accept


def plot_accuracy_table(scores: Path | str, svg: Path | str, csv: Path | str) -> None:
    """Draw the study table: a line per training, the average with its 95 % interval and the gap to real, then a panel
    per benchmark.

    scores: the CSV of `score_study`. Black: real, the reference of the gap, carried on as a dashed line; hollow: an
    embedder verified as it is. CSV: label, faceset, recognizer, benchmark ("AVG" first), accuracy, low, high (percent;
    of AVG only), gap_to_real_points.
    """
    table = pd.read_csv(
        scores, comment="#", keep_default_na=False, na_values=[""], dtype=dict.fromkeys(TEXT_COLUMNS, str)
    )
    table = table[table["published"].isna()] if "published" in table else table
    benchmarks = [name for name in table if f"{name}_fold_sd" in table]
    is_real = table["label"].isin(table["gap_reference"].dropna())
    is_reference = table["faceset"].isna()
    place = np.arange(len(table))
    styled = looks(table["label"][~is_real & ~is_reference])
    colours = [
        REAL if real else styled.get(label, {"color": MUTED})["color"]
        for label, real in zip(table["label"], is_real, strict=True)
    ]
    with style():
        figure = new_figure(0.75 + 0.24 * len(table), WIDTH)
        panels = figure.subplots(
            1, 1 + len(benchmarks), sharey=True, width_ratios=[2.4, *[1] * len(benchmarks)], squeeze=False
        )[0]
        for axes, name in zip(panels, ["AVG", *benchmarks], strict=True):
            bare(axes, "x")
            axes.tick_params(axis="y", length=0)
            axes.spines["left"].set_visible(False)
            axes.set_title(name, fontsize=min(8.5, 94 / len(name)))  # a long name fits its panel
            for value in table[name][is_real]:
                axes.axvline(value, color=MUTED, linewidth=0.8, linestyle=(0, (4, 3)), zorder=1)
            if name == "AVG":
                axes.hlines(place, table["AVG_low"], table["AVG_high"], color=colours, linewidth=1.6)
            faces = ["white" if reference else colour for reference, colour in zip(is_reference, colours, strict=True)]
            axes.scatter(table[name], place, s=22, c=faces, edgecolors=colours, linewidths=1.2, zorder=3)
            axes.xaxis.set_major_locator(MaxNLocator(5 if name == "AVG" else 2))
            axes.margins(x=0.12)
        first = panels[0]
        first.set_yticks(place, table["label"])
        first.set_ylim(len(table) - 0.5, -0.5)
        for y, row in zip(place, table.itertuples(), strict=True):
            spread = "" if np.isnan(row.AVG_sd) else f" ± {row.AVG_sd:.2f}"
            gap = (
                ""
                if np.isnan(row.gap_to_real_points) or is_real[y]
                else f"  ({-row.gap_to_real_points:+.2f})".replace("-", "−")
            )
            first.annotate(
                f"{row.AVG:.2f}{spread}{gap}", (1, y), (4, 0), xycoords=first.get_yaxis_transform(),
                textcoords="offset points", va="center", fontsize=7,
            )  # fmt: skip
        figure.supxlabel("accuracy (%): 95 % interval, ± sd over seeds (points from real)", fontsize=8)
        lines = [
            table[["label", "faceset", "recognizer"]].assign(benchmark=name, accuracy=table[name])
            for name in benchmarks
        ]
        average = table[["label", "faceset", "recognizer"]].assign(
            benchmark="AVG",
            accuracy=table["AVG"],
            low=table["AVG_low"],
            high=table["AVG_high"],
            gap_to_real_points=table["gap_to_real_points"],
        )
        save(figure, svg, pd.concat([average, *lines]), csv)
