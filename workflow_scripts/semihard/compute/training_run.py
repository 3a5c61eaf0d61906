"""What goes on around the optimizer steps of a training, whatever is trained: processes, resuming, epochs kept, history."""

import shutil
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from accelerate import Accelerator

from semihard.compute.device import best_device
from semihard.compute.engine import Row, Stateful, Step, batch_indices, columns, train
from semihard.compute.processes import is_first_process
from semihard.compute.tracking import Tracker, Watcher
from semihard.errors import InputError
from semihard.storage import schemas
from semihard.storage.artifacts import write_artifact
from semihard.storage.checkpoint import Resume, folder_of
from semihard.storage.lock import hold
from semihard.storage.provenance import Provenance


@dataclass(frozen=True)
class TrainingFiles:
    """What a training writes: the model file, the history of its losses and the folder of the epochs kept; and who shows
    it meanwhile, if anybody."""

    model: Path | str
    history: Path | str
    epochs: Path | str
    tracker: Tracker | None = None


@dataclass(frozen=True)
class Schedule:
    """Which images an optimizer step sees, and after which steps an epoch is kept.

    rows: the images trained on, int64 `[N]`; steps: all that are made; keep_every: epochs, 0 for none kept.
    """

    rows: np.ndarray
    batch: int
    epochs: float
    steps: int
    keep_every: int
    seed: int

    def batch_of(self, step: int) -> np.ndarray:
        """The images of optimizer step `step`, int64 `[batch]`."""
        return self.rows[batch_indices(step, self.batch, len(self.rows), self.seed)]

    def kept_epoch(self, step: int) -> int | None:
        """The epoch that ends with optimizer step `step`, if it is one to be kept; the last step ends the last epoch."""
        if not self.keep_every:
            return None
        before, after = (steps * self.batch // len(self.rows) for steps in (step, step + 1))
        after = int(self.epochs) if step + 1 == self.steps else min(after, int(self.epochs))
        last = after - after % self.keep_every  # a small set may end several epochs in a step
        return last if before < last else None


class TrainingRun:
    """One training in one of its processes.

    Attributes: accelerator, which shares the gradients; device; process, the number of this one. Raises InputError where
    other than `processes` have been started, or the tracker is not there; InUseError where another training is at work on
    `files`.
    """

    def __init__(self, processes: int, files: TrainingFiles):
        tracker = files.tracker
        if tracker:
            tracker.check()
        shown = {"log_with": tracker.kind, "project_dir": str(tracker.folder)} if tracker else {}
        self.accelerator = Accelerator(cpu=best_device().type == "cpu", **shown)
        if self.accelerator.num_processes != processes:
            raise InputError(
                f"{self.accelerator.num_processes} processes were started for a training in {processes}: set `processes`"
            )
        self.device, self.process = self.accelerator.device, self.accelerator.process_index
        self._lock = hold(folder_of(files.model)) if is_first_process() else None  # before hours of work
        if tracker and is_first_process():
            tracker.start(self.accelerator)
        self._watcher = Watcher(self.accelerator, tracker if is_first_process() else None)

    def train(
        self,
        what: str,
        step: Step,
        schedule: Schedule,
        state: dict[str, Stateful],
        save: Callable[[Path | str, bool], None],
        files: TrainingFiles,
        provenance: Provenance,
        inputs: Iterable[Path | str | None],
    ) -> None:
        """Make all optimizer steps, going on where a run with the same settings, code and inputs was killed; write `files`.

        step, state: as engine.train has them; save: writes the model to a path, told whether it is the finished one;
        inputs: the files that are read, None for those that are not. While the training goes on, its history so far is
        `history.h5` in the checkpoint's folder, written anew at every checkpoint: a file under its own name is a whole
        one. The model appears last, when all else is whole.
        """
        with self.accelerator.main_process_first():
            given = [path for path in inputs if path is not None]
            resume = Resume(files.model, provenance, given, alone=is_first_process())
        kept = resume.directory / "epochs"

        def step_and_keep(i: int) -> dict:
            losses = step(i)
            if is_first_process() and (epoch := schedule.kept_epoch(i)):
                save(kept / f"epoch{epoch:04}.safetensors", False)
            return losses

        def write_history(path: Path | str, history: dict[str, np.ndarray]) -> None:
            data = {name if name == "step" else f"columns/{name}": values for name, values in history.items()}
            write_artifact(path, schemas.HISTORY, data, provenance)

        def see_history(history: list[Row]) -> None:
            write_history(resume.directory / "history.h5", columns(history))

        self._watcher.settings(provenance.settings)
        history = train(
            what, step_and_keep, schedule.steps, state, resume, schedule.seed, schedule.batch_of,
            see_window=self._watcher.window, see_history=see_history,
        )  # fmt: skip
        if is_first_process():
            write_history(files.history, history)
            kept.mkdir(exist_ok=True)
            shutil.rmtree(files.epochs, ignore_errors=True)
            shutil.copytree(kept, files.epochs)  # a copy: what Snakemake throws away after a kill is still there
            save(files.model, True)
            resume.discard()
        self._watcher.end()
        self.accelerator.end_training()
