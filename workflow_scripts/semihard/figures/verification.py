"""Verification: ROC curves and the table of accuracies as a picture."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd

from semihard.artifacts import read_artifact
from semihard.figures.style import looks, new_figure, save, style
from semihard.verification import roc

FALSE_ACCEPT_RATE = 1e-3


def plot_roc(
    verifications: Mapping[str, Path | str], svg: Path | str, csv: Path | str, real: str | None = None
) -> None:
    """Draw true accept rate over false accept rate on one benchmark.

    verifications: label → "verification" artifact; real: the label of what was trained on real faces. The axis begins at
    one false accept: below it there is nothing to see. CSV: label, false_accept_rate, true_accept_rate, threshold
    (squared distance); all points of every curve.
    """
    tables = []
    with style():
        figure = new_figure(3.0, 4.6)
        axes = figure.subplots()
        least, floor = 1.0, 1.0
        for label, look in looks(verifications, real).items():
            data = read_artifact(verifications[label], "verification")
            far, tar, threshold = roc(data["distance"], data["same"])
            one = 1 / np.count_nonzero(~data["same"])
            shown = np.clip(far, one, None)
            at = tar[np.searchsorted(far, FALSE_ACCEPT_RATE, side="right") - 1]
            axes.plot(shown, tar, drawstyle="steps-post", label=f"{label}  {100 * at:.1f}", **look)
            tables.append(
                pd.DataFrame({"false_accept_rate": far, "true_accept_rate": tar, "threshold": threshold}).assign(
                    label=label
                )
            )
            least, floor = min(least, one), min(floor, tar[far <= one][-1])
        axes.axvline(FALSE_ACCEPT_RATE, color="#b5b5b5", linewidth=0.8, linestyle=(0, (4, 3)), zorder=0)
        axes.set_xscale("log")
        axes.set(xlim=(least, 1), ylim=(max(0, np.floor(floor * 10 - 0.5) / 10), 1.005))
        axes.set(xlabel="false accept rate", ylabel="true accept rate")
        axes.legend(
            loc="lower right", title=f"TAR (%) at FAR {FALSE_ACCEPT_RATE:g}", title_fontsize=7.5, alignment="left"
        )
        numbers = pd.concat(tables)
        save(figure, svg, numbers[["label", *numbers.columns.drop("label")]], csv)
