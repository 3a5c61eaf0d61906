"""Text files and names of files of other people."""

import os
from pathlib import Path

from semihard.errors import InputError


def read_lines(path: Path) -> list[str]:
    """The lines of a UTF-8 text file, with or without a byte order mark, ended by LF or CRLF and by nothing else.

    Raises InputError naming the line that is no UTF-8.
    """
    blob = path.read_bytes()
    try:
        text = blob.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        if blob[:2] in (b"\xff\xfe", b"\xfe\xff"):
            raise InputError(f"{path}: is UTF-16, expected UTF-8; save it as that") from None
        line = blob[: error.start].count(b"\n") + 1
        raise InputError(
            f"{path}: line {line} is not UTF-8 (byte {blob[error.start]:#04x}; Latin-1?); save the file as UTF-8"
        ) from None
    return [line.removesuffix("\r") for line in text.removesuffix("\n").split("\n")] if text else []


def name_within(path: Path, root: Path) -> str:
    """The path of a file or folder within `root`, by slashes: UTF-8 whatever the locale says.

    Raises InputError, with the bytes that are not UTF-8 escaped, where it is not.
    """
    blob = os.fsencode(path.relative_to(root).as_posix())
    try:
        return blob.decode("utf-8")
    except UnicodeDecodeError as error:
        raise InputError(
            f"{root}: the name {blob.decode('utf-8', 'backslashreplace')!r} is not UTF-8 (byte {blob[error.start]:#04x}; "
            "Latin-1?); rename it, or all of them with `convmv -f latin1 -t utf8 -r --notest`"
        ) from None


def path_within(root: Path, name: str) -> Path:
    """`root/name`, the name written in UTF-8 whatever the locale says."""
    return root / os.fsdecode(name.encode("utf-8"))
