"""Are the results whole? Every file of a folder of results against what its record says, each read once.

PYTHONPATH=workflow_scripts python -m semihard.workflow.check_results results/demo
"""

import argparse
import shlex
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import h5py
from safetensors import SafetensorError, safe_open

from semihard.compute.progress import progress
from semihard.storage.checksum import files_in, sha256_of, sha256_of_folder
from semihard.storage.run_records import FOLDER, FileState, Records
from semihard.storage.schemas import all_schemas

VERSIONS = {schema.kind: schema.version for schema in all_schemas()}
ROWS_AT_ONCE = 4096
NAMED_AT_MOST = 10


@dataclass
class Findings:
    """files, size: what is there and known, and its bytes; damaged: a line each; unknown: files that no record has."""

    files: int = 0
    size: int = 0
    damaged: list[str] = field(default_factory=list)
    unknown: list[Path] = field(default_factory=list)
    unfinished: list[Path] = field(default_factory=list)


def check_results(results: Path | str) -> Findings:
    """Read every file of a folder of results, and what its records name elsewhere (downloads), where it is there."""
    records, findings = Records(results), Findings()
    findings.damaged += records.damaged
    outputs = {state.path: (record, state) for record in records.records for state in record.outputs.values()}
    known = {records.located(path) for path in outputs}
    rest = [path for path in files_in(results).values() if not known & {path, *path.parents}]
    with progress("check", len(outputs) + len(rest), "files") as advance:
        for path, (record, state) in sorted(outputs.items()):
            place = records.located(path)
            if not records.is_inside(path) and not place.exists():  # of results that were moved
                continue
            if problem := wrong(place, state, record.files.get(path, {})):
                again = f"snakemake --cores all --force -- {shlex.quote(path)}"
                gone = "" if place.exists() else f"; if it is not wanted any more, delete {record.file}"
                findings.damaged.append(f"{place}: {problem}; to make it again: {again}{gone}")
            else:
                findings.files, findings.size = findings.files + 1, findings.size + state.size
            advance(1, place.name)
        for path in rest:
            inside = path.relative_to(results).parts
            advance(1, path.name)
            if inside[0] in ("logs", FOLDER):
                continue
            if unfinished := next((part for part in path.parents if ".resume" in part.suffixes), None):
                findings.unfinished += [] if unfinished in findings.unfinished else [unfinished]
                continue
            findings.unknown.append(path)
            if problem := unreadable(path, whole=True):
                findings.damaged.append(f"{path}: {problem}; no record says how it was made: delete it and run again")
    return findings


def wrong(place: Path, state: FileState, files: dict[str, str]) -> str | None:
    """What is wrong with a file or folder that a job made; None where nothing is. files: digests of those of a folder."""
    if not place.exists():
        return "is not there"
    if state.kind == "folder":
        digest, own = sha256_of_folder(place)
        changed = sorted(name for name in {*own, *files} if own.get(name) != files.get(name)) if files else []
        which = f" ({', '.join(changed[:3])})" if changed else ""
        return None if digest == state.sha256 else f"its files are not those that were made{which}"
    if (size := place.stat().st_size) != state.size:
        return f"has {size:,} bytes, {state.size:,} were written"
    if sha256_of(place) != state.sha256:
        return "its bytes have changed since they were written"
    return unreadable(place, whole=False)


def unreadable(path: Path, whole: bool) -> str | None:
    """Why this version of the workflow cannot read an artifact; None where it can, and for other files. whole: all that has
    a checksum in it is read."""
    try:
        if path.suffix == ".safetensors":
            with safe_open(path, "np"):  # which knows how long the file must be
                return None
        if path.suffix != ".h5":
            return None
        with h5py.File(path) as h5:
            if problem := _of_another_version(h5):
                return problem
            for dataset in _checked(h5) if whole else ():
                for start in range(0, len(dataset), ROWS_AT_ONCE):
                    dataset[start : start + ROWS_AT_ONCE]
    except (OSError, SafetensorError) as error:
        return f"is damaged ({str(error).splitlines()[0]})"
    return None


def _of_another_version(h5: h5py.File) -> str | None:
    kind, version = h5.attrs.get("kind"), h5.attrs.get("schema")
    if kind not in VERSIONS:
        return f"is of a kind that this version does not know ({kind})"
    if version == VERSIONS[kind]:
        return None
    age = "a newer" if version > VERSIONS[kind] else "an older"
    return f"is of schema {version} of {kind!r}, written by {age} version; this one has {VERSIONS[kind]}"


def _checked(h5: h5py.File) -> Iterator[h5py.Dataset]:
    found: list[h5py.Dataset] = []
    h5.visititems(lambda _, item: found.append(item) if isinstance(item, h5py.Dataset) and item.fletcher32 else None)
    yield from found


def main(arguments: Sequence[str] | None = None) -> None:
    """Check a folder of results; status 1 where something is damaged."""
    parser = argparse.ArgumentParser(description="Read every file of a folder of results: is all as it was made?")
    parser.add_argument("results", help="such as results/demo")
    parser.add_argument("--list", action="store_true", help="name every file that no record has")
    given = parser.parse_args(arguments)
    if not Path(given.results).is_dir():
        sys.exit(f"{given.results}: not found, expected a folder of results")
    found = check_results(given.results)
    for line in found.damaged:
        print(line)
    if found.unknown:
        shown = found.unknown if given.list else found.unknown[:NAMED_AT_MOST]
        rest = len(found.unknown) - len(shown)
        more = f" and {rest} more (--list names them)" if rest else ""
        print(f"{len(found.unknown)} files that no record has, which is no mistake: {', '.join(map(str, shown))}{more}")
    for folder in found.unfinished:
        print(f"{folder}: of a job that has not ended")
    size = f"{found.files} files, {found.size / 1e9:.3g} GB"
    if found.damaged:
        sys.exit(f"{len(found.damaged)} damaged or missing; {size} as recorded")
    print(f"{size}, all as recorded" if found.files else f"no file is recorded: {given.results}/{FOLDER} is empty")


if __name__ == "__main__":
    main()
