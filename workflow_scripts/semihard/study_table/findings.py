"""What a study found, in sentences computed from its artifacts. Where intervals overlap, or there is one seed, they say so."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

import numpy as np
import pandas as pd

from semihard.errors import UnmeasurableError
from semihard.storage import schemas
from semihard.storage.artifacts import attributes_of, read_artifact, read_attributes

MOST = 2  # series and generators that have a sentence


def own_lines(scores: pd.DataFrame) -> pd.DataFrame:
    """The study's own lines of the study table, the published ones left out."""
    return scores[scores["published"].isna()] if "published" in scores else scores


def found_in_table(
    scores: pd.DataFrame, synthetic: Sequence[str], mixed_in: Mapping[str, str] = MappingProxyType({})
) -> list[str]:
    """The best line and its gap to real, whether others are as good, and how many seeds that rests on.

    scores: the study table as its CSV has it, seeds as text; synthetic: the face sets that a generator drew, among which the
    best is looked for where there are any; mixed_in: recognizer → face set of real images that it sees besides.
    """
    own = own_lines(scores)
    lines = own[own["AVG"].notna()]
    if lines.empty:
        return ["The table has no average: no benchmark of this study gives an accuracy."]
    compared = lines[lines["gap_reference"].notna() & (lines["label"] != lines["gap_reference"])]
    drawn = compared[compared["faceset"].isin(synthetic)]
    kind = (
        "line trained on synthetic faces" if len(drawn) else "line trained on other faces" if len(compared) else "line"
    )
    rivals = next((part for part in (drawn, compared, lines) if len(part)), lines)
    best = rivals.loc[rivals["AVG"].idxmax()]
    subject = (
        f"The best of {len(rivals)} {kind.replace('line', 'lines', 1)} is" if len(rivals) > 1 else f"The {kind} is"
    )
    sentence = f"{subject} {best['label']}{_besides(best, mixed_in)}: {_accuracy(best)}"
    if len(compared):
        real = lines[lines["label"] == best["gap_reference"]].iloc[0]
        sentence += f"; {real['label']} has {_accuracy(real)}. {_gap(best)}"
    certain = [_among(best, rivals.drop(best.name)), _seeds(lines)]
    return [sentence if sentence.endswith(".") else f"{sentence}.", " ".join(filter(None, certain))]


def _accuracy(line: pd.Series) -> str:
    return f"AVG {line['AVG']:.2f} % [{line['AVG_low']:.2f}, {line['AVG_high']:.2f}]"


def _besides(line: pd.Series, mixed_in: Mapping[str, str]) -> str:
    """What else than the images of its set the line's recognizer saw."""
    copies = line.get("inquiry_copies")
    also = [f"{copies:.0f} copies of inquiries"] if copies and not pd.isna(copies) else []
    also += [f"real images of {mixed_in[line['recognizer']]}"] if line["recognizer"] in mixed_in else []
    return f" (trained on {' and '.join(also)} besides)" if also else ""


def _gap(line: pd.Series) -> str:
    gap, low, high = line["gap_to_real_points"], line["gap_low"], line["gap_high"]
    told = f"The gap to real is {gap:.2f} points [{low:.2f}, {high:.2f}]"
    if low <= 0 <= high:
        return f"{told}: its interval holds 0, so that these pairs do not tell the two apart."
    return f"{told}, all of the interval on the side of {'the real set' if low > 0 else 'this set'}."


def _among(best: pd.Series, others: pd.DataFrame) -> str:
    as_good = others[others["AVG_high"] >= best["AVG_low"]]
    if others.empty:
        return ""
    if as_good.empty:
        return f"The interval of {best['label']} is clear of all others'."
    which = f"that of {as_good['label'].iloc[0]}" if len(as_good) == 1 else f"those of {len(as_good)} others"
    return f"The interval of {best['label']} overlaps {which}, so that it is not clearly the best."


def _seeds(lines: pd.DataFrame) -> str:
    seeds = {len(str(text).split()) for text in lines["seeds"].dropna()} - {0}
    if not seeds:
        return "Intervals are over pairs."
    if seeds == {1}:
        return "One training seed: intervals are over pairs, and say nothing of how far another training would differ."
    return f"Means over {max(seeds)} training seeds; intervals are over pairs, the spread over seeds stands beside AVG."


def found_over_similarity(table: pd.DataFrame) -> list[str]:
    """Where along a similarity accuracy is highest, and whether that is clear of both ends: of the first series.

    table: the CSV of the figure accuracy over similarity, whose findings these are.
    """
    told = [(series, part["finding"].iloc[0]) for series, part in table.groupby("series", sort=False)]
    sentences = [f"Accuracy over similarity, {series}: {finding}." for series, finding in told[:MOST]]
    return sentences + ([f"{len(told) - MOST} more series stand below."] if len(told) > MOST else [])


def found_in_calibrations(calibrations: Mapping[str, Path | str]) -> list[str]:
    """How far generators do as they are asked; calibrations: generator → artifact "calibration"."""
    sentences = []
    for generator, path in list(calibrations.items())[:MOST]:
        data = read_artifact(path, schemas.CALIBRATION)
        by = [
            f"{_r(single)} by {'the embedder of its loss' if embedder == 'loss' else embedder}"
            for embedder, single in zip(data["embedder"], data["pearson_r"], strict=True)
        ]
        sentences.append(
            f"Requested and achieved similarity of {generator}: Pearson r of single images is {', '.join(by)} (1: m decides "
            f"how similar an image is; 0: it makes no difference); of the mean per m {_r(data['pearson_r_mean'][0])}."
        )
    more = len(calibrations) - MOST
    return sentences + ([f"{more} more generators stand below."] if more > 0 else [])


def _r(value: float) -> str:
    return "not defined" if math.isnan(value) else f"{value:.2f}".replace("-0.00", "0.00")


def found_in_leakages(audits: Sequence[Path | str]) -> list[str]:
    """The share of matches beside the null's, of the audit in which it is furthest above it; audits: artifacts "leakage"."""
    found = []
    for path in audits:
        try:
            data, about = read_artifact(path, schemas.LEAKAGE), read_attributes(path, schemas.LEAKAGE)
        except UnmeasurableError:
            continue
        value = dict(zip(data["name"], data["value"], strict=True))
        interval = dict(zip(data["name"], data["interval"], strict=True))
        found.append((value["matching"] - value["matching_null"], value, interval, about))
    if not found:
        return []
    _, value, interval, about = max(found, key=lambda audit: np.nan_to_num(audit[0], nan=-np.inf))
    first = f"Of {len(found)} leakage audits, this one stands worst beside its null: " if found[1:] else "Leakage: "
    of = f"{about['faceset']} match an image of {about['reference']} ({about['role']})"
    share, null = (_share(value[name], interval[name]) for name in ("matching", "matching_null"))
    copied = sum(int(value["copied"]) for _, value, _, _ in found)
    return [
        f"{first}{share} of the images of {of}; of the null ({about['null']}), {null} do. "
        f"{_beside(interval['matching'], interval['matching_null'])} {copied or 'None'} of the images compared by their pixels "
        f"{'are' if copied > 1 else 'is'} the same photograph as one of a reference.",
    ]


def _share(value: float, interval: np.ndarray) -> str:
    within = "" if np.isnan(interval).any() else " [{:.1f}, {:.1f}]".format(*(100 * interval))
    return f"{100 * value:.1f} %{within}"


def _beside(own: np.ndarray, null: np.ndarray) -> str:
    if np.isnan([*own, *null]).any():
        return "There is no interval to compare them by."
    if own[0] > null[1]:
        return "That is more than the null's, intervals apart."
    if own[1] < null[0]:
        return "That is less than the null's, intervals apart."
    return "The two intervals overlap."


def unmeasured(artifacts: Mapping[str, Path | str]) -> list[str]:
    """Why artifacts hold no measure, a sentence for each reason; artifacts: what they measure → file."""
    reasons: dict[str, list[str]] = {}
    for name, path in artifacts.items():
        if reason := attributes_of(path).get("unmeasured"):
            reasons.setdefault(str(reason), []).append(name)
    return [f"{', '.join(names)}: {reason}" for reason, names in reasons.items()]


def unmeasured_attributes(sets: pd.DataFrame) -> list[str]:
    """The same of attributes; sets: the CSV `sets` of `attributes.comparison`."""
    lines = sets[sets["unmeasured"].notna()] if "unmeasured" in sets else sets.head(0)
    return [f"attributes of {line.faceset}: {line.unmeasured}" for line in lines.itertuples()]
