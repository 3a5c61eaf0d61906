"""What the audits found: attributes, separability of identities, fidelity."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd

from semihard.figures.style import (
    BIN_WIDTH,
    BLUE,
    INK,
    MUTED,
    REAL,
    VERMILLION,
    WIDTH,
    bare,
    histogram,
    legend_above,
    looks,
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

FEWEST_LABELS = 50  # fewer defined labels say nothing of a set
UNRELIABLE = 0.8  # balanced accuracy: below it MAAD-Face's authors found labels poor
PANELS_PER_ROW = 3


def plot_attributes(comparisons: Mapping[str, Path | str], svg: Path | str, csv: Path | str) -> None:
    """Draw the prevalence of each attribute, real and synthetic, and the divergence in both directions beside it.

    comparisons: synthetic face set → CSV of `compare_attributes` with the same real set. Attributes are ordered by
    real prevalence; those with fewer than 50 defined labels in a set are left out; grey ones were told apart with a
    balanced accuracy below 0.8 on held-out identities. CSV: faceset and all columns of the comparisons.
    """
    tables = {name: pd.read_csv(path).set_index("attribute") for name, path in comparisons.items()}
    told = [table[["real_defined", "synthetic_defined"]].min(axis=1) >= FEWEST_LABELS for table in tables.values()]
    first = next(iter(tables.values())).sort_values("real_prevalence", kind="stable")
    if (drawn := pd.concat(told, axis=1).all(axis=1)[first.index]).any():  # a miniature has too few of all
        first = first[drawn]
    place = pd.Series(np.arange(len(first)), first.index)
    offset = dict(zip(tables, np.linspace(0.22, -0.22, len(tables)) if len(tables) > 1 else [0.0], strict=True))
    with style():
        figure = new_figure(0.9 + 0.19 * len(first), WIDTH)
        left, right = figure.subplots(1, 2, sharey=True, width_ratios=(1.35, 1))
        for axes in (left, right):
            bare(axes, "x")
            axes.tick_params(axis="y", length=0)
            axes.spines["left"].set_visible(False)
        values = pd.concat(
            [first["real_prevalence"], *(table["synthetic_prevalence"] for table in tables.values())], axis=1
        )
        left.hlines(
            place, values.min(axis=1)[place.index], values.max(axis=1)[place.index], color="#c9c9c9", linewidth=1.6
        )
        left.plot(
            first["real_prevalence"], place, "|", color=REAL, markersize=8, markeredgewidth=2, label="real", zorder=4
        )
        for name, look in looks(tables).items():
            table = tables[name].loc[place.index]
            left.plot(table["synthetic_prevalence"], place, "o", color=look["color"], markersize=4.6, label=name)
            height = 0.62 / len(tables)
            rows = place + offset[name]
            right.barh(rows, -table["bits_synthetic_coded_as_real"], height, color=look["color"], alpha=0.55)
            right.barh(rows, table["bits_real_coded_as_synthetic"], height, color=look["color"])
        left.set_yticks(place, [words(name) for name in place.index])
        for tick, accuracy in zip(left.get_yticklabels(), first["held_out_accuracy"], strict=True):
            tick.set_color(INK if accuracy >= UNRELIABLE else "#a0a0a0")
        left.set_ylim(-0.7, len(first) - 0.3)
        left.set_xlim(-0.02, 1.02)
        percent(left.xaxis)
        left.set_xlabel("prevalence")
        right.axvline(0, color=MUTED, linewidth=0.6)
        reach = max(abs(bound) for bound in right.get_xlim())
        right.set_xlim(-reach, reach)
        right.xaxis.set_major_formatter(lambda bits, _: f"{abs(bits):g}")
        right.set_xlabel("divergence (bits per image)")
        right.set_title("synthetic\ncoded as real", loc="left", fontsize=7.5)
        right.set_title("real coded\nas synthetic", loc="right", fontsize=7.5)
        legend_above(figure, left)
        numbers = pd.concat(table.reset_index().assign(faceset=name) for name, table in tables.items())
        save(figure, svg, numbers[["faceset", *numbers.columns.drop("faceset")]], csv)


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
