"""What lies in the user's folders: a folder's own time does not tell that a file in it was overwritten."""

import hashlib
import os
from collections.abc import Iterable
from functools import cache
from pathlib import Path

LISTED_AT_MOST = 50_000


def listing_of(paths: Iterable[Path]) -> str | None:
    """16 hexadecimal digits for the names, sizes and times of change of the files in the folders among `paths`.

    Hidden files, and what lies in subfolders that are not among `paths`, do not count. None where no path is a folder, or
    where they hold more than LISTED_AT_MOST files. Looked at once per process: what a job is given is what was planned.
    """
    return _listing(tuple(map(str, paths)))


@cache
def _listing(paths: tuple[str, ...]) -> str | None:
    lines: list[bytes] = []
    folders = [path for path in paths if Path(path).is_dir()]
    for folder in folders:
        with os.scandir(folder) as entries:
            for entry in entries:
                try:
                    if entry.name.startswith(".") or entry.is_dir():
                        continue
                    stat = entry.stat()
                except OSError:  # a link to nothing or to itself, or deleted a moment ago
                    continue
                if len(lines) == LISTED_AT_MOST:
                    return None
                name = f"{Path(folder).name}/{entry.name}"
                lines.append(os.fsencode(f"{name}\0{stat.st_size}\0{stat.st_mtime_ns}\n"))
    return hashlib.sha256(b"".join(sorted(lines))).hexdigest()[:16] if folders else None
