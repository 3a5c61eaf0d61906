"""Charts of similarity: requested and achieved, to the identity center, per similarity bin."""

from collections.abc import Mapping
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pandas as pd

from semihard.artifacts import read_artifact
from semihard.figures.style import (
    BIN_WIDTH,
    BLUE,
    INK,
    MUTED,
    bare,
    histogram,
    legend_beside,
    looks,
    new_figure,
    percent,
    save,
    shared_bins,
    style,
)


def plot_calibration(calibration: Path | str, svg: Path | str, csv: Path | str) -> None:
    """Draw achieved similarity against requested m: mean, ± one standard deviation, 5 % to 95 %, and the diagonal.

    CSV: m, images, mean, standard_deviation, q05, q95, pearson_r (of all images, the same in each row).
    """
    data = read_artifact(calibration, "calibration")
    order = np.argsort(data["m"], kind="stable")
    m, similarity = data["m"][order], data["similarity"][order].astype(np.float64)
    r = np.corrcoef(np.repeat(m, similarity.shape[1]), similarity.ravel())[0, 1]
    mean, sd = similarity.mean(1), similarity.std(1)
    q05, q95 = np.quantile(similarity, (0.05, 0.95), axis=1)
    numbers = pd.DataFrame(
        {"m": m, "images": similarity.shape[1], "mean": mean, "standard_deviation": sd, "q05": q05, "q95": q95}
    ).assign(pearson_r=r)
    with style():
        figure = new_figure(3.1, 3.6)
        axes = figure.subplots()
        axes.axline((0, 0), slope=1, color=MUTED, linewidth=0.9, linestyle=(0, (4, 3)), label="achieved = requested")
        axes.fill_between(m, q05, q95, color=BLUE, alpha=0.13, linewidth=0, label="5 % to 95 % of images")
        axes.fill_between(m, mean - sd, mean + sd, color=BLUE, alpha=0.25, linewidth=0, label="mean ± sd")
        axes.plot(m, mean, color=BLUE, marker="o", markersize=3.2, label="mean")
        axes.set(xlabel="requested similarity $m$", ylabel="achieved similarity to the inquiry (cosine)")
        axes.set_title(f"Pearson $r$ = {r:.3f}, {similarity.size:,} images")
        for axis in (axes.xaxis, axes.yaxis):
            axis.set_major_locator(mpl.ticker.MaxNLocator(5, steps=(1, 2, 5, 10)))
        axes.margins(x=0.03)
        axes.legend(loc="best")
        save(figure, svg, numbers, csv)


def plot_similarity_histogram(
    centers: Mapping[str, Path | str], svg: Path | str, csv: Path | str, real: str | None = None
) -> None:
    """Draw how similar the images of each face set are to their own identity center.

    centers: face set → "centers" artifact; real: which of them is real. CSV: faceset, low, high, count, share, and the
    mean and standard_deviation of the face set.
    """
    similarity = {name: _own_similarity(path) for name, path in centers.items()}
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
        numbers = pd.concat(tables)
        save(figure, svg, numbers[["faceset", *numbers.columns.drop("faceset")]], csv)


def plot_bins(bins: Path | str, centers: Path | str, svg: Path | str, csv: Path | str) -> None:
    """Draw the similarity bins of a face set: the distribution of each above, its mean between the highest and lowest
    similarity (averaged over identities, CemiFace Table 9) below.

    CSV: bin, images, mean_similarity, highest, lowest, then low, high, count, share of each histogram bar.
    """
    found, similarity = read_artifact(bins, "bins"), read_artifact(centers, "centers")["similarity"]
    count = len(found["mean_similarity"])
    edges = shared_bins([similarity[found["bin"] >= 0]])
    tables = []
    with style():
        figure = new_figure(2.2 + 0.2 * count, 5.0)
        above, below = figure.subplots(2, 1, sharex=True, height_ratios=(1.7, 0.2 * count + 0.2))
        bare(above, "y")
        bare(below, "x")
        for b, colour in enumerate(mpl.colormaps["viridis"](np.linspace(0.85, 0.05, count))):
            table = histogram(similarity[found["bin"] == b], edges).astype({"count": int})
            summary = {name: found[name][b] for name in ("mean_similarity", "highest", "lowest")}
            above.stairs(table["count"], edges, fill=True, color=colour, alpha=0.35)
            above.stairs(table["count"], edges, color=colour, linewidth=1.2)
            below.plot((summary["lowest"], summary["highest"]), (b, b), color=colour, linewidth=2.4, alpha=0.55)
            below.plot(summary["mean_similarity"], b, "o", color=colour, markersize=5)
            text = f"{summary['mean_similarity']:.3f}"
            below.annotate(
                text, (summary["highest"], b), (6, 0), textcoords="offset points", va="center", color=INK, fontsize=7
            )
            tables.append(table.assign(bin=b, images=found["count"][b], **summary))
        above.set_ylabel(f"images per {BIN_WIDTH:g}")
        above.set_ylim(0)
        below.set_yticks(range(count), [f"bin {b}" for b in range(count)])
        below.set_ylim(count - 0.5, -0.5)
        below.tick_params(axis="y", length=0)
        below.spines["left"].set_visible(False)
        below.set_xlabel("similarity to the own identity center (cosine)")
        below.set_title("mean, and mean over identities of highest and lowest", fontsize=7.5, color=MUTED)
        numbers = pd.concat(tables)
        first = ["bin", "images", "mean_similarity", "highest", "lowest"]
        save(figure, svg, numbers[[*first, *numbers.columns.drop(first)]], csv)


def _own_similarity(path: Path | str) -> np.ndarray:
    similarity = read_artifact(path, "centers")["similarity"].astype(np.float64)
    return similarity[np.isfinite(similarity)]
