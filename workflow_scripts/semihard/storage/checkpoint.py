"""Checkpoints beside an output, in `<output>.resume/`: undeclared to Snakemake, so that a failed job does not lose them."""

import hashlib
import json
import logging
import os
import shutil
from collections.abc import Iterable
from pathlib import Path

import torch

from semihard.storage.atomic import atomic_path
from semihard.storage.provenance import Provenance

log = logging.getLogger("semihard")


class Resume:
    """The checkpoint directory of one output, valid for one combination of settings, code, seed and inputs.

    output: the file the job makes; inputs: the files it reads (size and modification time enter the key).
    A directory left by another combination is dropped and said so.
    """

    def __init__(self, output: Path | str, provenance: Provenance, inputs: Iterable[Path | str]):
        self.directory = Path(f"{output}.resume")
        stats = [(str(path), Path(path).stat().st_size, Path(path).stat().st_mtime_ns) for path in inputs]
        parts = [provenance.settings, provenance.code, provenance.seed, stats]
        key = hashlib.sha256(json.dumps(parts).encode()).hexdigest()
        key_file = self.directory / "key"
        if self.directory.exists() and (not key_file.exists() or key_file.read_bytes() != key.encode()):
            log.info("%s: checkpoint of other settings, code or inputs: ignored and removed", self.directory)
            shutil.rmtree(self.directory) if self.directory.is_dir() else self.directory.unlink()
        if not key_file.exists():  # written once and whole: half a key would drop all that was finished
            with atomic_path(key_file) as temporary:
                temporary.write_text(key)

    def load(self) -> dict | None:
        """The last complete checkpoint, on the CPU, or None."""
        if not self.exists():
            return None
        try:
            return dict(torch.load(self.directory / "state.pt", map_location="cpu", weights_only=True))
        except Exception as error:  # whatever torch makes of damaged bytes
            log.warning("%s: checkpoint cannot be read (%s): starting over", self.directory, type(error).__name__)
            return None

    def exists(self) -> bool:
        """True where a checkpoint has been saved."""
        return (self.directory / "state.pt").exists()

    def save(self, state: dict) -> None:
        """Replace the checkpoint atomically: a kill at any moment leaves the old one or the new one."""
        with atomic_path(self.directory / "state.pt") as temporary, temporary.open("wb") as file:
            torch.save(state, file)
            file.flush()
            os.fsync(file.fileno())

    def discard(self) -> None:
        """Remove the directory, at once for who looks: the output is complete."""
        done = self.directory.with_name(f".{self.directory.name}.done")
        shutil.rmtree(done, ignore_errors=True)
        self.directory.rename(done)
        shutil.rmtree(done, ignore_errors=True)
