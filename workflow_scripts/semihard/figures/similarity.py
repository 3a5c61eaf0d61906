"""Charts of similarity: requested and achieved, to the identity center, per similarity bin."""

from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pandas as pd

from semihard.figures.style import (
    BIN_WIDTH,
    INK,
    MUTED,
    bare,
    histogram,
    legend_beside,
    looks,
    new_figure,
    percent,
    read_measured,
    save,
    save_nothing,
    say,
    shared_bins,
    style,
)
from semihard.storage import schemas
from semihard.storage.artifacts import read_artifact


def plot_calibration(calibration: Path | str, svg: Path | str, csv: Path | str) -> None:
    """Draw achieved similarity against requested m: the mean and ± one standard deviation of the images, a curve per
    embedder that measures, and the diagonal.

    CSV, a row per embedder and m: embedder, m, images, mean, standard_deviation; inquiries per bin of their images' mean
    similarity (CemiFace Table 7); of the embedder, the same in each row, pearson_r_mean (of the mean curve), pearson_r
    (of single images), pearson_r_within (of the images of one noise) and monotonicity.
    """
    data = read_artifact(calibration, schemas.CALIBRATION)
    m, edges = data["m"], data["bin_edges"]
    bins = ["below_0", *(f"{low:g}_to_{high:g}" for low, high in pairwise(edges[1:-1])), f"above_{edges[-2]:g}"]
    tables = []
    with style():
        figure = new_figure(3.1)
        axes = figure.subplots()
        axes.axline((0, 0), slope=1, color=MUTED, linewidth=0.9, linestyle=(0, (4, 3)), label="achieved = requested")
        for e, (name, look) in enumerate(looks(data["embedder"]).items()):
            similarity = data["similarity"][e].reshape(len(m), -1).astype(np.float64)
            mean, sd = similarity.mean(1), similarity.std(1)
            r = {statistic: data[statistic][e] for statistic in ("pearson_r_mean", "pearson_r", "pearson_r_within")}
            label = f"{name}  {r['pearson_r_mean']:.3f} mean, {r['pearson_r']:.3f} single"
            axes.fill_between(m, mean - sd, mean + sd, color=look["color"], alpha=0.15, linewidth=0)
            axes.vlines(m, mean - sd, mean + sd, color=look["color"], alpha=0.35, linewidth=0.8)  # one m has no band
            axes.plot(m, mean, marker="o", markersize=2.6, label=label, **look)
            table = pd.DataFrame({"m": m, "images": similarity.shape[1], "mean": mean, "standard_deviation": sd})
            table[bins] = data["counts"][e]
            table.insert(0, "embedder", name)
            tables.append(table.assign(**r, monotonicity=data["monotonicity"][e]))
        axes.set(xlabel="requested similarity $m$", ylabel="achieved similarity to the inquiry (cosine)")
        for axis in (axes.xaxis, axes.yaxis):
            axis.set_major_locator(mpl.ticker.MaxNLocator(5, steps=(1, 2, 5, 10)))
        axes.margins(x=0.03)
        legend_beside(figure, axes, "mean ± sd; Pearson $r$ of the\nmean curve and of single images")
        save(figure, svg, pd.concat(tables), csv)


def plot_similarity_histogram(
    centers: Mapping[str, Path | str], svg: Path | str, csv: Path | str, real: str | None = None
) -> None:
    """Draw how similar the images of each face set are to their own identity center.

    centers: face set → "centers" artifact; real: which of them is real. CSV: faceset, low, high, count, share, and the
    mean and standard_deviation of the face set.
    """
    similarity = {name: _own_similarity(path) for name, path in centers.items()}
    reasons = {
        name: "no image has another one of its identity" for name, values in similarity.items() if not len(values)
    }
    similarity = {name: values for name, values in similarity.items() if len(values)}
    columns = ["faceset", "low", "high", "count", "share", "mean", "standard_deviation"]
    if not similarity:
        return save_nothing(svg, csv, columns, reasons)
    edges = shared_bins(similarity.values())
    tables = []
    with style():
        figure = new_figure(2.6)
        axes = figure.subplots()
        bare(axes, "y")
        for name, look in looks(similarity, real).items():
            mean, sd = similarity[name].mean(), similarity[name].std()
            table = histogram(similarity[name], edges)
            axes.stairs(table["share"], edges, linewidth=1.4, label=f"{name}  {mean:.2f} ± {sd:.2f}", **look)
            axes.plot(mean, 0, marker="^", color=look["color"], markersize=6, clip_on=False, zorder=5, linestyle="none")
            tables.append(table.assign(faceset=name, mean=mean, standard_deviation=sd))
        axes.set(xlabel="similarity to the own identity center (cosine)", ylabel=f"share of images per {BIN_WIDTH:g}")
        axes.set_ylim(0)
        percent(axes.yaxis)
        legend_beside(figure, axes, "mean ± sd")
        say(figure, reasons)
        save(figure, svg, pd.concat(tables)[columns], csv)


def plot_bins(bins: Path | str, centers: Path | str, svg: Path | str, csv: Path | str) -> None:
    """Draw the similarity bins of a face set: the distribution of each above, its mean between the highest and lowest
    similarity (averaged over identities, CemiFace Table 9) below.

    CSV: bin, images, mean_similarity, highest, lowest, then low, high, count, share of each histogram bar.
    """
    artifacts, reasons = read_measured({"bins": bins}, schemas.BINS)
    columns = ["bin", "images", "mean_similarity", "highest", "lowest", "low", "high", "count", "share"]
    if not artifacts:
        return save_nothing(svg, csv, columns, reasons)
    sorted_bins, similarity = artifacts["bins"], read_artifact(centers, schemas.CENTERS)["similarity"]
    count = len(sorted_bins["mean_similarity"])
    edges = shared_bins([similarity[sorted_bins["bin"] >= 0]])
    tables = []
    with style():
        figure = new_figure(2.2 + 0.2 * count, 5.0)
        above, below = figure.subplots(2, 1, sharex=True, height_ratios=(1.7, 0.2 * count + 0.2))
        bare(above, "y")
        bare(below, "x")
        for b, colour in enumerate(mpl.colormaps["viridis"](np.linspace(0.85, 0.05, count))):
            table = histogram(similarity[sorted_bins["bin"] == b], edges).astype({"count": int})
            summary = {name: sorted_bins[name][b] for name in ("mean_similarity", "highest", "lowest")}
            above.stairs(table["count"], edges, fill=True, color=colour, alpha=0.35)
            above.stairs(table["count"], edges, color=colour, linewidth=1.2)
            below.plot((summary["lowest"], summary["highest"]), (b, b), color=colour, linewidth=2.4, alpha=0.55)
            below.plot(summary["mean_similarity"], b, "o", color=colour, markersize=5)
            text = f"{summary['mean_similarity']:.3f}"
            below.annotate(
                text, (summary["highest"], b), (6, 0), textcoords="offset points", va="center", color=INK, fontsize=7
            )
            tables.append(table.assign(bin=b, images=sorted_bins["count"][b], **summary))
        above.set_ylabel(f"images per {BIN_WIDTH:g}")
        above.set_ylim(0)
        below.set_yticks(range(count), [f"bin {b}" for b in range(count)])
        below.set_ylim(count - 0.5, -0.5)
        below.tick_params(axis="y", length=0)
        below.spines["left"].set_visible(False)
        below.set_xlabel("similarity to the own identity center (cosine)")
        below.set_title("mean, and mean over identities of highest and lowest", fontsize=7.5, color=MUTED)
        save(figure, svg, pd.concat(tables)[columns], csv)


def _own_similarity(path: Path | str) -> np.ndarray:
    similarity = read_artifact(path, schemas.CENTERS)["similarity"].astype(np.float64)
    return similarity[np.isfinite(similarity)]
