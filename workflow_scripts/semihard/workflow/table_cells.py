"""Which verifications a line, a column or one number of the study table is made of."""

import re

from semihard.errors import InputError
from semihard.storage.run_records import Record

AVERAGE = ("AVG", "AVG_sd", "AVG_low", "AVG_high", "average", "interval")
GAPS = ("gap_to_real_points", "gap_to_real_relative", "gap_reference")
EPOCHS = ("best_epoch", "best_epoch_AVG", "best_of_epochs_AVG")
COUNTS = ("identities", "images", "inquiry_copies")
FIDELITY = re.compile("(frechet_distance|precision|recall|density|coverage)_")


def inputs_of(record: Record, row: str | None, column: str | None) -> set[str]:
    """The inputs of the job that made the study table which enter a line (its label), a column, or the number in both.

    Raises InputError where `record` is of another rule, or its table has no such line or column.
    """
    if not record.rule.endswith("score_study"):
        raise InputError(f"{record.rule}: lines and columns are told apart of the study table alone (study/scores.*)")
    about = record.values["settings"]
    runs = [run for run in about["runs"] if row in (None, run["label"])]
    if not runs:
        labels = ", ".join(dict.fromkeys(run["label"] for run in about["runs"]))
        raise InputError(f"the study table has no line {row!r} that a job made; it has {labels}")
    facesets = {run["faceset"] for run in runs}
    if column is None:
        return {run[which] for run in runs for which in ("path", "epochs") if run[which]} | {
            about[which][name] for which in ("fidelities", "facesets") for name in facesets & set(about[which])
        }
    if column in COUNTS or FIDELITY.match(column):
        files = about["facesets" if column in COUNTS else "fidelities"]
        return {files[name] for name in facesets & set(files)}
    if column in GAPS:
        runs += _reference_of(runs, about)
    if column in (*AVERAGE, *GAPS):
        return {run["path"] for run in runs if run["benchmark"] in about["averaged"]}
    if column in EPOCHS:
        return {run["epochs"] for run in runs if run["benchmark"] in about["averaged"] and run["epochs"]}
    benchmarks = dict.fromkeys(run["benchmark"] for run in about["runs"])
    for ending, which in (("", "path"), ("_fold_sd", "path"), ("_best_of_epochs", "epochs")):
        if column in {f"{name}{ending}" for name in benchmarks}:
            return {run[which] for run in runs if f"{run['benchmark']}{ending}" == column and run[which]}
    known = (*benchmarks, "AVG", GAPS[0], EPOCHS[0], *COUNTS, "frechet_distance_…")
    raise InputError(f"no job made a column {column!r} of the study table; there are {', '.join(known)}")


def _reference_of(runs: list[dict], about: dict) -> list[dict]:
    """The verifications of the lines that gaps refer to: of the same recognizer, else the first (study_table.scores)."""
    of_real = [run for run in about["runs"] if run["faceset"] == about["real"]]
    recognizers = {run["recognizer"] for run in runs}
    return [run for run in of_real if run["recognizer"] in recognizers] or [
        run for run in of_real if run["label"] == of_real[0]["label"]
    ]
