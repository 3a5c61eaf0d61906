"""Paths that a user writes."""

import os
import re
from pathlib import Path

from semihard.errors import InputError


def expand_path(path: str) -> Path:
    """`path` with `~` and environment variables expanded; names of files are UTF-8 whatever the locale says.

    Raises InputError where a variable is not set.
    """
    expanded = os.path.expandvars(path)
    if left := re.search(r"\$\{?(\w+)\}?", expanded):
        raise InputError(
            f"path {path!r}: the environment variable {left[1]} is not set; the head of the configuration says what it names"
        )
    return Path(os.fsdecode(expanded.encode("utf-8", "surrogateescape"))).expanduser()
