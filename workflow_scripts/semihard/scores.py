"""The study table: accuracy per benchmark, their average, its spread over seeds, its interval, and the gap to real.

All numbers are percent. AVG is the mean over the benchmarks that every line has, of the mean over seeds.

    gap_to_real_points   = AVG(real) − AVG                  (CemiFace, NeurIPS 2024, Table 6)
    gap_to_real_relative = (AVG(real) − AVG) / AVG · 100    (DCFace, CVPR 2023, main paper; its supplement divides by real)
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from semihard.artifacts import read_artifact, write_artifact
from semihard.atomic import atomic_path
from semihard.errors import InputError
from semihard.provenance import Provenance

RESAMPLES = 10_000
HEADER = (
    "# accuracies in percent; AVG: mean over the benchmarks every line has; AVG_sd: sample standard deviation over seeds; "
    "AVG_low, AVG_high: 95 % percentile interval of a bootstrap over pairs\n"
    "# gap_to_real_points = AVG(gap_reference) - AVG; gap_to_real_relative = (AVG(gap_reference) - AVG) / AVG * 100\n"
)


@dataclass(frozen=True)
class Row:
    """One verification: its line of the table, what was verified, and where the artifact "verification" is.

    seed: None for a reference embedder, which is verified once and has no face set.
    """

    label: str
    faceset: str
    recognizer: str
    seed: int | None
    benchmark: str
    path: str


def score_study(
    rows: Sequence[Row],
    real: str,
    output_csv: Path | str,
    output_h5: Path | str,
    provenance: Provenance | None = None,
) -> None:
    """Write the study table as CSV (formulas in its first lines) and as the artifact "scores".

    real: the face set that gaps refer to, with the same recognizer where there is such a line, else its first line;
    the column gap_reference names it. Reference embedders have no gap. Raises InputError where no benchmark is common
    to all lines.
    """
    accuracy, right = {}, {}
    for row in rows:
        found = read_artifact(row.path, "verification")
        key = (row.label, row.benchmark, -1 if row.seed is None else row.seed)
        accuracy[key] = 100 * found["accuracy"].mean()
        right[key] = (found["distance"] < found["threshold"][found["fold"]]) == found["same"]
    lines = list(dict.fromkeys((row.label, row.faceset, row.recognizer) for row in rows))
    benchmarks = list(dict.fromkeys(row.benchmark for row in rows))
    seeds = sorted({seed for _, _, seed in accuracy})
    cube = np.array([[[accuracy.get((line[0], b, s), np.nan) for s in seeds] for b in benchmarks] for line in lines])
    common = ~np.isnan(cube).all(2).any(0)
    if not common.any():
        raise InputError(
            "no benchmark is common to all lines of the study, so there is no average; add one to `benchmarks`"
        )

    table = []
    for (label, faceset, recognizer), values in zip(lines, cube, strict=True):
        used = [seed for seed, found in zip(seeds, (~np.isnan(values)).any(0), strict=True) if found]
        per_seed = values[common][:, [seeds.index(seed) for seed in used]].mean(0)
        pairs = [
            np.mean([right[label, b, seed] for seed in used], 0)
            for b, enters in zip(benchmarks, common, strict=True)
            if enters
        ]
        low, high = bootstrap_interval(pairs)
        of_benchmark = {
            b: np.nan if np.isnan(v).all() else np.nanmean(v) for b, v in zip(benchmarks, values, strict=True)
        }
        average = {"AVG": per_seed.mean(), "AVG_sd": per_seed.std(ddof=1) if len(used) > 1 else np.nan}
        names = {"label": label, "faceset": faceset, "recognizer": recognizer}
        text = " ".join(str(seed) for seed in used if seed >= 0)
        table.append(names | {"seeds": text} | of_benchmark | average | {"AVG_low": low, "AVG_high": high})
    frame = _with_gaps(pd.DataFrame(table), real)

    data = {name: frame[name].tolist() for name in ("label", "faceset", "recognizer")}
    data |= {"benchmark": benchmarks, "averaged": common, "seed": np.array(seeds), "accuracy": cube}
    data |= {"average": frame["AVG"].to_numpy(), "interval": frame[["AVG_low", "AVG_high"]].to_numpy()}
    write_artifact(output_h5, "scores", data, provenance)
    with atomic_path(output_csv) as temporary:
        temporary.write_text(HEADER + frame.to_csv(index=False, float_format="%.4f"))


def bootstrap_interval(benchmarks: Sequence[np.ndarray], resamples: int = RESAMPLES) -> tuple[float, float]:
    """95 % percentile interval, in percent, of the mean over benchmarks of the mean over pairs.

    benchmarks: per benchmark `[P]`, the share of seeds that judged each pair rightly. Pairs are drawn with replacement
    within each benchmark, the same pairs for all seeds. The draw is of the number of pairs of each share: exact and fast.
    """
    random = np.random.default_rng(0)
    means = np.zeros(resamples)
    for shares in benchmarks:
        level, count = np.unique(shares, return_counts=True)
        means += random.multinomial(len(shares), count / len(shares), resamples) @ level / len(shares)
    low, high = np.percentile(100 * means / len(benchmarks), [2.5, 97.5])
    return float(low), float(high)


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
