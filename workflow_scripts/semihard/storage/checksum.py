"""SHA-256 of files."""

import hashlib
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
