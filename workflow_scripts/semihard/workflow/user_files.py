"""The user's own files: what each entry of a configuration reads from outside, and whether it is there."""

import shlex
import time
from collections.abc import Iterable
from pathlib import Path

from semihard.audit.inception_file import RELEASE, check_inception_file
from semihard.errors import InputError
from semihard.settings.base import Settings, UserFile
from semihard.settings.downloads import is_download
from semihard.settings.paths import expand_path
from semihard.sources.settings import CSVBenchmark, FolderFaces, IJBBenchmark, PairsBenchmark, RecordIOFaces
from semihard.sources.text_file import name_within
from semihard.storage.pipeline_folder import part_files
from semihard.workflow.download_plan import downloads_in, location_of
from semihard.workflow.study import Plan

ORIGIN_OF_CASIA = (
    "CASIA-WebFace aligned at 112 pixels is InsightFace's `faces_webface_112x112` (490,623 images, 10,572 identities; "
    "linked from the dataset page of its recognition package; non-commercial research only)"
)
SECONDS_OF_SKEW = 60.0  # between this machine's clock and a file server's, before it is said
RECORDS = "a folder with train.rec and train.idx, or a .rec file, is expected"


class NotThere(InputError):
    """A file or folder that an entry names does not exist."""


def data_path(where: str, entry: Settings) -> list[Path]:
    """The files that `entry` reads: what its import depends on, the user's own and those that are fetched for it.

    where: the entry's place in the configuration, for messages. Raises NotThere where one of the user's does not exist,
    InputError where it is not what the entry says.
    """
    fetched = [location_of(name) for name in dict.fromkeys(name for _, name in downloads_in(entry))]
    return [*fetched, *_own_files(where, entry)]


def _own_files(where: str, entry: Settings) -> list[Path]:
    match entry:
        case RecordIOFaces() if not is_download(entry.path):
            path = _existing(f"{where}.path", entry.path, f"{_origin(where, entry)}; put it there or change the path")
            return [*_record_files(f"{where}.path", path), *_marked(where, entry)]
        case FolderFaces() if not is_download(entry.path):
            what = "one file of tiles, or one subfolder of them," if entry.tiles > 1 else "one subfolder of images"
            expected = f"a folder with {what} per identity, or a zip or tar archive of it, is expected"
            folder = _existing(f"{where}.path", entry.path, expected)
            return [*_with_subfolders(f"{where}.path", folder), *_marked(where, entry)]
        case IJBBenchmark() if not is_download(entry.path):
            expected = "the folder that holds loose_crop and meta, as insightface distributes it, is expected"
            return _ijb_files(f"{where}.path", _existing(f"{where}.path", entry.path, expected), entry.name)
        case PairsBenchmark() if not is_download(entry.folder):
            expected = "the folder of name/name_0001.jpg, e.g. lfw_funneled as scikit-learn saves it, is expected"
            folder = _existing(f"{where}.folder", entry.folder, expected)
            return [*_marked(where, entry), *_with_subfolders(f"{where}.folder", folder)]
        case CSVBenchmark() if entry.folder and not is_download(entry.folder):
            folder = _existing(f"{where}.folder", entry.folder, "the folder that the pairs' paths begin at is expected")
            return [*_marked(where, entry), *_with_subfolders(f"{where}.folder", folder)]
    return _marked(where, entry)


def _origin(where: str, entry: RecordIOFaces) -> str:
    """What is expected where a RecordIO set is not there, and for CASIA-WebFace by its name or path where it comes from."""
    said = f"{where} {entry.path}".lower()
    return ORIGIN_OF_CASIA if "casia" in said or "faces_webface_112x112" in said else RECORDS


def _marked(where: str, entry: Settings) -> list[Path]:
    """The files named by its knobs marked `UserFile`, and by those of the settings that it holds."""
    files = []
    for name, field in type(entry).model_fields.items():
        value = getattr(entry, name)
        own = value and not (isinstance(value, str) and is_download(value))
        if own and (mark := next((item for item in field.metadata if isinstance(item, UserFile)), None)):
            path = _existing(f"{where}.{name}", value, mark.expected)
            files += _pipeline_files(f"{where}.{name}", path, mark.part) if mark.part and path.is_dir() else [path]
        for part in value if isinstance(value, tuple) else (value,):
            if isinstance(part, Settings):
                files += _marked(f"{where}.{name}", part)
    return files


def _pipeline_files(where: str, folder: Path, part: str) -> list[Path]:
    try:
        return part_files(folder, part)
    except InputError as error:
        raise InputError(f"{where}: {error}") from None


def _existing(where: str, path: str, expected: str) -> Path:
    try:
        expanded = expand_path(path)
    except InputError as error:
        raise InputError(f"{where}: {error}") from None
    if not expanded.exists():
        raise NotThere(f"{where}: {expanded} not found. {expected[0].upper()}{expected[1:]}.")
    return expanded


def _ijb_files(where: str, folder: Path, name: str) -> list[Path]:
    lists = ("face_tid_mid", "template_pair_label", "name_5pts_score")
    return [
        _existing(where, str(path), "it belongs to the benchmark, as insightface distributes it")
        for path in (*(folder / "meta" / f"{name}_{kind}.txt" for kind in lists), folder / "loose_crop")
    ]


def _record_files(where: str, path: Path) -> list[Path]:
    """The .rec file, and what lies beside it and is read too."""
    records = sorted(path.glob("*.rec"), key=lambda record: record.name != "train.rec") if path.is_dir() else [path]
    if not records:
        raise NotThere(f"{where}: {path} holds no .rec file. {RECORDS[0].upper()}{RECORDS[1:]}.")
    beside = (
        records[0].with_suffix(".idx"),
        *(records[0].with_name(name) for name in ("identity_names.txt", "list.txt")),
    )
    return [records[0], *(file for file in beside if file.is_file())]


def _with_subfolders(where: str, folder: Path) -> list[Path]:
    """A folder and its subfolders: their times tell when an image was added or removed; images are too many to list.

    Raises InputError where the name of one, an identity's, is not UTF-8.
    """
    if not folder.is_dir():
        return [folder]
    subfolders = sorted(path for path in folder.iterdir() if path.is_dir())
    try:
        for path in subfolders:
            name_within(path, folder)
    except InputError as error:
        raise InputError(f"{where}: {error}") from None
    return [folder, *subfolders]


def files_of(plan: Plan, section: str, name: str) -> list[Path]:
    """The user's files that an entry of the plan reads. Raises InputError where they are not there."""
    return data_path(f"{section}.{name}", getattr(plan.config, section)[name])


def leave_out_absent_benchmarks(plan: Plan) -> list[str]:
    """Take benchmarks whose files do not exist out of the plan's study, and say so, a line for each.

    Where none of the study's benchmarks would be left, all stay, and `check_files` names their files.
    """
    study = plan.study
    used = [*study.benchmarks, *(name for row in plan.rows() for name in row.extra_benchmarks)]
    absent = {}
    for name in dict.fromkeys(used):
        try:
            files_of(plan, "benchmarks", name)
        except NotThere as problem:
            absent[name] = str(problem)
        except InputError:
            pass  # there, but wrong: check_files says so
    if not set(study.benchmarks) - set(absent):
        return []

    def there(names: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(name for name in names if name not in absent)

    def kept(rows: tuple) -> tuple:
        return tuple(
            row if isinstance(row, str) else row.model_copy(update={"extra_benchmarks": there(row.extra_benchmarks)})
            for row in rows
        )

    changed = {
        "benchmarks": there(study.benchmarks),
        "compare": kept(study.compare),
        "references": kept(study.references),
    }
    plan.set_study(study.model_copy(update=changed))
    return [f"left out: {problem}" for problem in absent.values()]


def check_files(plan: Plan) -> None:
    """Look for the files of every entry the study needs, and for FID's Inception weights, whose bytes are looked at, too,
    as they are used only when all is trained.

    Raises InputError listing all that are missing or are others, one line each.
    """
    problems = []
    for section, name in sorted(plan.needed):
        try:
            _check_clock(files_of(plan, section, name))
        except InputError as error:
            problems.append(str(error))
    try:
        _check_inception(plan)
    except InputError as error:
        problems.append(f"study.fidelity.inception: {error}")
    if problems:
        raise InputError("\n".join(problems))


def _check_clock(paths: Iterable[Path]) -> None:
    """Raises InputError for a file of the future: Snakemake throws away, when it is made, what is older than its inputs."""
    for path in paths:
        if path.exists() and (ahead := path.stat().st_mtime - time.time()) > SECONDS_OF_SKEW:
            raise InputError(
                f"{path}: was last changed {ahead:.0f} s from now, by the clock of this machine; Snakemake would throw away "
                f"what is made of it. Set the clocks right, or: touch {shlex.quote(str(path))}"
            )


def inception_weights(plan: Plan) -> dict[str, str]:
    """FID's Inception weights as an input of a rule, where they are there or are to be fetched."""
    given = plan.study.fidelity.inception
    path = expand_path(given)
    return {"inception": str(path)} if path.is_file() or is_download(given) else {}


def _check_inception(plan: Plan) -> None:
    settings = plan.study.fidelity
    if not plan.measured_facesets() or is_download(settings.inception):
        return
    path = expand_path(settings.inception)
    if path.is_file():
        check_inception_file(path)
    elif "inception" in settings.model_fields_set:
        raise NotThere(f"{path} not found. Get {RELEASE}, or leave the key out to do without these columns.")
