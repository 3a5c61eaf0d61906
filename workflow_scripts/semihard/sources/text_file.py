"""Text files of other people."""

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
