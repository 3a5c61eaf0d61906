"""Checkpoints beside an output, in `<output>.resume/`: undeclared to Snakemake, so that a failed job does not lose them."""

import itertools
import json
import logging
import os
import shlex
import shutil
from collections.abc import Callable, Iterable
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from semihard.storage.atomic import atomic_path
from semihard.storage.checksum import sha256_of
from semihard.storage.lock import hold
from semihard.storage.provenance import Provenance

log = logging.getLogger("semihard")
KEY, STATE, DIGESTS, ANYWAY = "key", "state.pt", "state.sha256", "go_on_anyway"


class Resume:
    """The checkpoint directory of one output, valid for one combination of settings, code, seed and inputs.

    output: the file the job makes; inputs: the files it reads (size and modification time enter the key). A directory
    with finished work of another combination is put aside, never removed, and the log says what differs and how to go
    on with it all the same.

    One process at a time has it, as long as the object lives: raises InUseError, before anything is touched, where another
    one does. alone: False in a further process of the same training, which only reads.
    """

    def __init__(self, output: Path | str, provenance: Provenance, inputs: Iterable[Path | str], alone: bool = True):
        self.directory = folder_of(output)
        self._lock = hold(self.directory) if alone else None
        if self.directory.is_file():
            self.directory.unlink()
        stats = {str(path): stat_of(path) for path in inputs}
        parts = {"code": provenance.code, "seed": provenance.seed, "settings": provenance.settings, "inputs": stats}
        key = json.loads(json.dumps(parts))
        before = self._key()
        anyway = self.directory / ANYWAY
        if self.directory.exists() and before != key and not anyway.exists():
            self._put_aside(before, key)
        if self._key() != key:  # written once and whole: half a key would drop all that was finished
            with atomic_path(self.directory / KEY) as temporary:
                temporary.write_text(json.dumps(key), encoding="utf-8")
        if anyway.exists():
            anyway.unlink()

    def _key(self) -> dict | None:
        try:
            return json.loads((self.directory / KEY).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return None

    def _put_aside(self, before: dict | None, key: dict) -> None:
        if not any(path.name != KEY for path in self.directory.iterdir()):
            log.info("%s: nothing finished in it: removed", self.directory)
            shutil.rmtree(self.directory)
            return
        names = (self.directory.with_name(f"{self.directory.name}.aside{n}") for n in itertools.count(1))
        aside = next(path for path in names if not path.exists())
        self.directory.rename(aside)
        here, there, mark = (shlex.quote(str(path)) for path in (self.directory, aside, self.directory / ANYWAY))
        log.warning(
            "%s: checkpoint of other %s: put aside as %s. To go on with it all the same, stop this run, then: "
            "rm -rf %s && mv %s %s && touch %s",
            self.directory, "; ".join(differences(before, key)), aside.name, here, there, here, mark,
        )  # fmt: skip

    def load(self) -> dict | None:
        """The last complete checkpoint, on the CPU, or None."""
        if not self.exists():
            return None
        state, digests = self.directory / STATE, self.directory / DIGESTS
        try:
            if sha256_of(state) not in digests.read_text(encoding="utf-8").split():
                raise ValueError("its bytes have changed since they were written")
            return dict(torch.load(state, map_location="cpu", weights_only=True))
        except Exception as error:  # whatever torch makes of damaged bytes
            reason = str(error) if isinstance(error, ValueError) else type(error).__name__
            log.warning("%s: checkpoint cannot be read (%s): starting over", self.directory, reason)
            return None

    def exists(self) -> bool:
        """True where a checkpoint has been saved."""
        return (self.directory / STATE).exists()

    def save(self, state: dict) -> None:
        """Replace the checkpoint atomically: a kill at any moment leaves the old one or the new one, and the digests of
        both."""
        path, digests = self.directory / STATE, self.directory / DIGESTS
        with atomic_path(path) as temporary:
            with temporary.open("wb") as file:
                torch.save(state, file)
                file.flush()
                os.fsync(file.fileno())
            before = digests.read_text(encoding="utf-8").split()[:1] if digests.exists() else []
            with atomic_path(digests) as listed:
                listed.write_text("\n".join([sha256_of(temporary), *before]), encoding="utf-8")

    def discard(self) -> None:
        """Remove the directory, at once for who looks: the output is complete. It is kept where another job has just been
        refused it, whose Snakemake may remove the output: the next run then makes it again from the last checkpoint."""
        if self._lock and self._lock.refused_another():
            log.warning(
                "%s: kept, as a second job was refused it and Snakemake may remove what this one has made; run again, or, if "
                "nothing is missing: rm -rf %s", self.directory, shlex.quote(str(self.directory)),
            )  # fmt: skip
            self._lock.release()
            return
        done = self.directory.with_name(f".{self.directory.name}.done")
        shutil.rmtree(done, ignore_errors=True)
        self.directory.rename(done)
        if self._lock:
            self._lock.release()
        shutil.rmtree(done, ignore_errors=True)


def folder_of(output: Path | str) -> Path:
    """The checkpoint directory of an output."""
    return Path(f"{output}.resume")


def differences(before: dict | None, key: dict) -> list[str]:
    """What differs between two keys, in words."""
    if before is None:
        return ["origin (its key is missing or damaged)"]
    said = [f"{name} ({before.get(name)} → {key[name]})" for name in ("code", "seed") if before.get(name) != key[name]]
    old, new = before.get("settings") or {}, key["settings"]
    changed = [name for name in {**old, **new} if old.get(name) != new.get(name)]
    said += [f"settings.{name} ({old.get(name)} → {new.get(name)})" for name in changed]
    files = [path for path, stat in key["inputs"].items() if (before.get("inputs") or {}).get(path) != stat]
    return said + [f"input {path}" for path in files] or ["kind"]


def stat_of(path: Path | str) -> list[int]:
    """Size and modification time of a file: what says that it is another one now."""
    found = Path(path).stat()
    return [found.st_size, found.st_mtime_ns]


def kept_tensor(path: Path, key: object, make: Callable[[], torch.Tensor], write: bool) -> torch.Tensor:
    """The tensor on the CPU that `make` made before, in the file `path`, if it was kept there under the same `key` (plain
    JSON values); else what `make` makes now, kept there where `write`."""
    about = {"key": json.dumps(key)}
    if path.exists():
        try:
            with safe_open(path, "pt") as file:
                if file.metadata() == about:
                    return file.get_tensor("tensor")
        except SafetensorError as error:
            log.warning("%s: cannot be read (%s): made anew", path, error)
    tensor = make()
    if write:
        with atomic_path(path) as temporary:
            save_file({"tensor": tensor}, temporary, about)
    return tensor
