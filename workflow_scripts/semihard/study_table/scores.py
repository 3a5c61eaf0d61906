"""The study table: accuracy per benchmark, their average, its spread over seeds, its interval, and the gap to real.

All numbers are percent. AVG is the mean over the study's benchmarks of the mean over seeds, of the last epoch.

    gap_to_real_points   = AVG(real) − AVG                  (CemiFace, NeurIPS 2024, Table 6)
    gap_to_real_relative = (AVG(real) − AVG) / AVG · 100    (DCFace, CVPR 2023, main paper; its supplement divides by real)
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

import numpy as np
import pandas as pd

from semihard.storage import schemas
from semihard.storage.artifacts import kind_of, read_artifact, read_attributes, write_artifact
from semihard.storage.atomic import atomic_path
from semihard.storage.faceset import FaceSet
from semihard.storage.provenance import Provenance
from semihard.study_table.face_sets import COUNTS, count_faces, read_fidelity
from semihard.study_table.formats import write_latex, write_markdown
from semihard.study_table.published import PUBLISHED
from semihard.verification.protocol import mcnemar

RESAMPLES = 10_000
TEMPLATE_FAR = "0.0001"  # what IJB-B and IJB-C are quoted at
NOTES = (
    "accuracies in percent; AVG: mean over the study's benchmarks; AVG_sd: sample standard deviation over seeds; "
    "AVG_low, AVG_high: 95 % percentile interval of a bootstrap over pairs; ± (fold_sd): of a benchmark, population standard "
    "deviation over the folds, mean over seeds; of AVG, over seeds; the last epoch is the result",
    "gap_to_real_points = AVG(gap_reference) - AVG; gap_to_real_relative = (AVG(gap_reference) - AVG) / AVG * 100; gap_low, "
    "gap_high: 95 % percentile interval of gap_to_real_points, of a bootstrap over pairs, the same pairs for both lines",
)
BEST_EPOCH = (
    "best_epoch, best_epoch_AVG: of each seed the single epoch with the highest AVG, chosen on the test sets: no result"
)
FIDELITY = (
    "frechet_distance, precision, recall, density, coverage: of the face set against one half of the real one, on unit "
    "embeddings or Inception features; null: the same between the two halves of the real set"
)
COPIES = (
    "inquiry_copies: images of the inquiries that a recognizer is trained on as well; they are not among the images, and "
    "no measure of a face set counts them"
)
MCNEMAR = (
    "# McNemar's exact test, two-sided, of every two lines, on all pairs of the averaged benchmarks; seed {seed} alone.\n"
    "# A low p says that these two networks differ, not that their training sets do: that takes several seeds.\n"
)
PAPER_STYLE = (
    "…_best_of_epochs, best_of_epochs_AVG: each benchmark's highest accuracy over the epochs, whichever epoch that is, chosen "
    "on the test sets, as some papers print it: not a result"
)


@dataclass(frozen=True)
class Row:
    """One verification: its line of the table, what was verified, and where the artifact is.

    seed: None for a reference embedder, which is verified once and has no face set; path: artifact "verification" or
    "template_verification"; epochs: artifact "epochs" of the same recognizer and benchmark, where epochs were kept.
    """

    label: str
    faceset: str
    recognizer: str
    seed: int | None
    benchmark: str
    path: str
    epochs: str | None = None


@dataclass(frozen=True)
class Outputs:
    """Where the table goes: CSV (formulas in its first lines), Markdown, LaTeX, the artifact "scores", and the paired
    tests of every two lines."""

    csv: Path | str
    markdown: Path | str
    latex: Path | str
    h5: Path | str
    mcnemar: Path | str


@dataclass(frozen=True)
class _LineNumbers:
    """What the verifications of one line say: accuracy and fold sd in percent by (benchmark, seed), right pairs, epochs;
    shared: by benchmark, how many of its identities are in the training set."""

    accuracy: dict
    fold_sd: dict
    right: dict
    epochs: dict
    shared: dict


def score_study(
    rows: Sequence[Row],
    real: str,
    averaged: Sequence[str],
    outputs: Outputs,
    provenance: Provenance | None = None,
    published: Sequence[str] = (),
    paper_style: bool = False,
    fidelities: Mapping[str, str] = MappingProxyType({}),
    facesets: Mapping[str, str] = MappingProxyType({}),
) -> None:
    """Write the study table.

    real: the face set that gaps refer to, with the same recognizer where there is such a line, else its first line;
    the column gap_reference names it. Reference embedders have no gap. averaged: the benchmarks that enter AVG (templates
    have no accuracy and never do); published: groups of `PUBLISHED` shown below, marked with their source;
    paper_style: also the per-benchmark maximum over the epochs kept; fidelities: face set → artifact "fidelity", whose
    measures and nulls are columns; facesets: face set → its file, whose images are counted.
    """
    lines = list(dict.fromkeys((row.label, row.faceset, row.recognizer) for row in rows))
    benchmarks = list(dict.fromkeys(row.benchmark for row in rows))
    numbers = {line[0]: _read([row for row in rows if row.label == line[0]]) for line in lines}
    averaged = [name for name in averaged if all(name in {b for b, _ in f.fold_sd} for f in numbers.values())]
    counts = {faceset: count_faces(FaceSet(path)) for faceset, path in facesets.items()}
    unknown = dict.fromkeys(COUNTS) if counts else {}
    table = []
    for label, faceset, recognizer in lines:
        used = sorted({seed for _, seed in numbers[label].accuracy})
        line = {"label": label, "faceset": faceset, "recognizer": recognizer} | counts.get(faceset, unknown)
        line["seeds"] = " ".join(str(seed) for seed in used if seed >= 0)
        table.append(line | _numbers(numbers[label], benchmarks, averaged, used, paper_style))
    frame = _with_gap_intervals(_with_gaps(pd.DataFrame(table), real), numbers, averaged)
    measured = {faceset: read_fidelity(path) for faceset, path in fidelities.items()}
    frame = frame.join(pd.DataFrame([measured.get(faceset, {}) for faceset in frame["faceset"]], index=frame.index))
    kept = any(f.epochs for f in numbers.values())
    notes = [*NOTES, *([BEST_EPOCH] if kept else []), *([PAPER_STYLE] if kept and paper_style else [])]
    notes += [FIDELITY] if measured else []
    notes += [COPIES] if any(count["inquiry_copies"] for count in counts.values()) else []
    notes += [
        f"{label} on {name}: no result, {count} identities of the benchmark are in its training set"
        for label, each in numbers.items()
        for name, count in each.shared.items()
    ]
    if templates := set(benchmarks) - {name for f in numbers.values() for name, _ in f.fold_sd}:
        frame = frame.drop(columns=[f"{name}_fold_sd" for name in templates])
        notes.append(
            f"{', '.join(sorted(templates))}: true accept rate in percent at the false accept rate {TEMPLATE_FAR}, empty where "
            "the impostor pairs are too few"
        )
    full = pd.concat([frame, _published(published, benchmarks)], ignore_index=True)
    full = full.astype({name: "Int64" for name in COUNTS if name in full})  # lines of papers have none

    seeds = sorted({seed for f in numbers.values() for _, seed in f.accuracy})
    cube = [[[numbers[line[0]].accuracy.get((b, s), np.nan) for s in seeds] for b in benchmarks] for line in lines]
    data = {name: frame[name].tolist() for name in ("label", "faceset", "recognizer")}
    data |= {"benchmark": benchmarks, "averaged": np.isin(benchmarks, averaged), "seed": np.array(seeds)}
    data |= {"accuracy": np.array(cube), "average": frame["AVG"].to_numpy()}
    data |= {"interval": frame[["AVG_low", "AVG_high"]].to_numpy()}
    write_artifact(outputs.h5, schemas.SCORES, data, provenance)
    with atomic_path(outputs.csv) as temporary:
        text = "".join(f"# {note}\n" for note in notes)
        temporary.write_text(text + full.to_csv(index=False, float_format="%.4f"), encoding="utf-8")
    write_markdown(outputs.markdown, full, benchmarks, notes)
    write_latex(outputs.latex, full, benchmarks, notes)
    compare_lines(numbers, averaged, outputs.mcnemar)


def _read(rows: Sequence[Row]) -> _LineNumbers:
    numbers = _LineNumbers({}, {}, {}, {}, {})
    for row in rows:
        key = (row.benchmark, -1 if row.seed is None else row.seed)
        if kind_of(row.path) == schemas.TEMPLATE_VERIFICATION.kind:
            rate = read_attributes(row.path, schemas.TEMPLATE_VERIFICATION)[f"tar_at_far_{TEMPLATE_FAR}"]
            numbers.accuracy[key] = 100 * rate
            continue
        result = read_artifact(row.path, schemas.VERIFICATION)
        if shared := int(read_attributes(row.path, schemas.VERIFICATION).get("shared_identities", 0)):
            numbers.shared[row.benchmark] = shared
        numbers.accuracy[key] = 100 * result["accuracy"].mean()
        numbers.fold_sd[key] = 100 * result["accuracy"].std()
        numbers.right[key] = (result["distance"] < result["threshold"][result["fold"]]) == result["same"]
        if row.epochs:
            epochs = read_artifact(row.epochs, schemas.EPOCHS)
            numbers.epochs[key] = dict(zip(epochs["epoch"].tolist(), 100 * epochs["accuracy"].mean(1), strict=True))
    return numbers


def _numbers(
    numbers: _LineNumbers, benchmarks: Sequence[str], averaged: Sequence[str], seeds: Sequence[int], paper_style: bool
) -> dict:
    """The columns of one line from its benchmarks on."""
    line: dict[str, object] = {}
    for name in benchmarks:
        for column, values in ((name, numbers.accuracy), (f"{name}_fold_sd", numbers.fold_sd)):
            line[column] = np.mean([values[name, s] for s in seeds]) if (name, seeds[0]) in values else np.nan
    if not averaged:
        return line | dict.fromkeys(("AVG", "AVG_sd", "AVG_low", "AVG_high"), np.nan)
    per_seed = np.array([np.mean([numbers.accuracy[name, s] for name in averaged]) for s in seeds])
    low, high = bootstrap_interval(_shares_right(numbers, averaged))
    line |= {"AVG": per_seed.mean(), "AVG_sd": per_seed.std(ddof=1) if len(seeds) > 1 else np.nan}
    line |= {"AVG_low": low, "AVG_high": high}
    if numbers.epochs:
        curves = {s: pd.DataFrame({name: numbers.epochs[name, s] for name in averaged}) for s in seeds}
        best = {s: curve.mean(axis=1) for s, curve in curves.items()}
        line["best_epoch"] = " ".join(str(curve.idxmax()) for curve in best.values())
        line["best_epoch_AVG"] = np.mean([curve.max() for curve in best.values()])
        if paper_style:
            highest = pd.DataFrame({s: curve.max() for s, curve in curves.items()}).mean(axis=1)
            line |= {f"{name}_best_of_epochs": value for name, value in highest.items()}
            line["best_of_epochs_AVG"] = highest.mean()
    return line


def _published(groups: Sequence[str], benchmarks: Sequence[str]) -> pd.DataFrame:
    """Lines of papers: label, source, AVG as printed, and the accuracies on the benchmarks that the table has."""
    lines = [line for group in groups for line in PUBLISHED[group]]
    lines = [line for line in lines if line.average is not None or set(line.accuracy) & set(benchmarks)]
    return pd.DataFrame(
        [
            {"label": f"{line.label} (published)", "published": line.source, "AVG": line.average}
            | {name: line.accuracy[name] for name in benchmarks if name in line.accuracy}
            for line in lines
        ]
    )


def bootstrap_interval(benchmarks: Sequence[np.ndarray], resamples: int = RESAMPLES) -> tuple[float, float]:
    """95 % percentile interval, in percent, of the mean over benchmarks of the mean over pairs.

    benchmarks: per benchmark `[P]`, the share of seeds that judged each pair rightly, or the difference of two lines' shares.
    Pairs are drawn with replacement within each benchmark, the same pairs for all seeds. The draw is of the number of pairs of
    each share: exact and fast.
    """
    random = np.random.default_rng(0)
    means = np.zeros(resamples)
    for shares in benchmarks:
        level, count = np.unique(shares, return_counts=True)
        means += random.multinomial(len(shares), count / len(shares), resamples) @ level / len(shares)
    low, high = np.percentile(100 * means / len(benchmarks), [2.5, 97.5])
    return float(low), float(high)


def compare_lines(numbers: dict[str, _LineNumbers], averaged: Sequence[str], output: Path | str) -> None:
    """Write McNemar's test of every two lines, over the pairs of all averaged benchmarks, the first seed of each.

    CSV: first, second, pairs, only_first_right, only_second_right, p (exact, two-sided). A low p says that the two
    networks differ, not that their training sets do: that takes several seeds.
    """
    right = {
        label: np.concatenate([line.right[name, min(s for _, s in line.right)] for name in averaged])
        for label, line in numbers.items()
        if averaged
    }
    labels, table = list(right), []
    for i, first in enumerate(labels):
        for second in labels[i + 1 :]:
            test = mcnemar(right[first], right[second])
            table.append(
                {"first": first, "second": second, "pairs": len(right[first]), "only_first_right": test.only_a,
                 "only_second_right": test.only_b, "p": test.p}
            )  # fmt: skip
    seeds = sorted({min(s for _, s in line.right) for line in numbers.values() if line.right} - {-1})
    with atomic_path(output) as temporary, temporary.open("w", encoding="utf-8") as file:
        file.write(MCNEMAR.format(seed=seeds[0] if seeds else "none"))
        columns = ["first", "second", "pairs", "only_first_right", "only_second_right", "p"]
        pd.DataFrame(table, columns=columns).to_csv(file, index=False, float_format="%.4g")


def _with_gaps(frame: pd.DataFrame, real: str) -> pd.DataFrame:
    """The table with gap_to_real_points, gap_to_real_relative and gap_reference, the label of the real line."""
    reals = frame[frame["faceset"] == real].drop_duplicates("recognizer").set_index("recognizer")
    trained = frame["faceset"] != ""
    chosen = frame["recognizer"].where(frame["recognizer"].isin(reals.index), reals.index[0] if len(reals) else None)
    chosen = chosen.where(trained)
    gap = chosen.map(reals["AVG"]) - frame["AVG"]
    return frame.assign(
        gap_to_real_points=gap, gap_to_real_relative=100 * gap / frame["AVG"], gap_reference=chosen.map(reals["label"])
    )


def _shares_right(numbers: _LineNumbers, averaged: Sequence[str]) -> list[np.ndarray]:
    """Of every averaged benchmark `[P]`, the share of the line's seeds that judged each pair rightly."""
    seeds = sorted({seed for _, seed in numbers.right})
    return [np.mean([numbers.right[name, seed] for seed in seeds], 0) for name in averaged]


def _with_gap_intervals(
    frame: pd.DataFrame, numbers: Mapping[str, _LineNumbers], averaged: Sequence[str]
) -> pd.DataFrame:
    """The table with gap_low and gap_high; NaN where a line is its own reference or has none."""
    intervals = []
    for label, reference in zip(frame["label"], frame["gap_reference"], strict=True):
        if not averaged or pd.isna(reference) or reference == label:
            intervals.append((np.nan, np.nan))
            continue
        both = (_shares_right(numbers[name], averaged) for name in (reference, label))
        intervals.append(bootstrap_interval([real - own for real, own in zip(*both, strict=True)]))
    place = frame.columns.get_loc("gap_to_real_points") + 1
    for offset, (name, values) in enumerate(zip(("gap_low", "gap_high"), zip(*intervals, strict=True), strict=True)):
        frame.insert(place + offset, name, np.array(values, float))
    return frame
