"""The table of demographic groups: every line's rates by group, and the measures over groups, mean and spread over seeds."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from semihard.storage import schemas
from semihard.storage.artifacts import read_artifact, read_attributes
from semihard.storage.atomic import atomic_path

BETWEEN = "between groups"
LINE = ["label", "faceset", "recognizer", "seeds", "benchmarks", "division"]
COLUMNS = [
    *LINE,
    "group",
    "quantity",
    "unit",
    "value",
    "seed_sd",
    "low",
    "high",
    "null",
    "people",
    "pairs",
    "worst_group",
]
NO_UNIT = ("skewed_error_ratio", "gini", "garbe", "fairness_discrepancy_rate", "ratio", "inequity_rate")
NOTES = (
    "value: mean over seeds; seed_sd: sample standard deviation over seeds; low, high: 95 % interval by a bootstrap over "
    "identities of the benchmark (a pair of two people counts w_i w_j times), Clopper-Pearson over pairs where there is no "
    "error; mean over seeds; thresholds are held",
    "accuracy: at the cross-validated thresholds of all groups together; own_threshold_accuracy: of benchmarks of one group "
    "each, at each one's own (RFW's protocol); false match and non-match rate: at the one distance `threshold`, at which "
    "impostor pairs within groups have the rate threshold_rate",
    "without a group: measures over the groups that have enough pairs; accuracy_sd: sample standard deviation over groups (RFW); "
    "skewed_error_ratio: max / min of 1 - accuracy (RFW); trade_off: accuracy_mean - accuracy_sd (FRCSyn); gini: n/(n-1) sum "
    "|x_i - x_j| / (2 n^2 mean), garbe: mean of both (Howard et al. 2022); fairness_discrepancy_rate (Pereira and Marcel); "
    "inequity_rate: root of the product of both max / min (NIST); without an interval where a group has no error of its kind",
    "null: the same measure, on average, if all groups had one rate: what chance alone makes of so many pairs",
)
MEASURES = {  # in the Markdown table: measure → header
    "accuracy_worst": "worst group, %",
    "accuracy_range": "range, points",
    "accuracy_sd": "SD, points",
    "skewed_error_ratio": "SER",
    "trade_off": "mean − SD, %",
    "gini_false_match": "G(FMR)",
    "gini_false_non_match": "G(FNMR)",
    "garbe": "GARBE",
    "fairness_discrepancy_rate": "FDR",
    "inequity_rate": "IR",
}
RATES = {
    "accuracy": "accuracy, %",
    "own_threshold_accuracy": "at its own thresholds, %",
    "false_non_match_rate": "FNMR, %",
    "false_match_rate": "FMR, %",
}


@dataclass(frozen=True)
class FairnessRow:
    """One artifact "fairness" at `path`: the line of the study table that it is of, its seed (None for a reference), and
    the benchmarks it was measured on, joined by +."""

    label: str
    faceset: str
    recognizer: str
    seed: int | None
    benchmarks: str
    path: str


def score_fairness(rows: Sequence[FairnessRow], csv: Path | str, markdown: Path | str) -> None:
    """Write the table: a CSV of one quantity a row (see `COLUMNS`), and for people two Markdown tables a division, groups
    and measures.

    Rates, accuracies and their differences are percent. Groups with too few people or pairs have rows without values.
    """
    lines = list(dict.fromkeys((row.label, row.faceset, row.recognizer, row.benchmarks) for row in rows))
    found = []
    for line in lines:
        mine = [row for row in rows if (row.label, row.faceset, row.recognizer, row.benchmarks) == line]
        seeds = " ".join(str(row.seed) for row in mine if row.seed is not None)
        about = dict(zip(LINE, (*line[:3], seeds, line[3]), strict=False))
        found += [about | quantity for quantity in _quantities([row.path for row in mine])]
    table = pd.DataFrame(found, columns=COLUMNS).astype({"people": "Int64", "pairs": "Int64"})
    notes = [*NOTES, *_about(rows)]
    with atomic_path(csv) as temporary:
        text = "".join(f"# {note}\n" for note in notes)
        temporary.write_text(text + table.to_csv(index=False, float_format="%.7g"), encoding="utf-8")
    with atomic_path(markdown) as temporary:
        temporary.write_text(_markdown(table) + "\n".join(f"- {note}" for note in notes) + "\n", encoding="utf-8")


def read_fairness(csv: Path | str) -> pd.DataFrame:
    """That table; text is text, empty where there is none."""
    text = [*LINE, "group", "quantity", "unit", "worst_group"]
    numbers = {name: [""] for name in COLUMNS if name not in text}
    return pd.read_csv(csv, comment="#", keep_default_na=False, na_values=numbers, dtype=dict.fromkeys(text, str))


def _about(rows: Sequence[FairnessRow]) -> Iterator[str]:
    """How people are known, by benchmarks."""
    for benchmarks in dict.fromkeys(row.benchmarks for row in rows):
        path = next(row.path for row in rows if row.benchmarks == benchmarks)
        attributes = read_attributes(path, schemas.FAIRNESS)
        yield (
            f"{benchmarks}: people are known by {attributes['people_by']}; groups of fewer than {attributes['fewest_pairs']} "
            "genuine or impostor pairs are in no measure"
        )


def _quantities(paths: Sequence[str]) -> Iterator[dict]:
    """The rows of one line and one benchmark, from the artifacts of its seeds."""
    runs = [read_artifact(path, schemas.FAIRNESS) for path in paths]
    first = runs[0]
    of = {name: np.stack([run[name] for run in runs]) for name in first if first[name].dtype.kind == "f"}
    for g, group in enumerate(first["group"]):
        about = {
            "division": first["division"][first["group_division"][g]],
            "group": group,
            "people": first["people"][g],
        }
        genuine, impostor = first["genuine"][g], first["impostor"][g]
        pairs = {"false_match_rate": impostor, "false_non_match_rate": genuine}
        for r, rate in enumerate(first["rate"]):
            if rate != "own_threshold_accuracy" or not np.isnan(of["value"][:, :, r]).all():
                numbers = _over_seeds(rate, of["value"][:, g, r], of["interval"][:, g, r])
                yield about | numbers | {"pairs": pairs.get(rate, genuine + impostor)}
        if not np.isnan(accuracy := of["label_accuracy"][:, g]).all():
            yield about | _over_seeds("label_accuracy", accuracy)
    for v, division in enumerate(first["division"]):
        between = _over_seeds("false_match_rate", of["between_rate"][:, v])
        yield {"division": division, "group": BETWEEN} | between | {"pairs": first["between_impostor"][v]}
        yield {"division": division, "group": "", "people": first["ungrouped_people"][v], "quantity": "in_no_group",
               "pairs": first["ungrouped_pairs"][v]}  # fmt: skip
        for name in ("threshold", "threshold_rate"):
            yield {"division": division, "group": ""} | _over_seeds(name, of[name][:, v])
        for m, measure in enumerate(first["measure"]):
            values = of["over_groups"][:, v, m]
            if measure.startswith("own_") and np.isnan(values).all():
                continue
            numbers = _over_seeds(measure, values, of["over_groups_interval"][:, v, m], of["null"][:, v, m])
            yield {"division": division, "group": "", "worst_group": _worst(first, of["value"], v, measure)} | numbers


def _over_seeds(
    quantity: str, values: np.ndarray, interval: np.ndarray | None = None, null: np.ndarray | None = None
) -> dict[str, object]:
    """Columns of the table from values `[S]` of the seeds, intervals `[S, 2]` and nulls `[S]`."""
    percent = quantity != "threshold" and not quantity.removeprefix("own_threshold_").startswith(NO_UNIT)
    scale = 100 if percent else 1
    with np.errstate(invalid="ignore"):  # of ∞ there is no deviation
        row = {"quantity": quantity, "unit": "%" if percent else "", "value": scale * values.mean()}
        row["seed_sd"] = scale * values.std(ddof=1) if len(values) > 1 else np.nan
        row["low"], row["high"] = (np.nan, np.nan) if interval is None else scale * interval.mean(0)
        row["null"] = np.nan if null is None else scale * null.mean()
    return row


def _worst(first: dict[str, np.ndarray], value: np.ndarray, division: int, measure: str) -> str:
    """The group of least mean accuracy over seeds, of those that are measured; "" for other measures."""
    rows = np.flatnonzero((first["group_division"] == division) & first["measured"])
    if not measure.endswith("accuracy_worst") or len(rows) < 2:
        return ""
    rate = list(first["rate"]).index(measure.removesuffix("_worst"))
    return str(first["group"][rows[value[:, rows, rate].mean(0).argmin()]])


def _markdown(table: pd.DataFrame) -> str:
    text = ""
    for (benchmarks, division), part in table.groupby(["benchmarks", "division"], sort=False):
        text += f"**{benchmarks}, {division}**\n\n"
        rates = {name: header for name, header in RATES.items() if (part["quantity"] == name).any()}
        body = []
        grouped = part[(part["group"] != "") & (part["group"] != BETWEEN)]
        for (label, group), rows in grouped.groupby(["label", "group"], sort=False):
            by = rows.set_index("quantity")
            pairs = [by["pairs"].get(name) for name in ("false_non_match_rate", "false_match_rate")]
            body.append([label, group, by["people"].iloc[0], *pairs, *(_cell(by.loc[name]) for name in rates)])
        text += _rows(["trained on", "group", "people", "genuine", "impostor", *rates.values()], body)
        body = []
        for label, rows in part[part["group"] == ""].groupby("label", sort=False):
            by = rows.set_index("quantity")
            body.append([label, *(_cell(by.loc[name]) for name in MEASURES)])
            body[-1][1] += f" ({worst})" if (worst := by.loc["accuracy_worst", "worst_group"]) else ""
        text += _rows(["trained on", *MEASURES.values()], body)
    return text


def _rows(header: list[str], body: list[list]) -> str:
    lines = [header, ["---"] * len(header), *body]
    return (
        "\n".join(f"| {' | '.join(str(cell).replace('|', chr(92) + '|') for cell in line)} |" for line in lines)
        + "\n\n"
    )


def _cell(row: pd.Series) -> str:
    if np.isnan(row["value"]):
        return "too few"
    digits = 2 if row["unit"] else 3
    spread = "" if np.isnan(row["seed_sd"]) else f" ± {row['seed_sd']:.{digits}f}"
    null = "" if np.isnan(row["null"]) or row["unit"] else f"; null {row['null']:.{digits}f}"
    interval = "" if np.isnan(row["low"]) else f" [{row['low']:.{digits}f}, {row['high']:.{digits}f}]"
    return f"{row['value']:.{digits}f}{spread}{interval}{null}"
