"""How a number came to be: the jobs and files that an artifact is made of, down to the sources, as a tree.

PYTHONPATH=workflow_scripts python -m semihard.workflow.ancestry results/demo/study/scores.csv --row synthetic --column AVG
"""

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from semihard.errors import InputError
from semihard.storage.run_records import FileState, Record, Records, results_of
from semihard.workflow.run_record import Digests
from semihard.workflow.table_cells import inputs_of

DIGITS = 12
SETTINGS_AT_MOST, VALUE_AT_MOST = 100, 40
BRANCH, LAST, RUNG, GAP = "├─ ", "└─ ", "│  ", "   "


@dataclass
class Tree:
    """The ancestors of files, line by line; a job whose files more than one step reads is written out where it is met first."""

    records: Records
    written: dict[object, str] = field(default_factory=dict)  # file, or record of a job → the file that it stands at
    has_gaps: bool = False  # a file of the results whose record is not there, or cannot be read

    def lines(self, path: str, only: set[str] | None = None) -> Iterator[str]:
        """Of a file, by the path that records have of it. only: of what its job read, what is looked at."""
        yield from self._file(path, None, "", "", only)

    def _file(
        self, path: str, read: FileState | None, first: str, others: str, only: set[str] | None = None
    ) -> Iterator[str]:
        record = self.records.maker(path)
        place = self.records.located(path)
        made = record and record.outputs.get(path)
        digest = (read or made).sha256[:DIGITS] if read or made else "in a folder"
        line = f"{first}{place}  {digest}"
        line += "  ! made again, or changed, since it was read for this" if another(made, read) else ""
        if path in self.written:
            yield f"{line}  (see above)"
            return
        self.written[path] = path
        line += self._since(place, read, made)
        if record is None:
            yield f"{line}  {self._origin(path, read)}"
            return
        if (other := self.written.setdefault(record.file, path)) != path:
            yield f"{line}  (of the job that made {Path(other).name} above)"
            return
        yield line
        parents = [state for state in record.read if only is None or state.path in only]
        yield f"{others}{RUNG if parents else GAP}{step(record)}"
        if about := brief(record.values["settings"]):
            yield f"{others}{RUNG if parents else GAP}{about}"
        for number, state in enumerate(parents, 1):
            here, below = (LAST, GAP) if number == len(parents) else (BRANCH, RUNG)
            yield from self._file(state.path, state, others + here, others + below)

    def _origin(self, path: str, read: FileState | None) -> str:
        if self.records.is_inside(path):
            self.has_gaps = True
            return "no record says how it was made"
        return "source folder, by names and sizes" if read and read.kind == "listing" else "source file"

    def _since(self, place: Path, read: FileState | None, made: FileState | None) -> str:
        """What has become of a file since it was made and read."""
        if not place.exists():
            return "  ! is not there any more"
        known = {state.sha256: state.kind == "listing" for state in (read, made) if state}
        digests = Digests(lambda: self.records)
        same = not known or digests.of(str(place), any(known.values())).sha256 in known
        return "" if same else "  ! its bytes have changed since"


def another(made: FileState | None, read: FileState | None) -> bool:
    """True where what a job read has other bytes than what its maker has made."""
    return bool(made and read and made.sha256 != read.sha256)


def step(record: Record) -> str:
    """A job in a line: rule, code, seed, time of all its attempts, device."""
    values = record.values
    took = sum(attempt["wall_s"] for attempt in record.known_attempts)
    attempts = f" in {len(values['attempts']) + 1} attempts" if values["attempts"] else ""
    parts = [record.rule, f"code {values['code']}" if values["code"] else ""]
    parts += ["" if values["seed"] is None else f"seed {values['seed']}", f"{took:.1f} s{attempts}", values["device"]]
    return "  ".join(filter(None, parts))


def brief(settings: dict) -> str:
    """Settings in a line, cut where they are long; of a long list, how many values it has."""
    plain = {name: value if isinstance(value, str) else json.dumps(value) for name, value in settings.items()}
    text = " ".join(
        f"{name}=({len(settings[name])})" if len(value) > VALUE_AT_MOST else f"{name}={value}"
        for name, value in plain.items()
    )
    return text if len(text) <= SETTINGS_AT_MOST else f"{text[:SETTINGS_AT_MOST]}…"


def ancestry(path: Path | str, row: str | None = None, column: str | None = None) -> Iterator[str]:
    """The tree of an artifact, line by line; row, column: of a study table, what that line, column or number is made of.

    Raises InputError where no record says how the file was made.
    """
    if not str(path):
        raise InputError(
            "no file is named, expected one of the results; name it: make ancestry OF=results/demo/study/scores.csv"
        )
    if not Path(path).exists():
        raise InputError(f"{path}: not found")
    records = Records(results_of(path))
    recorded = records.recorded(path)
    record = records.maker(recorded)
    only = inputs_of(record, row, column) if row or column else None
    tree = Tree(records)
    yield from tree.lines(recorded if recorded in record.outputs else str(_folder_of(record, recorded)), only)
    yield from records.damaged if tree.has_gaps else ()


def _folder_of(record: Record, path: str) -> Path:
    return next(place for place in Path(path).parents if str(place) in record.outputs)


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the tree of an artifact."""
    parser = argparse.ArgumentParser(description="How an artifact came to be, down to its sources.")
    parser.add_argument("artifact", help="any file, or exported folder, of a folder of results")
    parser.add_argument("--row", help="of a study table: the label of a line")
    parser.add_argument("--column", help="of a study table: a column, such as AVG or the name of a benchmark")
    given = parser.parse_args(arguments)
    try:
        for line in ancestry(given.artifact, given.row or None, given.column or None):
            print(line)
    except InputError as error:
        sys.exit(str(error))
    except BrokenPipeError:  # of `| head`
        sys.stderr.close()


if __name__ == "__main__":
    main()
