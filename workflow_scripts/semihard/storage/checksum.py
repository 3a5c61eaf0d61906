"""SHA-256 of files, of folders, and of lists of files."""

import hashlib
import os
from pathlib import Path

from semihard.errors import InputError


def sha256_of(path: Path | str) -> str:
    """SHA-256 of a file, in hex."""
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def check_sha256(path: Path | str, expected: str | None) -> None:
    """Raises InputError where `path` has another checksum than `expected`; None is not checked."""
    if expected is not None and (checksum := sha256_of(path)) != expected:
        raise InputError(
            f"{path}: sha256 is {checksum}, expected {expected}; the file is damaged or another one, fetch it again"
        )


def write_manifest(folder: Path) -> None:
    """Write SHA-256 and path of every file in `folder` to its SHA256SUMS, in the form of `sha256sum`."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    lines = [f"{sha256_of(path)}  {path.relative_to(folder).as_posix()}\n" for path in files]
    (folder / "SHA256SUMS").write_text("".join(lines), encoding="utf-8")


def files_in(folder: Path | str) -> dict[str, Path]:
    """Every file below `folder`, in order, by its name there; what is hidden is left out."""
    found = {}
    for parent, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        paths = (Path(parent, name) for name in names if not name.startswith("."))
        found |= {path.relative_to(folder).as_posix(): path for path in paths if path.is_file()}
    return dict(sorted(found.items()))


def sha256_of_folder(folder: Path | str) -> tuple[str, dict[str, str]]:
    """SHA-256 of a folder, in hex, by the names and bytes of all files below it; and each file's own, by its name."""
    own = {name: sha256_of(path) for name, path in files_in(folder).items()}
    lines = "".join(f"{name}\0{digest}\n" for name, digest in own.items())
    return hashlib.sha256(os.fsencode(lines)).hexdigest(), own


def sha256_of_listing(folder: Path | str) -> tuple[str, int]:
    """SHA-256, in hex, of the names and sizes of the files in a folder and in its subfolders, what is hidden or lies deeper
    left out, and how many bytes that is: for folders of so many files that reading them would take long."""
    lines, total = [], 0
    for place in (folder, *(path for path in Path(folder).iterdir() if path.is_dir() and path.name[0] != ".")):
        with os.scandir(place) as entries:
            for entry in entries:
                if entry.name[0] != "." and entry.is_file():
                    size = entry.stat().st_size
                    total += size
                    lines.append(os.fsencode(f"{os.path.relpath(entry.path, folder)}\0{size}\n"))
    return hashlib.sha256(b"".join(sorted(lines))).hexdigest(), total
