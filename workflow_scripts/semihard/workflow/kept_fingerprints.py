"""Fingerprints kept from one start of Snakemake to the next, for as long as no file of the library changes.

A start needs some sixty of them, two thirds of the time until the plan stands; on a cluster every job is a start.
"""

import atexit
import contextlib
import gc
import hashlib
import json
import sys
from collections.abc import Iterator
from pathlib import Path

from semihard.storage.atomic import atomic_path
from semihard.workflow.fingerprint import SCRIPTS, fingerprint


class KeptFingerprints:
    """What `fingerprint` gives, called as it is; each is computed once and kept in a JSON file.

    path: the file, written by `keep` and when the process ends, made anew where it is of other code or cannot be read;
    where it cannot be written, nothing is kept.
    """

    def __init__(self, path: Path, scripts: Path = SCRIPTS):
        self.path, self.scripts = path, scripts
        self._times = self._modification_times()
        digest = hashlib.sha256(sys.version.encode())  # another Python writes the same code in another way
        for file in self._times:
            digest.update(f"\0{file.relative_to(scripts)}\0".encode() + file.read_bytes())
        self.code = digest.hexdigest()
        self._kept: dict[str, str] = {}
        self._unwritten = False
        atexit.register(self.keep)
        atexit.register(gc.freeze)  # else Python looks for garbage among the syntax trees as it ends, several times
        with contextlib.suppress(OSError, ValueError, TypeError, AttributeError):
            found = json.loads(path.read_text(encoding="utf-8"))
            if found["code"] == self.code:
                self._kept = {str(key): str(value) for key, value in found["fingerprints"].items()}

    def __call__(self, script: str, *entries: str) -> str:
        """The fingerprint of a script and of what it finds by name. Raises InputError as `fingerprint` does."""
        key = " ".join((script, *entries))
        if key not in self._kept:
            with no_collection():
                self._kept[key] = fingerprint(script, *entries, scripts=self.scripts)
            self._unwritten = True
        return self._kept[key]

    def keep(self) -> None:
        """Write the file, where it lacks something."""
        if not self._unwritten or self._modification_times() != self._times:
            return  # edited since it was read: of which code these are, nobody knows
        self._unwritten = False
        with contextlib.suppress(OSError), atomic_path(self.path) as temporary:
            temporary.write_text(json.dumps({"code": self.code, "fingerprints": self._kept}), encoding="utf-8")

    def _modification_times(self) -> dict[Path, int]:
        return {path: path.stat().st_mtime_ns for path in sorted(self.scripts.rglob("*.py"))}


@contextlib.contextmanager
def no_collection() -> Iterator[None]:
    """Without looking for garbage: the nodes of syntax trees that are made here stay, and each look walks over all of them."""
    was = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was:
            gc.enable()
