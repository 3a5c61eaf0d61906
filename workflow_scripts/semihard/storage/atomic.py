"""Write to a temporary name in the same folder, then rename: a reader never sees half a file."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from semihard.errors import InputError


@contextmanager
def atomic_path(path: Path | str) -> Iterator[Path]:
    """Yields a temporary path beside `path`; renamed to `path` on success, removed on any failure.

    The name carries the process id, so that two writers never share it.
    """
    path = Path(path)
    make_folder(path.parent)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        yield temporary
        mask = os.umask(0)
        os.umask(mask)
        temporary.chmod(0o666 & ~mask)  # some writers make files that only their owner can read
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def make_folder(folder: Path) -> None:
    """The folder, and those above it. Raises InputError as `check_links` does."""
    check_links(folder)
    folder.mkdir(parents=True, exist_ok=True)


def check_links(folder: Path | str) -> None:
    """Raises InputError where a folder, or one above it, is a link to a place that is not there."""
    for part in (Path(folder), *Path(folder).parents):
        if part.is_symlink() and not part.exists():
            raise InputError(f"{part}: is a link to {part.readlink()}, which is not there; make it, or remove the link")


@contextmanager
def atomic_folder(folder: Path | str) -> Iterator[Path]:
    """Yields a new folder beside `folder`; renamed to `folder` on success, removed on any failure.

    Raises InputError where `folder` holds something.
    """
    folder = Path(folder)
    if folder.exists() and any(folder.iterdir()):
        raise InputError(f"{folder} is not empty: remove it, or export to another folder")
    partial = folder.with_name(f".{folder.name}.{os.getpid()}.tmp")
    make_folder(partial.parent)
    partial.mkdir()
    try:
        yield partial
        if folder.exists():
            folder.rmdir()
        partial.replace(folder)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
