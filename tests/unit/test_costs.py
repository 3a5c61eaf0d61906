"""What a study took, by rule: sums of its records, and of nothing else."""

import csv
import json
from pathlib import Path

import pytest

from semihard.study_table.costs import count_costs
from tests.unit.toy_study import FACES, RESULTS, RUNS, SCORES, make_study, run


@pytest.fixture(autouse=True)
def study(own_folder):
    """A finished study in the current folder."""
    make_study()


def record(rule: str, **values: object) -> None:
    """Make the records of a rule say this."""
    for file in Path(RESULTS, "provenance", rule).rglob("*.json"):
        file.write_text(json.dumps(json.loads(file.read_text()) | values))


def costs() -> tuple[dict[str, dict], str]:
    """The table by rule, and its notes."""
    count_costs([SCORES], RESULTS, "costs.csv")
    text = Path("costs.csv").read_text()
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    return {line["rule"]: line for line in csv.DictReader(lines)}, text


def test_attempts_add_up_peaks_do_not_and_other_studies_do_not_count():
    record("", wall_s=1.0)  # of every rule; else it is the age of the process that runs this test
    record("verify", wall_s=10.0, cpu_s=5.0, gpu_s=10.0, energy_j=3600.0, peak_memory_bytes=2 * 10**9)
    begun = {"started": "2026-01-01T00:00:00+00:00", "host": "here"}
    stopped = begun | {"wall_s": 7.0, "cpu_s": 1.0, "gpu_s": 7.0, "energy_j": None, "peak_memory_bytes": 4 * 10**9}
    record("train_recognizer", wall_s=1000.0, attempts=[begun, stopped])
    run("embed_faces", {"faces": FACES}, {"embeddings": f"{RESULTS}/e.h5"})  # which the table is not made of
    table, notes = costs()
    rules = list(table)
    assert rules[:2] == ["train_recognizer", "verify"] and rules[-1] == "all" and len(rules) == 5  # the longest first
    verify, train, total = table["verify"], table["train_recognizer"], table["all"]
    assert (verify["jobs"], verify["wall_s"], verify["gpu_s"], verify["energy_wh"]) == ("4", "40.0", "40.0", "4.0")
    assert (train["jobs"], train["attempts_lost"], train["wall_s"], train["peak_memory_gb"]) == (
        "1",
        "1",
        "1007.0",
        "4.0",
    )
    assert total["jobs"] == str(len(RUNS) + 3) and total["energy_wh"] == "4.0" and total["peak_memory_gb"] == "4.0"
    assert train["energy_wh"] == "" and "embed_faces" not in table and "want of a record" not in notes


def test_what_has_no_record_is_counted_in_a_note():
    Path(RESULTS, "provenance/import_faces/real.json").unlink()
    table, notes = costs()
    assert "import_faces" not in table and "not counted, for want of a record: what made 1 files" in notes
