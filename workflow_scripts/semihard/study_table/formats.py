"""The study table for people: Markdown and LaTeX, from the same frame as the CSV."""

from collections.abc import Callable, Sequence
from pathlib import Path

import pandas as pd

from semihard.storage.atomic import atomic_path

SPECIAL = str.maketrans({character: f"\\{character}" for character in "&%$#_{}"} | {"−": "$-$", "×": r"$\times$"})
FIDELITY = {  # column → header
    "frechet_distance_embedding": "Fréchet distance, embeddings (null)",
    "frechet_distance_inception": "FID, Inception (null)",
    "coverage_embedding": "coverage (null)",
}
BOLD = "bold: the highest AVG of the sets compared with the real one; best single epoch: one epoch per seed"


def write_markdown(path: Path | str, frame: pd.DataFrame, benchmarks: Sequence[str], notes: Sequence[str]) -> None:
    """A Markdown table with the notes below it; frame: the columns of the study table's CSV."""
    header, body = cells(frame, benchmarks, lambda text: text.replace("|", "\\|"), "**{}**")
    lines = [header, ["---", *["---:"] * (len(header) - 1)], *body]
    text = "\n".join(f"| {' | '.join(line)} |" for line in lines)
    with atomic_path(path) as temporary:
        temporary.write_text(text + "\n\n" + "\n".join(f"- {note}" for note in [*notes, BOLD]) + "\n", encoding="utf-8")


def write_latex(path: Path | str, frame: pd.DataFrame, benchmarks: Sequence[str], notes: Sequence[str]) -> None:
    """A LaTeX tabular (package booktabs) with the notes as comments above it."""
    header, body = cells(frame, benchmarks, lambda text: text.translate(SPECIAL), r"\textbf{{{}}}")
    rows = [" & ".join(line) + r" \\" for line in body]
    lines = [
        *(f"% {note}" for note in notes),
        rf"\begin{{tabular}}{{l{'r' * (len(header) - 1)}}}",
        r"\toprule",
        " & ".join(header) + r" \\",
        r"\midrule",
        *rows,
        r"\bottomrule",
        r"\end{tabular}",
    ]
    with atomic_path(path) as temporary:
        temporary.write_text("\n".join(lines).replace("±", r"$\pm$") + "\n", encoding="utf-8")


def cells(
    frame: pd.DataFrame, benchmarks: Sequence[str], escape: Callable[[str], str], strong: str
) -> tuple[list[str], list[list[str]]]:
    """Header and rows of text: label, identities and images of the face set, mean ± fold sd per benchmark, AVG ± sd over
    seeds [interval], the gap in points [interval] and in percent, best epoch, Fréchet distances and coverage with their null.

    The highest AVG of the lines that have a gap is made strong: the best of what the study compares.
    """
    compared = frame[frame["gap_to_real_points"].fillna(0) != 0] if "gap_to_real_points" in frame else frame
    best = compared["AVG"].max()
    counted = ["identities", "images"] if "images" in frame else []
    header = ["trained on", *counted, *map(escape, benchmarks), "AVG", "gap, points", escape("gap, %")]
    with_epochs = "best_epoch_AVG" in frame and frame["best_epoch_AVG"].notna().any()
    header += ["best single epoch"] if with_epochs else []
    shown = [name for name in FIDELITY if name in frame and frame[name].notna().any()]
    header += [escape(FIDELITY[name]) for name in shown]
    body = []
    for line in frame.to_dict("records"):
        source = line.get("published")
        name = f"{line['label']}: {source}" if isinstance(source, str) else str(line["label"])
        average = _number(line["AVG"], line.get("AVG_sd"))
        average = strong.format(average) if average and line["AVG"] == best else average
        average += _interval(line.get("AVG_low"), line.get("AVG_high"))
        row = [
            escape(name),
            *_counts(line, counted),
            *(_number(line.get(b), line.get(f"{b}_fold_sd")) for b in benchmarks),
            average,
        ]
        gap = _number(line.get("gap_to_real_points")) + _interval(line.get("gap_low"), line.get("gap_high"))
        row += [gap, _number(line.get("gap_to_real_relative"))]
        if with_epochs:
            chosen = _number(line.get("best_epoch_AVG"))
            row.append(f"{chosen} (epoch {', '.join(str(line['best_epoch']).split())})" if chosen else "")
        row += [_beside_null(line.get(name), line.get(f"{name}_null")) for name in shown]
        body.append(row)
    return header, body


def _counts(line: dict, counted: Sequence[str]) -> list[str]:
    if not counted or pd.isna(line["images"]):
        return [""] * len(counted)
    copies = f" + {line['inquiry_copies']:,.0f} copies" if line["inquiry_copies"] else ""
    return [f"{line['identities']:,.0f}", f"{line['images']:,.0f}{copies}"]


def _beside_null(value: float | None, null: float | None) -> str:
    return "" if value is None or pd.isna(value) else f"{value:.3g} ({null:.3g})"


def _number(value: float | None, spread: float | None = None) -> str:
    if value is None or pd.isna(value):
        return ""
    return f"{value:.2f}" if spread is None or pd.isna(spread) else f"{value:.2f} ± {spread:.2f}"


def _interval(low: float | None, high: float | None) -> str:
    return "" if low is None or pd.isna(low) else f" [{low:.2f}, {high:.2f}]"
