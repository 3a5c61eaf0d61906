"""Paths that a user writes."""

import os
import re
from pathlib import Path

from semihard.errors import InputError

DOWNLOAD = "download:"  # a path that begins so is that of an entry of `downloads`
DOWNLOADS = Path("downloads")  # the folder of all of them, in the one that Snakemake was started in


def expand_path(path: str) -> Path:
    """`path` with `~` and environment variables expanded; names of files are UTF-8 whatever the locale says.
    `download:name/within` is what was fetched under that name, or what lies in it.

    Raises InputError where a variable is not set, or a path leads out of a download.
    """
    if path.startswith(DOWNLOAD):
        within = Path(path.removeprefix(DOWNLOAD))
        if within.is_absolute() or ".." in within.parts or not within.parts:
            raise InputError(f"path {path!r}: expected {DOWNLOAD}, the name of a download and what lies in it")
        return DOWNLOADS / within
    expanded = os.path.expandvars(path)
    if left := re.search(r"\$\{?(\w+)\}?", expanded):
        raise InputError(
            f"path {path!r}: the environment variable {left[1]} is not set; the head of the configuration says what it names"
        )
    return Path(os.fsdecode(expanded.encode("utf-8", "surrogateescape"))).expanduser()
