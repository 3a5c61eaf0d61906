"""A training shown in TensorBoard, Weights & Biases or MLflow while it runs, through accelerate's trackers.

Nothing of it enters a result: the losses that are shown are those of the history, fetched once per window anyway. A
tracker that fails in mid-run is left out from there on, and the training goes on.
"""

import importlib.util
import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from semihard.errors import InputError

if TYPE_CHECKING:  # every job imports this module, few have to do with torch
    from accelerate import Accelerator

log = logging.getLogger("semihard")
PROJECT = "semihard"  # of Weights & Biases, and MLflow's experiment


@dataclass(frozen=True)
class Tracker:
    """Who shows a training. kind: tensorboard, wandb or mlflow; folder: where its own files go; run: what the training is
    called there, a relative path."""

    kind: str
    folder: Path
    run: str

    def check(self) -> None:
        """Raises InputError where the package is not installed."""
        if importlib.util.find_spec(self.kind) is None:
            raise InputError(
                f"study.tracker: {self.kind} is not installed; pip install {self.kind}, or leave `tracker` out"
            )

    def start(self, accelerator: "Accelerator") -> None:
        """Start it, in the first process alone. accelerator: made with `log_with=kind` and `project_dir=folder`.

        In TensorBoard a run's folder is used again, and what an earlier start wrote there is struck out; the others have
        a run for every start. Raises InputError where it cannot be started, for want of an account, say.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        given = {
            "tensorboard": {"purge_step": 0},
            "wandb": {"name": self.run, "group": self.run, "dir": str(self.folder)},
            "mlflow": {"run_name": self.run},
        }
        project = self.run if self.kind == "tensorboard" else PROJECT
        try:
            accelerator.init_trackers(project, init_kwargs={self.kind: given[self.kind]})
        except Exception as error:  # whatever three packages raise
            raise InputError(
                f"study.tracker: {self.kind} cannot be started ({said(error)}); set it up, or leave `tracker` out"
            ) from None


class Watcher:
    """Sends what there is to see of one training to its tracker; without one it does nothing."""

    def __init__(self, accelerator: "Accelerator", tracker: Tracker | None):
        self._accelerator, self._tracker = accelerator, tracker

    def settings(self, settings: Mapping[str, object]) -> None:
        """What is trained, once; TensorBoard would make a further run of it."""
        if self._tracker and self._tracker.kind != "tensorboard":
            plain = {
                name: value if isinstance(value, bool | int | float | str) else json.dumps(value)
                for name, value in settings.items()
            }
            self._send(lambda: [one.store_init_configuration(plain) for one in self._accelerator.trackers])

    def window(self, row: Mapping[str, float]) -> None:
        """A row of the history: its step, and the means of its window."""
        values = {name: value for name, value in row.items() if name != "step"}
        self._send(lambda: self._accelerator.log(values, step=row["step"]))

    def end(self) -> None:
        """All has been sent. (Where a training fails, the tracker sees that its process ends.)"""
        self._send(lambda: [one.finish() for one in self._accelerator.trackers])
        self._accelerator.trackers = []

    def _send(self, what: object) -> None:
        if self._tracker is None:
            return
        try:
            what()
        except Exception as error:  # a network that is away for a moment must not cost a training of days
            log.warning("%s: %s; the training goes on without it", self._tracker.kind, said(error))
            self._tracker = None


def said(error: Exception) -> str:
    """An error's name and its first line."""
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__
