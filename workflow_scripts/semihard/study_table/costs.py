"""What the stages of a study took: a table by rule, from the run records."""

import csv
from collections.abc import Iterable, Sequence
from pathlib import Path

from semihard.storage.atomic import atomic_path
from semihard.storage.run_records import Record, Records

COLUMNS = ("rule", "jobs", "attempts_lost", "wall_s", "cpu_s", "peak_memory_gb", "gpu_s", "energy_wh")
NOTES = (
    "what the jobs took whose results the study has, interrupted attempts included; attempts_lost were killed, and nobody "
    "knows what they took; of times, the file differs from run to run",
    "wall_s: sum over jobs, some of which ran at once; peak_memory_gb: of the largest process of any job; gpu_s: wall time by "
    "GPUs held; energy_wh: of those GPUs alone, by NVML, whatever else ran on them; empty where nothing tells",
)


def count_costs(targets: Iterable[str], results: Path | str, output: Path | str) -> None:
    """Write the CSV: a line per rule whose jobs `targets`, the paths of what the study delivers, are made of, the longest
    first, and one of all together.

    results: the folder of results, with its records. What has no record, made before there were any, is counted in a note.
    """
    records, targets = Records(results), list(targets)
    jobs = records.ancestors(targets)
    by_rule: dict[str, list[Record]] = {}
    for job in jobs:
        by_rule.setdefault(job.rule, []).append(job)
    lines = [_line(rule, of_rule) for rule, of_rule in by_rule.items()]
    lines.sort(key=lambda line: (-line["wall_s"], line["rule"]))
    lines.append(_line("all", jobs))
    inside = {state.path for job in jobs for state in job.read if records.is_inside(state.path)}
    unknown = [path for path in sorted(inside | set(targets)) if records.maker(path) is None]
    notes = [*NOTES, *([f"not counted, for want of a record: what made {len(unknown)} files"] if unknown else [])]
    with atomic_path(output) as temporary, temporary.open("w", encoding="utf-8", newline="") as file:
        file.writelines(f"# {note}\n" for note in notes)
        table = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        table.writeheader()
        table.writerows(lines)


def _line(rule: str, jobs: Sequence[Record]) -> dict[str, object]:
    line: dict[str, object] = {"rule": rule, "jobs": len(jobs), "attempts_lost": sum(job.lost_attempts for job in jobs)}
    line |= {name: round(_sum(jobs, name) or 0, 1) for name in ("wall_s", "cpu_s", "gpu_s")}
    peaks = [attempt["peak_memory_bytes"] for job in jobs for attempt in job.known_attempts]
    energy = _sum(jobs, "energy_j")
    line["peak_memory_gb"] = round(max(peaks, default=0) / 1e9, 2)
    return line | {"energy_wh": "" if energy is None else round(energy / 3600, 2)}


def _sum(jobs: Sequence[Record], name: str) -> float | None:
    known = [attempt[name] for job in jobs for attempt in job.known_attempts if attempt[name] is not None]
    return sum(known) if known else None
