"""Images in a zip or tar archive: unpacked to where a folder is expected, and nothing but images, and nowhere else."""

import lzma
import shutil
import stat
import tarfile
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from semihard.errors import InputError

SUFFIXES = (".zip", ".tar", ".tar.gz", ".tgz", ".tar.xz", ".tar.bz2")
BLOWN_UP = 200  # times as large unpacked: photographs hardly shrink, so this is no archive of photographs
BROKEN = (zipfile.BadZipFile, tarfile.TarError, zlib.error, lzma.LZMAError, EOFError, OSError, RuntimeError, ValueError)


@dataclass(frozen=True)
class Member:
    """A file in an archive: its name there, its size in bytes unpacked, whether it is a plain file, and what gives its bytes."""

    name: str
    size: int
    is_plain: bool
    content: Callable[[], BinaryIO | None]


@contextmanager
def unpacked(path: Path, wanted: Callable[[str], bool], left_out: list[str]) -> Iterator[Path]:
    """`path` itself where it is no archive by its name; else a temporary folder with the files in it whose names are `wanted`.

    Where all of them lie in one folder with folders in it, that one. left_out: takes the names of the others. What lies in
    the temporary folder is called by its place in the archive in an InputError. Raises InputError where a name leads out of
    the archive or is there twice, where it is a bomb, the disk has no room, or it cannot be read.
    """
    if not path.name.lower().endswith(SUFFIXES) or path.is_dir():
        yield path
        return
    with unpacked_archive(path, wanted, left_out) as folder:
        yield folder


@contextmanager
def unpacked_archive(path: Path, wanted: Callable[[str], bool], left_out: list[str]) -> Iterator[Path]:
    """As `unpacked`, of an archive whatever its name is."""
    with tempfile.TemporaryDirectory(prefix="semihard-") as folder:
        try:
            with _members(path) as members:
                _unpack(path, members, Path(folder), wanted, left_out)
        except BROKEN as error:
            if isinstance(error, InputError):
                raise
            raise InputError(f"{path}: is no archive that can be read ({error}); get it again, or unpack it") from None
        root = Path(folder)
        while len(inner := list(root.iterdir())) == 1 and any(below.is_dir() for below in inner[0].glob("*")):
            root = inner[0]
        try:
            yield root
        except InputError as error:
            raise InputError(str(error).replace(folder, str(path))) from None


@contextmanager
def _members(path: Path) -> Iterator[list[Member]]:
    if _is_zip(path):
        with zipfile.ZipFile(path) as archive:
            yield [
                Member(item.filename, item.file_size, not _is_link(item), partial(archive.open, item))
                for item in archive.infolist()
                if not item.is_dir()
            ]
    else:
        with tarfile.open(path) as archive:
            yield [
                Member(item.name, item.size, item.isreg(), partial(archive.extractfile, item))
                for item in archive.getmembers()
                if not item.isdir()
            ]


def _is_zip(path: Path) -> bool:
    """By its name, or where that says nothing, by its first bytes."""
    if path.name.lower().endswith(SUFFIXES):
        return path.suffix.lower() == ".zip"
    with path.open("rb") as file:
        return file.read(4) == b"PK\x03\x04"


def _is_link(item: zipfile.ZipInfo) -> bool:
    return stat.S_ISLNK(item.external_attr >> 16)


def _unpack(
    path: Path, members: list[Member], folder: Path, wanted: Callable[[str], bool], left_out: list[str]
) -> None:
    for member in members:
        parts = PurePosixPath(member.name).parts
        if not parts or ".." in parts or parts[0].startswith("/") or "\\" in member.name or "\0" in member.name:
            raise InputError(
                f"{path}: {member.name!r} in it leads out of the archive; it is not unpacked, pack it anew"
            )
    images = [member for member in members if member.is_plain and wanted(member.name)]
    left_out += [member.name for member in members if member not in images]
    size, packed, free = sum(image.size for image in images), path.stat().st_size, shutil.disk_usage(folder).free
    if size > BLOWN_UP * packed:
        raise InputError(
            f"{path}: {packed:,} bytes become {size:,} when unpacked, which no photographs do; it is not unpacked"
        )
    if size > free:
        raise InputError(
            f"{path}: takes {size:,} bytes unpacked, {folder.parent} has {free:,}; name a larger one in TMPDIR"
        )
    for image in images:
        target = folder.joinpath(*PurePosixPath(image.name).parts)
        if target.exists():
            raise InputError(f"{path}: {image.name!r} is in it twice; pack it anew")
        target.parent.mkdir(parents=True, exist_ok=True)
        with image.content() as source, target.open("wb") as file:
            shutil.copyfileobj(source, file)
