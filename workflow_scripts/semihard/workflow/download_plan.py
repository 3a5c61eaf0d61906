"""What of a study is fetched: the downloads that its paths name."""

from collections.abc import Iterator
from pathlib import Path

from semihard.errors import InputError
from semihard.settings.base import Settings
from semihard.settings.downloads import KNOWN, Download, is_download, is_folder
from semihard.settings.paths import DOWNLOAD, DOWNLOADS
from semihard.workflow.configuration import did_you_mean
from semihard.workflow.study import Plan


def known_downloads(plan: Plan) -> dict[str, Download]:
    """Every download by its name: those that come with this workflow, and the entries of the configuration, which go before."""
    return KNOWN | plan.config.downloads


def download_names(plan: Plan, folder: bool) -> list[str]:
    """The names of those that become a folder, or a file."""
    return [name for name, download in known_downloads(plan).items() if is_folder(download) == folder]


def download_settings(plan: Plan, name: str) -> dict:
    """A download as plain JSON values: what the rule that fetches it has as its parameter."""
    return known_downloads(plan)[name].model_dump(mode="json", exclude_defaults=True)


def location_of(name: str) -> Path:
    """Where a download is."""
    return DOWNLOADS / name


def downloaded(plan: Plan) -> set[Path]:
    """Where everything is that may be fetched."""
    return {location_of(name) for name in known_downloads(plan)}


def downloads_in(entry: Settings, field: str = "") -> Iterator[tuple[str, str]]:
    """(knob, name) of every download that the paths of an entry name."""
    for key, value in entry:
        where = f"{field}.{key}" if field else key
        for item in value if isinstance(value, tuple) else (value,):
            if isinstance(item, Settings):
                yield from downloads_in(item, where)
            elif isinstance(item, str) and is_download(item):
                yield where, item.removeprefix(DOWNLOAD).split("/")[0]


def check_downloads(plan: Plan) -> None:
    """Raises InputError, a line each, where a path that the study needs names no download."""
    known, problems = known_downloads(plan), []
    entries = {f"{section}.{name}": getattr(plan.config, section)[name] for section, name in sorted(plan.needed)}
    for where, entry in {**entries, "study": plan.study}.items():
        for field, name in downloads_in(entry):
            if name not in known:
                problems.append(f"{where}.{field}: {name!r} is not an entry of downloads{did_you_mean(name, known)}")
    if problems:
        raise InputError("\n".join(problems))
