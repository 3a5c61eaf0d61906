"""The training loop of generators and recognizers: deterministic, killable at any moment, stopped by the first bad loss.

All randomness of step i is drawn after seeding with (seed, i), and batches are a function of (seed, epoch): nothing but
the step number has to be remembered to go on exactly where a run was, so a resumed training equals an undisturbed one.
That holds for the position in the data, the learning rate and every source of randomness.

Of several processes that share a batch (DistributedDataParallel) each calls `train`; the first alone writes.
"""

import logging
import shlex
import signal
import time
from collections.abc import Callable
from functools import lru_cache
from typing import Protocol

import numpy as np
import torch
from torch import distributed

from semihard.compute.processes import Agreement, is_first_process
from semihard.compute.progress import progress
from semihard.compute.seeds import seed_for
from semihard.errors import InputError, NonFiniteLossError
from semihard.storage.checkpoint import Resume

log = logging.getLogger("semihard")
SECONDS_BETWEEN_CHECKPOINTS = 120.0


Step = Callable[[int], dict[str, torch.Tensor]]


class Stateful(Protocol):
    def state_dict(self) -> dict: ...
    def load_state_dict(self, state: dict) -> object: ...


Row = dict[str, float]  # of the history: "step", the steps made so far, and the mean of each loss over its window


def unseen(_: object) -> None:
    """What is done with a row or a history that nobody watches."""


def columns(history: list[Row]) -> dict[str, np.ndarray]:
    """A history by name: "step" int64 `[S]`, the losses float64 `[S]`."""
    return {name: np.array([row[name] for row in history]) for name in history[0]}


def words(row: Row) -> str:
    """The losses of a window, for people."""
    return ", ".join(f"{name.replace('_', ' ')} {value:.4g}" for name, value in row.items() if name != "step")


def batch_indices(step: int, batch: int, count: int, seed: int) -> np.ndarray:
    """Images of optimizer step `step`: int64 `[batch]`, epoch after epoch, each a permutation of `count` images of its own.

    Batches run over the seams of epochs, so that every step has `batch` images even where `count` is smaller.
    """
    places = np.arange(step * batch, (step + 1) * batch)
    epochs, place = places // count, places % count
    chosen = np.empty(batch, np.int64)
    for epoch in np.unique(epochs).tolist():
        chosen[epochs == epoch] = permutation(epoch, count, seed)[place[epochs == epoch]]
    return chosen


@lru_cache(maxsize=4)
def permutation(epoch: int, count: int, seed: int) -> np.ndarray:
    """The order of an epoch, int64 `[count]`: drawn once for all its steps, 8 bytes an image."""
    return np.random.default_rng(seed_for(seed, "epoch", epoch)).permutation(count)


def train(
    what: str,
    step: Step,
    steps: int,
    state: dict[str, Stateful],
    resume: Resume,
    seed: int,
    batch_of: Callable[[int], np.ndarray],
    window: int = 20,
    see_window: Callable[[Row], None] = unseen,
    see_history: Callable[[list[Row]], None] = unseen,
) -> dict[str, np.ndarray]:
    """Run optimizer steps 0 … steps−1, going on from the checkpoint in `resume` if there is one.

    step: does everything of one optimizer step and returns named scalar losses, detached, left on the device (they are
    looked at once per `window` steps, so nothing synchronises in between). state: everything that must survive, by name.
    batch_of: the image indices of a step, named when its loss is not finite. see_window, see_history: called in the first
    process with each row of the history as it is made, and with the history so far at each checkpoint, those of an
    earlier start first. Returns the history: "step" int64 `[S]` and the mean of each loss over the processes and the
    `window` steps before it, float64 `[S]`.

    Raises InputError where the checkpoint does not fit `state`; NonFiniteLossError, in every process at once;
    SystemExit(143) after SIGTERM, 130 after SIGINT (Ctrl-C), with a checkpoint written after the current step.
    """
    history: list[Row] = []
    rows: list[Row] = []  # the losses of the window that is open
    pending: list[dict[str, torch.Tensor]] = []  # those still on the device
    start = 0
    if saved := resume.load():
        start, history, rows = saved["step"], saved["history"], saved["rows"]
        try:
            for name, part in state.items():
                part.load_state_dict(saved[name])
        except torch.OutOfMemoryError:
            raise
        except (KeyError, RuntimeError, ValueError):  # shapes, names or groups of parameters that are not these
            raise InputError(
                f"{what}: the checkpoint is of another network or optimizer, so it cannot be gone on with; set the "
                f"configuration back, or start over with: rm -rf {shlex.quote(str(resume.directory))}"
            ) from None
        if is_first_process() and history:
            for row in history:
                see_window(row)
            see_history(history)

    def settle(done: int) -> None:
        """Fetch the pending losses and check them; `done` steps have been made."""
        names = list(pending[0])
        values = torch.stack([torch.stack([losses[name].float() for name in names]) for losses in pending])
        if distributed.is_initialized():
            distributed.all_reduce(values)
            values /= distributed.get_world_size()
        for i, row in enumerate(values.tolist(), done - len(pending)):
            if not np.isfinite(row).all():
                raise NonFiniteLossError(
                    f"{what}: loss not finite at step {i} ({dict(zip(names, row, strict=True))}), images {batch_of(i).tolist()}; "
                    f"last good checkpoint: {resume.directory if resume.exists() else 'none yet'}. "
                    "Lower the learning rate or use precision fp32."
                )
            rows.append(dict(zip(names, row, strict=True)))
        pending.clear()

    def checkpoint(done: int) -> None:
        if not is_first_process():
            return
        parts = {name: part.state_dict() for name, part in state.items()}
        resume.save({"step": done, "history": history, "rows": rows} | parts)
        if history:
            see_history(history)

    stop, agree, asked = False, Agreement(), signal.SIGTERM

    def ask_to_stop(number: int, _: object) -> None:
        nonlocal stop, asked
        stop, asked = True, number

    previous = {number: signal.signal(number, ask_to_stop) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        last = time.monotonic()
        log.info("%s: %s step %d of %d", what, "going on from" if start else "beginning at", start, steps)
        batch = len(batch_of(start)) if start < steps else 0
        said = words(history[-1]) if history else ""
        with progress(what, steps * batch, "images", start * batch) as advance:
            for i in range(start, steps):
                torch.manual_seed(seed_for(seed, "step", i))
                pending.append(step(i))
                advance(batch, said)
                done = i + 1
                stop, due = agree(stop, time.monotonic() - last > SECONDS_BETWEEN_CHECKPOINTS)
                if done % window == 0 or done == steps or stop:
                    settle(done)
                    if done % window == 0 or done == steps:
                        history.append(
                            {"step": done} | {name: float(np.mean([row[name] for row in rows])) for name in rows[0]}
                        )
                        rows.clear()
                        said = words(history[-1])
                        if is_first_process():
                            see_window(history[-1])
                    if stop or (due and done < steps):
                        checkpoint(done)
                        last = time.monotonic()
                if stop:
                    log.warning("%s: asked to stop, saved at step %d", what, done)
                    raise SystemExit(128 + asked)
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
    return columns(history)
