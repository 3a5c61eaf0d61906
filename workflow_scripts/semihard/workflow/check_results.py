"""Are the results whole? Every file of a folder of results against what its record says, each read once.

PYTHONPATH=workflow_scripts python -m semihard.workflow.check_results results/demo
"""

import argparse
import shlex
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from semihard.compute.progress import progress
from semihard.errors import InputError
from semihard.storage.checksum import files_in, sha256_of, sha256_of_folder
from semihard.storage.run_records import FOLDER, FileState, Record, Records
from semihard.workflow.readable import Found, State, look_at
from semihard.workflow.run_record import Digests

DEMO = "results/demo"  # of config.yaml, which needs no --configfile
NAMED_AT_MOST = 10


@dataclass
class Findings:
    """files, size: what is there and known, and its bytes; read: unknown files that are whole by their own checksums;
    damaged: a line each; unknown: files that no record has; foreign: those of them that are HDF5 files of somebody else;
    remarks: a line each, of what is no damage."""

    files: int = 0
    size: int = 0
    read: int = 0
    damaged: list[str] = field(default_factory=list)
    unknown: list[Path] = field(default_factory=list)
    foreign: list[Path] = field(default_factory=list)
    unfinished: list[Path] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)
    is_recorded: bool = True


def check_results(results: Path | str) -> Findings:
    """Read every file of a folder of results, and what its records name elsewhere (downloads), where it is there."""
    records, findings = Records(results), Findings()
    findings.damaged += records.damaged
    findings.is_recorded = bool(records.records or records.damaged)
    outputs = {state.path: (record, state) for record in records.records for state in record.outputs.values()}
    known = {records.located(path) for path in outputs}
    rest = [path for path in files_in(results).values() if not known & {path, *path.parents}]
    with progress("check", len(outputs) + len(rest), "files") as advance:
        for path, (record, state) in sorted(outputs.items()):
            place = records.located(path)
            advance(1, place.name)
            if not records.is_inside(path) and not place.exists():  # of results that were moved
                continue
            if found := wrong(place, state, record.files.get(path, {})):
                advice = _advice(found, place, path, record, records.before)
                findings.damaged.append(f"{place}: {found.said}{advice}")
            else:
                findings.files, findings.size = findings.files + 1, findings.size + state.size
        for path in rest:
            advance(1, path.name)
            _without_record(path, path.relative_to(results).parts[0], findings)
        _compare_inputs(records, findings)
    return findings


def wrong(place: Path, state: FileState, files: dict[str, str]) -> Found | None:
    """What is wrong with a file or folder that a job made; None where nothing is. files: digests of those of a folder."""
    if not place.exists():
        return Found(State.DAMAGED, "is not there")
    if state.kind == "folder":
        digest, own = sha256_of_folder(place)
        changed = sorted(name for name in {*own, *files} if own.get(name) != files.get(name)) if files else []
        which = f" ({', '.join(changed[:3])})" if changed else ""
        same = digest == state.sha256
        return None if same else Found(State.DAMAGED, f"its files are not those that were made{which}")
    if (size := place.stat().st_size) != state.size:
        return Found(State.DAMAGED, f"has {size:,} bytes, {state.size:,} were written")
    if sha256_of(place) != state.sha256:
        return Found(State.DAMAGED, "its bytes have changed since they were written")
    found = look_at(place, whole=False)
    return found if found.said else None


def _advice(found: Found, place: Path, path: str, record: Record, results: str) -> str:
    if found.state is State.NEWER:
        return "; check it with that version"
    configfile = "" if results == DEMO else "--configfile YOUR_STUDY.yaml "
    again = f"; to make it again: snakemake --cores all {configfile}--force -- {shlex.quote(path)}"
    return again if place.exists() else f"{again}; if it is not wanted any more, delete {record.file}"


def _without_record(path: Path, first: str, findings: Findings) -> None:
    """Of a file that no record has; first: what it lies in, in the results."""
    if first in ("logs", FOLDER):
        return
    if unfinished := next((folder for folder in path.parents if ".resume" in folder.suffixes), None):
        findings.unfinished += [] if unfinished in findings.unfinished else [unfinished]
        return
    findings.unknown.append(path)
    found = look_at(path, whole=True)
    findings.read += found.state is State.WHOLE
    if found.state is State.FOREIGN:
        findings.foreign.append(path)
    elif found.state is State.NEWER:
        findings.damaged.append(f"{path}: {found.said}; check it with that version")
    elif found.said:
        findings.damaged.append(
            f"{path}: {found.said}; no record says how it was made; unless it is yours, delete it and run again"
        )


def _compare_inputs(records: Records, findings: Findings) -> None:
    """What jobs have read against what is there now: another version is a remark, nothing at all is missing."""
    read: dict[str, list[tuple[str, FileState]]] = {}
    for record in records.records:
        made = [path for path in record.outputs if records.maker(path) is record]
        for state in record.read if made else ():
            read.setdefault(state.path, []).append((made[0], state))
    digests = Digests(lambda: records)
    for path, readers in sorted(read.items()):
        place, maker = records.located(path), records.maker(path)
        if not place.exists():
            if records.is_inside(path) and maker is None:
                of = ", ".join(sorted({str(records.maker(output).file) for output, _ in readers}))
                findings.damaged.append(
                    f"{place}: is not there, and no record says how it was made; it was read by {of}"
                )
            continue
        recorded = maker and maker.outputs.get(path)
        if maker and not recorded:  # in a folder that a job made, and compared as such
            continue
        try:
            now = (recorded or digests.of(str(place), readers[0][1].kind == "listing")).sha256
        except OSError as error:
            findings.damaged.append(f"{place}: cannot be read ({error.strerror}); make it readable")
            continue
        if others := sorted({str(records.located(output)) for output, state in readers if state.sha256 != now}):
            findings.remarks.append(f"{_some(others, 3)}: made of another version of {place}")


def _some(names: Iterable[object], at_most: int) -> str:
    """Names, of many the first and how many more there are."""
    names = list(map(str, names))
    more = f" and {len(names) - at_most} more" if len(names) > at_most else ""
    return ", ".join(names[:at_most]) + more


def main(arguments: Sequence[str] | None = None) -> None:
    """Check a folder of results; status 1 where something is damaged, or nothing could be checked."""
    parser = argparse.ArgumentParser(description="Read every file of a folder of results: is all as it was made?")
    parser.add_argument("results", help="such as results/demo")
    parser.add_argument("--list", action="store_true", help="name every file that no record has")
    given = parser.parse_args(arguments)
    try:
        report(given.results, None if given.list else NAMED_AT_MOST)
    except InputError as error:
        sys.exit(str(error))


def report(results: str, at_most: int | None = NAMED_AT_MOST) -> None:
    """Check a folder of results and print what was found. at_most: names of files that no record has; None for all.

    Raises InputError where something is damaged or missing, or nothing could be checked.
    """
    if not results:
        raise InputError(f"no folder of results is named, expected one; name it: make check_results RESULTS={DEMO}")
    if not Path(results).is_dir():
        raise InputError(f"{results}: not found, expected a folder of results")
    found = check_results(results)
    for line in found.damaged:
        print(line)
    if found.unknown:
        more = "" if at_most is None or len(found.unknown) <= at_most else " (--list names them)"
        whole = f"; whole by their own checksums: {found.read}" if found.read else ""
        named = _some(found.unknown, at_most or len(found.unknown))
        print(f"{len(found.unknown)} files that no record has, which is no mistake: {named}{more}{whole}")
    if found.foreign:
        print(f"{_some(found.foreign, NAMED_AT_MOST)}: no artifacts of this workflow, not read")
    for folder in found.unfinished:
        print(f"{folder}: of a job that has not ended")
    for line in found.remarks:
        print(line)
    size = f"{found.files} files, {found.size / 1e9:.3g} GB"
    if found.damaged:
        raise InputError(f"{len(found.damaged)} damaged, missing or of another version; {size} as recorded")
    if not found.is_recorded:
        but = f" but the {found.read} files that have checksums of their own" if found.read else ""
        raise InputError(f"nothing is recorded in {Path(results, FOLDER)}, so nothing could be checked{but}")
    print(f"{size}, all as recorded")


if __name__ == "__main__":
    main()
