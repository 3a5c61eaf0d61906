"""Writing run records: what a job read, made and cost, in `<results>/provenance/<as its log>.json` (storage.run_records).

A record is written whole, when all outputs are there. Until then a file beside it, `….attempts`, says when the attempts
began, and of those that were told to stop or failed, what they took. Nothing of this is a parameter or an input of a rule,
and where it cannot be written, the job goes on with a warning: a training is worth more.
"""

import hashlib
import json
import logging
import shlex
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from functools import cache
from pathlib import Path

from semihard.compute.nodes import is_on_each_node
from semihard.errors import InputError
from semihard.storage.atomic import atomic_path
from semihard.storage.checksum import files_in, sha256_of, sha256_of_folder, sha256_of_listing
from semihard.storage.provenance import Provenance
from semihard.storage.run_records import ATTEMPTS, FOLDER, FileState, Records
from semihard.workflow.usage import Usage

log = logging.getLogger("semihard")
MADE_BY_SNAKEMAKE = ".snakemake_timestamp"  # in a folder that a rule declares
NOT_READ = "count_costs"  # this rule's inputs say when it comes; it reads records
NOT_CARRIED = ("shards",)  # whose number is to leave the bytes of the gathered set as they are
FILES_NAMED_AT_MOST = 1000
READ_AT_ONCE = 10_000_000  # bytes: read in less time than the records of a large study


@contextmanager
def recorded(snakemake) -> Iterator[Provenance]:
    """Run the body of a job; yields what its artifacts carry, and writes the record when the body has ended, also by exit
    status 0. Of a script that runs on several nodes, who started it there writes the record."""
    usage = usage_of(snakemake)
    file = record_path(snakemake)
    digests = Digests(file and cache(lambda: Records(results_of_log(snakemake))))
    files = {} if snakemake.rule.endswith(NOT_READ) else named(snakemake.input)
    inputs = {name: digests.of_several(paths) for name, paths in files.items()}
    provenance = provenance_of(snakemake, inputs, usage.device)
    if file is None or is_on_each_node():
        yield provenance
        return
    _warn_of_changed(inputs, results_of_log(snakemake))
    attempts = _Attempts(file, provenance, usage)
    resumed = any(Path(f"{path}.resume").exists() for path in getattr(snakemake, "output", ()))
    ended = None
    try:
        yield provenance
    except BaseException as error:
        if not isinstance(error, SystemExit) or error.code:
            attempts.failed()
            raise
        ended = error
    about = {
        "rule": snakemake.rule,
        "wildcards": dict(snakemake.wildcards.items()),
        "results": results_of_log(snakemake),
    }
    about |= {name: value for name, value in asdict(provenance).items() if name not in ("rule", "inputs")}
    about |= {"versions": json.loads(str(provenance.attributes()["versions"]))}
    about["inputs"] = {name: [asdict(state) for state in states] for name, states in inputs.items()}
    with _or_warning(file):
        about["outputs"] = {path: made(path) for path in map(str, snakemake.output)}
        about |= usage.so_far() | {"resumed": resumed, "attempts": attempts.before}
        write_json(file, about)
        attempts.forget()
    if ended:
        raise ended


def _warn_of_changed(inputs: Mapping[str, list[FileState]], results: str) -> None:
    """One warning where inputs are of the size but not of the bytes that the job has recorded which made them: a result
    that a disk or a hand has changed. The job goes on: what cannot be read it refuses itself."""
    read = {state.path: state for states in inputs.values() for state in states if state.kind != "listing"}
    changed = []
    records = Records(results, makers_of=read) if read else None
    for path, state in read.items():
        record = records.maker(path)
        made = record and record.outputs.get(path)
        if made and (made.kind, made.size) == (state.kind, state.size) and made.sha256 != state.sha256:
            changed.append(f"{path}, made by {record.rule} ({record.file})")
    if changed:
        log.warning(
            "other bytes than were written, at the same size: %s; is all as it was made? make check_results RESULTS=%s",
            "; ".join(changed), shlex.quote(results),
        )  # fmt: skip


def usage_of(snakemake) -> Usage:
    """What a job takes, on the GPUs that it asked for; on several nodes it asks for those of each as SLURM's `gres`."""
    asked, nodes = snakemake.resources, int(getattr(snakemake.resources, "nodes", 1))
    of_each = str(getattr(asked, "gres", "")).rpartition(":")[2] if nodes > 1 else getattr(asked, "gpu", 0)
    return Usage(int(of_each or 0), nodes=nodes)


def provenance_of(snakemake, inputs: Mapping[str, list[FileState]], device: str) -> Provenance:
    """What the artifacts of a job carry: digests by the rule's names, so that they are the same wherever its files lie."""
    several = {name for name, value in _by_name(snakemake.input) if not isinstance(value, str)} | {""}
    digests = {
        name or "files": found if name in several else found[0]
        for name, states in inputs.items()
        if name not in NOT_CARRIED
        for found in [[f"listing:{state.sha256}" if state.kind == "listing" else state.sha256 for state in states]]
    }
    seed = snakemake.wildcards.get("seed")
    given = (snakemake.rule, dict(snakemake.params.settings), snakemake.params.code)
    return Provenance(*given, None if seed is None else int(seed), digests, device)


def _by_name(files: Iterable[str]) -> list[tuple[str, object]]:
    return list(files.items()) if hasattr(files, "items") else []


def named(files: Iterable[str]) -> dict[str, list[str]]:
    """The files of a rule by its names for them, those without a name under ""; names without files are left out."""
    found = {name: [value] if isinstance(value, str) else list(map(str, value)) for name, value in _by_name(files)}
    rest = list(map(str, files))
    for path in (path for paths in found.values() for path in paths):
        rest.remove(path)
    return {name: paths for name, paths in {"": rest, **found}.items() if paths}


def results_of_log(snakemake) -> str | None:
    """The folder of results, by the place of the log in it: <results>/logs/<rule>…, also where the rule was given another
    name in a workflow that this one is a module of."""
    parts = Path(snakemake.log[0]).parts if snakemake.log else ()
    for number, part in enumerate(parts[:-1]):
        if part == "logs" and snakemake.rule.endswith(parts[number + 1].removesuffix(".log")):
            return str(Path(*parts[:number]))
    return None


def record_path(snakemake) -> Path | None:
    """Where the record of a job lies; None of a job without a log in a folder of results."""
    results = results_of_log(snakemake)
    if results is None:
        return None
    inside = Path(snakemake.log[0]).relative_to(Path(results, "logs")).as_posix().removesuffix(".log")
    return Path(results, FOLDER, f"{inside}.json")


class Digests:
    """Digests of files; a large one that a job has read or made is not read again while its size and time are the same.
    (Snakemake sets the time of what a job made when it has ended: who reads it first reads it all.)

    records: gives the records of the results; asked for a large file alone, as a study may have thousands.
    """

    def __init__(self, records: Callable[[], Records] | None):
        self._records = records

    def of_several(self, paths: Iterable[str]) -> list[FileState]:
        """Of files and folders, in order; a user's folder stands for its subfolders, too."""
        paths = list(paths)
        listed = {path for path in paths if is_listed(path)}
        return [self.of(path) for path in paths if path not in listed or str(Path(path).parent) not in listed]

    def of(self, path: str, listed: bool | None = None) -> FileState:
        """Of a file, or a folder: of its bytes, or, as a user's own where nothing else is said, of its listing."""
        if Path(path).is_dir() and (is_listed(path) if listed is None else listed):
            digest, size = sha256_of_listing(path)
            return FileState(path, "listing", size, Path(path).stat().st_mtime_ns, digest)
        kind, size, mtime_ns = stat_of(path)
        digest = self._records().seen(path, size, mtime_ns) if self._records and size > READ_AT_ONCE else None
        if digest is None:
            digest = sha256_of_folder(path)[0] if kind == "folder" else sha256_of(path)
        return FileState(path, kind, size, mtime_ns, digest)


def is_listed(path: str) -> bool:
    """True for a folder that no rule made: the user's own."""
    return Path(path).is_dir() and not Path(path, MADE_BY_SNAKEMAKE).exists()


def stat_of(path: Path | str) -> tuple[str, int, int]:
    """Kind, size in bytes and time of change of a file, or of all files of a folder."""
    if not Path(path).is_dir():
        stat = Path(path).stat()
        return "file", stat.st_size, stat.st_mtime_ns
    stats = [file.stat() for file in files_in(path).values()]
    return "folder", sum(stat.st_size for stat in stats), max((stat.st_mtime_ns for stat in stats), default=0)


def made(path: str) -> dict[str, object]:
    """What the record says of an output."""
    kind, size, mtime_ns = stat_of(path)
    state = {"kind": kind, "size": size, "mtime_ns": mtime_ns}
    if kind == "file":
        return state | {"sha256": sha256_of(path)}
    digest, files = sha256_of_folder(path)
    return state | {"sha256": digest} | ({"files": files} if len(files) <= FILES_NAMED_AT_MOST else {})


class _Attempts:
    """The attempts at a job that has not ended: `before`, and this one. Those at other inputs, settings or code are
    forgotten."""

    def __init__(self, record: Path, provenance: Provenance, usage: Usage):
        self._file, self._usage = record.with_suffix(ATTEMPTS), usage
        what = [provenance.settings, provenance.code, provenance.seed, provenance.inputs]
        self._state = hashlib.sha256(json.dumps(what).encode()).hexdigest()
        self.before = self._read()
        self._write(usage.begun())

    def _read(self) -> list[dict]:
        try:
            values = json.loads(self._file.read_text(encoding="utf-8"))
            return values["attempts"] if values["state"] == self._state else []
        except (OSError, ValueError, KeyError, TypeError):
            return []

    def _write(self, this: dict) -> None:
        with _or_warning(self._file):
            write_json(self._file, {"state": self._state, "attempts": [*self.before, this]})

    def failed(self) -> None:
        """This one has failed, or was told to stop."""
        self._write(self._usage.so_far())

    def forget(self) -> None:
        """The job has ended."""
        self._file.unlink(missing_ok=True)


@contextmanager
def _or_warning(file: Path) -> Iterator[None]:
    try:
        yield
    except (OSError, InputError) as error:
        log.warning("%s: not written (%s); the results are whole all the same", file, error)


def write_json(file: Path, values: dict) -> None:
    """Whole or not at all."""
    with atomic_path(file) as temporary:
        temporary.write_text(json.dumps(values, indent=1) + "\n", encoding="utf-8")
