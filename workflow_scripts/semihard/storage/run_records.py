"""Reading run records: what is known of each job of a study, in `<results>/provenance/`, a JSON file each.

They hold what an artifact must not: times, the host, what the job cost, and where its files lay. Written by
workflow.run_record. Paths are those of the job, relative to the folder that Snakemake ran in; where a folder of results
has been moved or copied since, what lay in it is looked for in it.
"""

import json
import logging
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from semihard.errors import InputError

log = logging.getLogger("semihard")
FOLDER = "provenance"
NEEDED = {
    "rule": str,
    "results": str,
    "settings": dict,
    "code": str,
    "seed": int | None,
    "device": str,
    "started": str,
    "wall_s": int | float,
    "attempts": list,
}
STATE = {"path": str, "kind": str, "size": int, "mtime_ns": int, "sha256": str}
ATTEMPTS = ".attempts"  # suffix of what is known of a job that has not ended


@dataclass(frozen=True)
class FileState:
    """A file that a job read or wrote. kind: file; folder, whose digest is of all its files' names and bytes; or listing, of
    names and sizes alone. size in bytes; mtime_ns: of a folder, its newest file's."""

    path: str
    kind: str
    size: int
    mtime_ns: int
    sha256: str


@dataclass(frozen=True)
class Record:
    """One job. values: what its file says (docs/provenance.md); inputs, by the rule's names, and outputs by path."""

    file: Path
    values: dict
    inputs: dict[str, list[FileState]]
    outputs: dict[str, FileState]
    files: dict[str, dict[str, str]] = field(default_factory=dict)  # of folders among the outputs

    @property
    def rule(self) -> str:
        """The rule."""
        return self.values["rule"]

    @property
    def read(self) -> list[FileState]:
        """All that the job read, each file once."""
        return list({state.path: state for states in self.inputs.values() for state in states}.values())

    @property
    def known_attempts(self) -> list[dict]:
        """What each attempt took, the last one included, where it is known."""
        return [attempt for attempt in (*self.values["attempts"], self.values) if "wall_s" in attempt]

    @property
    def lost_attempts(self) -> int:
        """Attempts that were killed, so that nobody knows what they cost."""
        return len(self.values["attempts"]) + 1 - len(self.known_attempts)


def read_record(file: Path) -> Record:
    """Raises InputError where the file is no record."""
    try:
        values = json.loads(file.read_text(encoding="utf-8"))
        if flaw := _flaw(values):
            raise InputError(f"{file}: cannot be read as a run record ({flaw}); put a copy of it back, if there is one")
    except OSError as error:
        raise InputError(f"{file}: cannot be read ({error.strerror}); make it readable") from None
    except (ValueError, RecursionError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(
            f"{file}: cannot be read as a run record (it is no JSON); put a copy of it back, if there is one"
        ) from None
    inputs = {name: [FileState(**state) for state in states] for name, states in values["inputs"].items()}
    outputs = {
        path: FileState(path, **{name: about[name] for name in STATE if name != "path"})
        for path, about in values["outputs"].items()
    }
    files = {path: about["files"] for path, about in values["outputs"].items() if "files" in about}
    return Record(file, values, inputs, outputs, files)


def _flaw(values: object) -> str | None:
    """In what the values of a file are not those of a record; None where they are."""
    if not isinstance(values, dict):
        return "it is no list of names and values"
    if missing := [name for name in (*NEEDED, "inputs", "outputs") if name not in values]:
        return f"it has no {missing[0]!r}"
    if wrong := [name for name, kinds in NEEDED.items() if not isinstance(values[name], kinds)]:
        return f"its {wrong[0]!r} is not what is written there"
    if not all(isinstance(attempt, dict) for attempt in values["attempts"]):
        return "its 'attempts' are not what is written there"
    inputs, outputs = values["inputs"], values["outputs"]
    if not (isinstance(inputs, dict) and all(isinstance(states, list) for states in inputs.values())):
        return "its 'inputs' are not what is written there"
    if not all(_is_state(state) and state.keys() == STATE.keys() for states in inputs.values() for state in states):
        return "its 'inputs' are not what is written there"
    if not (isinstance(outputs, dict) and all(_is_state(about, path) for path, about in outputs.items())):
        return "its 'outputs' are not what is written there"
    return None


def _is_state(about: object, path: str | None = None) -> bool:
    """True for what a record says of a file. path: of an output, which is its name there."""
    if not isinstance(about, dict):
        return False
    said = about if path is None else about | {"path": path}
    named = isinstance(said.get("files", {}), dict)
    return named and bool(said.get("path")) and all(isinstance(said.get(name), kind) for name, kind in STATE.items())


def record_files(results: Path | str) -> Iterator[Path]:
    """The records in a folder of results."""
    yield from sorted(Path(results, FOLDER).rglob("*.json"))


class Records:
    """The records of a folder of results. Where two name one output, the job that began last has made it.

    damaged: a sentence each of files that are no records; makers_of: only records of what made these files are read.
    """

    def __init__(self, results: Path | str, makers_of: Iterable[str] | None = None):
        self.results = Path(results)
        self.damaged: list[str] = []
        found = []
        places = None if makers_of is None else {place for path in makers_of for place in (path, *_parents(path))}
        for file in record_files(results):
            if places is not None and not _names_an_output(file, places):
                continue
            try:
                found.append(read_record(file))
            except InputError as error:
                self.damaged.append(str(error))
        self.records = sorted(found, key=lambda record: record.values["started"])
        self.before = self.records[-1].values["results"] if self.records else str(results)  # where it lay then
        self._maker = {path: record for record in self.records for path in record.outputs}
        states = [state for record in self.records for state in (*record.read, *record.outputs.values())]
        self._seen = {
            (state.path, state.size, state.mtime_ns): state.sha256 for state in states if state.kind != "listing"
        }

    def maker(self, path: str) -> Record | None:
        """The job that made a file, or the folder that it lies in, by the path that records have of it."""
        places = (path, *_parents(path))
        return next((self._maker[place] for place in places if place in self._maker), None)

    def seen(self, path: str, size: int, mtime_ns: int) -> str | None:
        """The digest of a file of that size and time, where a job has read or made it."""
        return self._seen.get((path, size, mtime_ns))

    def is_inside(self, path: str) -> bool:
        """True for what lies among the results."""
        return not os.path.relpath(path, self.before).startswith("..")

    def located(self, path: str) -> Path:
        """Where a file of a record lies now."""
        return self.results / os.path.relpath(path, self.before) if self.is_inside(path) else Path(path)

    def recorded(self, path: Path | str) -> str:
        """The path that records have of a file. Raises InputError where no job is known that made it."""
        for given in (
            os.path.relpath(path, self.results),
            os.path.relpath(Path(path).resolve(), self.results.resolve()),
        ):
            name = os.path.normpath(Path(self.before, given))
            if self.maker(name):
                return name
        damaged = "".join(f"; {sentence}" for sentence in self.damaged)
        raise InputError(
            f"{path}: no record in {self.results / FOLDER} says how it was made: it is from before there were records, its "
            f"record was deleted, or no job made it{damaged}"
        )

    def ancestors(self, paths: Iterable[str]) -> list[Record]:
        """The jobs that files are made of, each once, what is made first before what is made of it."""
        done: dict[Path, Record] = {}
        waiting = [(record, False) for record in map(self.maker, paths) if record]
        entered = set()
        while waiting:
            record, is_left = waiting.pop()
            if is_left:
                done[record.file] = record
            elif record.file not in entered:
                entered.add(record.file)
                waiting.append((record, True))
                waiting += [(maker, False) for maker in (self.maker(state.path) for state in record.read) if maker]
        return list(done.values())


def _parents(path: str) -> list[str]:
    return [str(folder) for folder in Path(path).parents]


def _names_an_output(file: Path, places: Iterable[str]) -> bool:
    """Whether a record is of a job that made one of these, without reading it as JSON: a study has thousands."""
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, ValueError):
        return False
    return any(f"{json.dumps(place)}: {{" in text for place in places)


def results_of(path: Path | str) -> Path:
    """The folder of results that a file lies in. Raises InputError where there is none with records."""
    for folder in (Path(path), *Path(path).parents, *Path(path).resolve().parents):
        if (folder / FOLDER).is_dir():
            return folder
    raise InputError(
        f"{path}: lies in no folder of results with run records ({FOLDER}/); they are written by every job of this version"
    )
