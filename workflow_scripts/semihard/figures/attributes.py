"""What the attribute study found: prevalence, divergence both ways, and how an attribute holds within an identity."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap

from semihard.figures.style import (
    BLUE,
    INK,
    MUTED,
    REAL,
    VERMILLION,
    WIDTH,
    bare,
    legend_above,
    looks,
    new_figure,
    percent,
    save,
    save_nothing,
    say,
    style,
    words,
)
from semihard.sources.attribute_names import FAMILIES

UNSEEN = "#a8a8a8"
LINE = 0.19  # inches of an attribute
MOST_CURVES = 12  # attributes that are followed over m
NOTHING = {"attributes": "no two sets with ten identities or more"}


def plot_attributes(sets: Path | str, picture: Path | str, csv: Path | str) -> None:
    """Draw of every attribute and set the prevalence with its interval, the share of undefined labels, and the consistency
    within identities. Grey names: what the classifier cannot see on held-out people.

    sets: the CSV `sets` of `compare_attributes`; the first set is drawn black. CSV: what is drawn.
    """
    table, reasons = _read_sets(sets)
    if table.empty:
        return save_nothing(picture, csv, list(table.columns), reasons)
    names = list(dict.fromkeys(table["faceset"]))
    order = ordered(table[table["faceset"] == names[0]])
    columns = (
        ("prevalence", "prevalence", ("prevalence_low", "prevalence_high")),
        ("undefined_share", "undefined", None),
        ("consistency", "consistency within an identity", ("consistency_low", "consistency_high")),
    )
    with style():
        figure = new_figure(0.9 + LINE * len(order), WIDTH)
        panels = figure.subplots(1, 3, sharey=True, width_ratios=(1.5, 0.8, 1.1))
        for axes, (column, title, interval) in zip(panels, columns, strict=True):
            _rows(axes, order, table[table["faceset"] == names[0]])
            offset = np.linspace(0.24, -0.24, len(names)) if len(names) > 1 else [0.0]
            for shift, (name, look) in zip(offset, looks(names, names[0]).items(), strict=True):
                part = table[table["faceset"] == name].set_index("attribute").loc[order]
                place = np.arange(len(order)) + shift
                axes.plot(part[column], place, "o", color=look["color"], markersize=3.4, label=name)
                if interval:
                    axes.hlines(place, part[interval[0]], part[interval[1]], color=look["color"], linewidth=0.9)
            axes.set_xlabel(title)
            if column != "consistency":
                percent(axes.xaxis)
                axes.set_xlim(-0.02, 1.02)
        legend_above(figure, panels[0])
        say(figure, reasons)
        save(figure, picture, table, csv)


def plot_attribute_divergence(pairs: Path | str, picture: Path | str, csv: Path | str) -> None:
    """Draw the divergence of every other set from the first one, both ways, a panel per set, attributes sorted by the
    greater of the two; the black tick is the floor, what two halves of one set differ by (95 %).

    pairs: the CSV `pairs` of `compare_attributes`. Filled: beyond the floor of all attributes together. CSV: what is drawn.
    """
    table = pd.read_csv(pairs)
    if table.empty:
        return save_nothing(picture, csv, list(table.columns), NOTHING)
    table = table[table["first"] == table["first"].iloc[0]]
    others = list(dict.fromkeys(table["second"]))
    shown = len(table) // len(others)
    lines = -(-len(others) // 2)
    with style():
        figure = new_figure(0.5 + lines * (0.75 + LINE * shown), WIDTH)
        panels = figure.subplots(lines, 2, squeeze=False, sharex=True)
        for axes in panels.flat[len(others) :]:
            axes.remove()
        for axes, name in zip(panels.flat, others, strict=False):
            part = table[table["second"] == name]
            both = part[["bits_first_coded_as_second", "bits_second_coded_as_first"]].max(axis=1)
            part = part.loc[both.where(part["seen"] & part["enough"], -1).sort_values(kind="stable").index]
            _rows(axes, list(part["attribute"]), part)
            place = np.arange(len(part))
            for direction, sign, colour in (
                ("second_coded_as_first", -1, BLUE),
                ("first_coded_as_second", 1, VERMILLION),
            ):
                value = sign * part[f"bits_{direction}"].where(part["enough"])
                told = zip(part["seen"], part[f"beyond_{direction}"], strict=True)
                shade = [(colour if seen else UNSEEN, 1.0 if beyond else 0.3) for seen, beyond in told]
                axes.barh(place, value, 0.62, color=shade)
                bounds = sign * part[[f"bits_{direction}_low", f"bits_{direction}_high"]].where(part["enough"])
                axes.hlines(place, bounds.min(axis=1), bounds.max(axis=1), color=INK, linewidth=0.7)
                axes.plot(sign * part["floor"], place, "|", color=REAL, markersize=6, markeredgewidth=1.1)
            axes.axvline(0, color=MUTED, linewidth=0.6)
            axes.xaxis.set_major_formatter(lambda bits, _: f"{abs(bits):g}")
            axes.set_title(f"{name}\ncoded as {part['first'].iloc[0]}", loc="left", fontsize=7, color=BLUE)
            axes.set_title(f"{part['first'].iloc[0]}\ncoded as {name}", loc="right", fontsize=7, color=VERMILLION)
            axes.set_xlabel("divergence (bits per image)")
        reach = max(abs(bound) for bound in panels.flat[0].get_xlim())
        panels.flat[0].set_xlim(-reach, reach)
        save(figure, picture, table, csv)


def plot_attribute_heat(sets: Path | str, picture: Path | str, csv: Path | str) -> None:
    """Draw attribute × set: the prevalence in points above or below that of the first set, written into its cell.

    sets: the CSV `sets` of `compare_attributes`. Grey: not seen by the classifier, or undefined for all. CSV: attribute, then a
    column per set of its prevalence.
    """
    table, reasons = _read_sets(sets)
    if table.empty:
        return save_nothing(picture, csv, list(table.columns), reasons)
    names = list(dict.fromkeys(table["faceset"]))
    order = ordered(table[table["faceset"] == names[0]])[::-1]
    value = table.where((table["defined"] > 0) & table["seen"].astype(bool))
    value["attribute"], value["faceset"] = table["attribute"], table["faceset"]
    wide = value.pivot(index="attribute", columns="faceset", values="prevalence").loc[order, names]
    points = 100 * wide.sub(wide[names[0]], axis=0)
    with style():
        width = min(2 * WIDTH, 2.2 + 0.62 * len(names))
        figure = new_figure(1.3 + LINE * len(order), width)
        axes = figure.subplots()
        bare(axes, "none")
        bound = max(10.0, float(np.nanmax(np.abs(points.to_numpy()), initial=0)))
        axes.imshow(points, cmap=_blue_to_orange(), vmin=-bound, vmax=bound, aspect="auto")
        for row, attribute in enumerate(order):
            for column, name in enumerate(names):
                shown = wide.loc[attribute, name] if column == 0 else points.loc[attribute, name]
                text = "–" if np.isnan(shown) else f"{100 * shown:.0f} %" if column == 0 else f"{round(shown) or 0:+d}"
                dark = column and abs(shown) > 0.6 * bound
                axes.text(column, row, text.replace("-", "−"), ha="center", va="center", fontsize=6.5,
                          color="white" if dark else MUTED if np.isnan(shown) else INK)  # fmt: skip
        axes.set_xticks(range(len(names)), names, rotation=45, ha="left", rotation_mode="anchor")
        axes.xaxis.tick_top()
        axes.set_yticks(range(len(order)), [words(name) for name in order])
        axes.tick_params(length=0)
        for spine in axes.spines.values():
            spine.set_visible(False)
        say(figure, reasons)
        save(figure, picture, wide.reset_index(), csv)


def _blue_to_orange() -> LinearSegmentedColormap:
    """Blue below, orange above, grey where there is nothing."""
    colours = LinearSegmentedColormap.from_list("points", [BLUE, "#ffffff", VERMILLION])
    colours = colours.with_extremes(bad="#ececec")
    return colours


def plot_attribute_curves(
    sets: Path | str,
    along: Path | str,
    picture: Path | str,
    csv: Path | str,
    series: Sequence[Mapping],
) -> None:
    """Draw prevalence and consistency over m and over φ: of sets that differ in m alone, and of the parts of a set in which
    m or φ varies. The attributes whose prevalence moves most, at most twelve.

    sets, along: CSV of `compare_attributes`; series: title, face sets by rising m, and their m. CSV: what is drawn.
    """
    (table, reasons), parts = _read_sets(sets), pd.read_csv(along)
    curves = []
    for one in series if len(table) else ():
        of_m = dict(zip(one["facesets"], one["m"], strict=True))
        part = table[table["faceset"].isin(of_m)]
        curves.append(part.assign(curve=one["title"], axis="m", x=part["faceset"].map(of_m)))
    if len(parts):
        axis = parts["column"].replace("phi", "φ")
        curves.append(
            parts.assign(curve=parts["faceset"] + " over " + axis, axis=axis, x=(parts["low"] + parts["high"]) / 2)
        )
    curves = [part for part in curves if len(part)]
    if not curves:
        why = "no set in which m or φ varies has ten identities"
        return save_nothing(picture, csv, ["curve", "x"], {"attributes": why} | reasons)
    drawn = pd.concat(curves, ignore_index=True)
    titles = list(dict.fromkeys(drawn["curve"]))
    every = looks(sorted(set(drawn["attribute"])))
    with style():
        figure = new_figure(0.4 + 2.1 * len(titles), WIDTH)
        panels = figure.subplots(len(titles), 2, squeeze=False)
        for row, title in zip(panels, titles, strict=True):
            part = drawn[(drawn["curve"] == title) & drawn["seen"].astype(bool)]
            moved = part.groupby("attribute")["prevalence"].agg(np.ptp).sort_values(ascending=False, kind="stable")
            for axes, column in zip(row, ("prevalence", "consistency"), strict=True):
                bare(axes, "y")
                for name in moved.index[:MOST_CURVES]:
                    look, line = every[name], part[part["attribute"] == name].sort_values("x")
                    axes.plot(line["x"], line[column], marker="o", markersize=2.6, label=words(name), **look)
                    axes.fill_between(
                        line["x"],
                        line[f"{column}_low"],
                        line[f"{column}_high"],
                        color=look["color"],
                        alpha=0.12,
                        linewidth=0,
                    )
                if part[column].isna().all():
                    axes.text(
                        0.5, 0.5, "no two images of an identity", ha="center", color=MUTED, transform=axes.transAxes
                    )
                axes.set_xlabel(part["axis"].iloc[0] if len(part) else "")
                axes.set_ylabel(column)
            row[0].set_title(title)
            percent(row[0].yaxis)
            row[1].legend(loc="center left", bbox_to_anchor=(1.02, 0.5), fontsize=6.5)
        save(figure, picture, drawn, csv)


def ordered(table: pd.DataFrame) -> list[str]:
    """Attributes from the bottom of a chart to its top: single ones by prevalence, then families in their own order."""
    rank = {name: (1 + f, -m) for f, members in enumerate(FAMILIES.values()) for m, name in enumerate(members)}
    share = dict(zip(table["attribute"], table["prevalence"].fillna(0), strict=True))
    return sorted(share, key=lambda name: rank.get(name, (0, share[name])))


def _rows(axes: Axes, order: Sequence[str], table: pd.DataFrame) -> None:
    """A row per attribute, from below; grey names for what the classifier does not see."""
    seen = dict(zip(table["attribute"], table["seen"].astype(bool), strict=True))
    bare(axes, "x")
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    axes.set_yticks(range(len(order)), [words(name) for name in order])
    for tick, name in zip(axes.get_yticklabels(), order, strict=False):  # none at the right of a shared axis
        tick.set_color(INK if seen[name] else UNSEEN)
    axes.set_ylim(-0.7, len(order) - 0.3)


def _read_sets(sets: Path | str) -> tuple[pd.DataFrame, dict[str, str]]:
    """The lines of the CSV `sets` of `compare_attributes`, a set and attribute each, and why sets are not among them."""
    table = pd.read_csv(sets)
    if "unmeasured" not in table:
        return table, {}
    told = table[table["unmeasured"].notna()]
    return table[table["unmeasured"].isna()], dict(zip(told["faceset"], told["unmeasured"], strict=True))
