"""Leakage: how near audited sets are to each reference, beside the null; and near-duplicates inside sets."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd

from semihard.figures.style import (
    BIN_WIDTH,
    BLUE,
    MUTED,
    REAL,
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
    words,
)
from semihard.storage import schemas
from semihard.storage.artifacts import read_attributes

NULL = "#b5b5b5"
SHOWN = ("matching_other", "nearer_to_another", "repeated", "repeated_other")


def plot_leakage(audits: Mapping[str, Path | str], svg: Path | str, csv: Path | str) -> None:
    """Draw how near each audited set's images are to their nearest image of each reference, a panel per reference, the null
    in grey behind; the threshold of a match is dashed.

    audits: label → "leakage" artifact. The legend has, in percent, what matches of the set and of the null, and how many
    images are copied. CSV: faceset, reference, role, quantity (share and null share per bin, threshold, all quantities of the
    artifact), low, high (of a bin; of an interval), value.
    """
    artifacts, reasons = read_measured(audits, schemas.LEAKAGE)
    columns = ["faceset", "reference", "role", "quantity", "low", "high", "value"]
    if not artifacts:
        return save_nothing(svg, csv, columns, reasons)
    about = {label: read_attributes(audits[label], schemas.LEAKAGE) for label in artifacts}
    references = list(dict.fromkeys(str(attributes["reference"]) for attributes in about.values()))
    look = looks(dict.fromkeys(str(attributes["faceset"]) for attributes in about.values()))
    edges = shared_bins([data[key] for data in artifacts.values() for key in ("nearest_similarity", "null_similarity")])
    rows = []
    with style():
        figure = new_figure(0.5 + 1.9 * len(references))
        panels = figure.subplots(len(references), squeeze=False, sharex=True)[:, 0]
        for axes, reference in zip(panels, references, strict=True):
            bare(axes, "y")
            of_panel = [label for label in artifacts if about[label]["reference"] == reference]
            roles = dict.fromkeys(str(about[label]["role"]) for label in of_panel)
            for drawn, label in enumerate(of_panel):
                data, faceset, role = artifacts[label], str(about[label]["faceset"]), str(about[label]["role"])
                value = dict(zip(data["name"], data["value"], strict=True))
                key, threshold = (faceset, reference, role), float(data["threshold"])
                null = histogram(data["null_similarity"], edges)
                if not drawn:
                    axes.stairs(
                        null["share"], edges, fill=True, color=NULL, alpha=0.55, label=f"null: {about[label]['null']}"
                    )
                    axes.axvline(threshold, color=MUTED, linewidth=0.9, linestyle=(0, (4, 3)), zorder=1)
                    axes.annotate("match →", (threshold, 1), (3, -2), xycoords=("data", "axes fraction"),
                                  textcoords="offset points", va="top", fontsize=7, color=MUTED)  # fmt: skip
                table = histogram(data["nearest_similarity"], edges)
                text = f"{faceset}  {100 * value['matching']:.1f} | {100 * value['matching_null']:.1f}   {value['copied']:.0f}"
                axes.stairs(table["share"], edges, linewidth=1.4, label=text, **look[faceset])
                rows += [(*key, "share", bar.low, bar.high, bar.share) for bar in table.itertuples()]
                rows += [(*key, "null share", bar.low, bar.high, bar.share) for bar in null.itertuples()]
                rows.append((*key, "threshold", None, None, threshold))
                quantities = zip(data["name"], data["interval"], data["value"], strict=True)
                rows += [(*key, name, *interval, number) for name, interval, number in quantities]
            named = [role for role in roles if role not in ("", reference)]
            axes.set_title(f"against {reference}" + (f" ({', '.join(named)})" if named else ""))
            axes.set_ylabel(f"share per {BIN_WIDTH:g}")
            axes.margins(y=0.18)  # room for the word at the threshold
            axes.set_ylim(0)
            percent(axes.yaxis)
            axes.legend(loc="upper left", bbox_to_anchor=(1.01, 1), title="match: set | null (%)   copied",
                        title_fontsize=7.5, alignment="left")  # fmt: skip
        panels[-1].set_xlabel("cosine to the nearest image of the reference")
        say(figure, reasons)
        save(figure, svg, pd.DataFrame(rows, columns=columns), csv)


def plot_duplicates(duplicates: Mapping[str, Path | str], svg: Path | str, csv: Path | str) -> None:
    """Draw the share of each set's images that match another identity, are nearer to one than to their own, and are there
    twice, in their own identity or in another; black lines are the null of the first.

    duplicates: face set → "duplicates" artifact. CSV: faceset, quantity (all of the artifact), low, high, value.
    """
    artifacts, reasons = read_measured(duplicates, schemas.DUPLICATES)
    columns = ["faceset", "quantity", "low", "high", "value"]
    if not artifacts:
        return save_nothing(svg, csv, columns, reasons)
    rows = [
        (faceset, name, *interval, value)
        for faceset, data in artifacts.items()
        for name, interval, value in zip(data["name"], data["interval"], data["value"], strict=True)
    ]
    values = pd.DataFrame([dict(zip(data["name"], data["value"], strict=True)) for data in artifacts.values()])
    values[["repeated", "repeated_other"]] = values[["repeated", "repeated_other"]].div(values["images"], axis=0)
    place = np.arange(len(values))[::-1]
    with style():
        figure = new_figure(0.75 + 0.2 * len(values))
        for axes, name in zip(figure.subplots(1, len(SHOWN), sharey=True), SHOWN, strict=True):
            bare(axes, "x")
            axes.scatter(values[name], place, color=BLUE, s=18, zorder=3, label="face set")
            greatest = values[name].max()
            if name == "matching_other":
                axes.vlines(values[f"{name}_null"], place - 0.35, place + 0.35, color=REAL, linewidth=1.4, label="null")
                greatest = max(greatest, values[f"{name}_null"].max())
                handles = axes
            axes.set_yticks(place, list(artifacts))
            axes.set_ylim(-0.6, len(values) - 0.4)
            axes.set_xlim(0, 1.05 * greatest if greatest > 0 else 0.01)
            percent(axes.xaxis)
            axes.set_title(words(name))
        legend_beside(figure, handles, "share of images")
        say(figure, reasons)
        save(figure, svg, pd.DataFrame(rows, columns=columns), csv)
