"""Watching a training: losses in the log, a history that grows, and a tracker that shows the very same numbers."""

import importlib.machinery
import sys
from dataclasses import replace
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest
from accelerate.utils import LoggerType

from semihard.compute import engine, progress
from semihard.compute.tracking import Tracker
from semihard.errors import InputError
from semihard.recognizer import training
from semihard.recognizer.training import train_recognizer
from semihard.storage import schemas
from semihard.storage.artifacts import read_artifact
from semihard.storage.provenance import Provenance
from semihard.workflow.job import tracker_of
from tests.unit.killing import terminate_at
from tests.unit.test_recognizer_training import SETTINGS, files_in

PROVENANCE = Provenance("train_recognizer", {"backbone": "tiny"}, "code")
LONG = SETTINGS.model_copy(update={"epochs": 16})  # 80 steps, four windows


def run(people, folder, tracker=None, settings=LONG):
    train_recognizer(settings, people, replace(files_in(folder), tracker=tracker), 0, PROVENANCE)
    return (folder / "model").read_bytes(), read_artifact(folder / "history.h5", schemas.HISTORY)


def events_in(folder):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(folder))
    events.Reload()
    return {tag: [(event.step, event.value) for event in events.Scalars(tag)] for tag in events.Tags()["scalars"]}


def as_events(history):
    """What a history is in TensorBoard, whose numbers are float32."""
    steps = history["step"].tolist()
    return {
        name.removeprefix("columns/"): list(zip(steps, values.astype(np.float32).tolist(), strict=True))
        for name, values in history.items()
        if name != "step"
    }


def test_a_line_of_the_log_tells_the_latest_losses(people, tmp_path, monkeypatch, caplog):
    monkeypatch.setattr(progress, "SECONDS_BETWEEN_LINES", 0.0)
    caplog.set_level("INFO")
    _, history = run(people, tmp_path)
    lines = [line for line in caplog.messages if line.startswith("train") and " images/s" in line]
    assert len(lines) == 80
    assert "loss" not in lines[19] and lines[0].endswith("s left")  # none is known yet
    told = ", ".join(f"{name} {history[f'columns/{name}'][2]:.4g}" for name in ("loss", "accuracy"))
    assert f" s left, {told}, learning rate " in lines[60]


def test_the_history_so_far_lies_with_the_checkpoint(people, tmp_path, monkeypatch):
    whole, history = run(people, tmp_path / "whole")
    bytes_of_whole = (tmp_path / "whole" / "history.h5").read_bytes()
    with monkeypatch.context() as patch:
        terminate_at(50, patch, training, "augment")
        with pytest.raises(SystemExit):
            run(people, tmp_path / "killed")
    assert not (tmp_path / "killed" / "history.h5").exists()
    so_far = read_artifact(tmp_path / "killed" / "model.resume" / "history.h5", schemas.HISTORY)
    for name, values in so_far.items():
        assert values.tolist() == history[name][:2].tolist()
    assert run(people, tmp_path / "killed")[0] == whole
    assert (tmp_path / "killed" / "history.h5").read_bytes() == bytes_of_whole
    assert not (tmp_path / "killed" / "model.resume").exists()


def test_the_history_grows_at_every_checkpoint(people, tmp_path, monkeypatch):
    monkeypatch.setattr(engine, "SECONDS_BETWEEN_CHECKPOINTS", 0.0)
    seen, augment = [], training.augment

    def looking(*arguments):
        path = tmp_path / "model.resume" / "history.h5"
        seen.append(len(read_artifact(path, schemas.HISTORY)["step"]) if path.exists() else 0)
        return augment(*arguments)

    monkeypatch.setattr(training, "augment", looking)
    run(people, tmp_path)
    assert seen == [0] * 20 + [1] * 20 + [2] * 20 + [3] * 20


def test_tensorboard_shows_the_history_and_nothing_changes(people, tmp_path, monkeypatch):
    """Killed and gone on with, too: what an earlier start showed is struck out, and shown again as far as it counts."""
    whole, history = run(people, tmp_path / "alone")
    tracker = Tracker("tensorboard", tmp_path / "logs", "train/tiny/seed0")
    with monkeypatch.context() as patch:
        terminate_at(50, patch, training, "augment")
        with pytest.raises(SystemExit):
            run(people, tmp_path / "shown", tracker)
    assert [step for step, _ in events_in(tmp_path / "logs/train/tiny/seed0")["loss"]] == [20, 40]
    model, shown = run(people, tmp_path / "shown", tracker)
    assert model == whole
    assert (tmp_path / "shown/history.h5").read_bytes() == (tmp_path / "alone/history.h5").read_bytes()
    assert events_in(tmp_path / "logs/train/tiny/seed0") == as_events(shown) == as_events(history)
    assert set(as_events(shown)) == {"loss", "accuracy", "learning_rate"}


def test_of_two_processes_the_first_alone_shows(people, tmp_path):
    settings = LONG.model_copy(update={"processes": 2})
    _, history = run(people, tmp_path, Tracker("tensorboard", tmp_path / "logs", "run"), settings)
    assert len(list((tmp_path / "logs/run").iterdir())) == 1
    assert events_in(tmp_path / "logs/run") == as_events(history)


class FakeRun:
    """What wandb.init gives back."""

    def __init__(self, calls, fail_at=None):
        self.calls, self.fail_at = calls, fail_at

    def log(self, values, step):
        if step == self.fail_at:
            raise ConnectionError("the network is away\nfor a while")
        self.calls.append((step, values))

    def finish(self):
        self.calls.append("finished")


def fake(monkeypatch, name, **contents):
    """A module `name` that this Python and accelerate find installed."""
    module = ModuleType(name)
    module.__spec__ = importlib.machinery.ModuleSpec(name, None)
    vars(module).update(contents)
    monkeypatch.setitem(sys.modules, name, module)
    monkeypatch.setattr("accelerate.tracking._available_trackers", [LoggerType(name)])  # asked for when imported


@pytest.mark.parametrize("fail_at", [None, 40])
def test_wandb_is_told_the_settings_and_every_window(people, tmp_path, monkeypatch, caplog, fail_at):
    calls, given, settings = [], {}, {}

    def init(**arguments):
        given.update(arguments)
        return FakeRun(calls, fail_at)

    config = SimpleNamespace(update=lambda values, allow_val_change: settings.update(values))
    fake(monkeypatch, "wandb", init=init, config=config)
    _, history = run(people, tmp_path, Tracker("wandb", tmp_path / "logs", "train/tiny"))
    assert given == {
        "project": "semihard", "name": "train/tiny", "group": "train/tiny", "dir": str(tmp_path / "logs"),
    }  # fmt: skip
    assert settings == {"backbone": "tiny"}
    rows = [
        (step, {name.removeprefix("columns/"): values[i] for name, values in history.items() if name != "step"})
        for i, step in enumerate(history["step"].tolist())
    ]
    assert calls == ([*rows, "finished"] if fail_at is None else rows[:1])
    warned = "wandb: ConnectionError: the network is away; the training goes on without it" in caplog.messages
    assert warned == (fail_at is not None)


def test_mlflow_is_told_the_settings_and_every_window(people, tmp_path, monkeypatch):
    calls, given = [], {}
    limits = SimpleNamespace(MAX_PARAM_VAL_LENGTH=500, MAX_PARAMS_TAGS_PER_BATCH=100)
    fake(
        monkeypatch,
        "mlflow",
        search_experiments=lambda filter_string: [],
        create_experiment=lambda **arguments: given.update(arguments) or "7",
        start_run=lambda **arguments: given.update(arguments),
        log_params=calls.append,
        log_metrics=lambda values, step: calls.append((step, values)),
        end_run=lambda: calls.append("finished"),
        utils=SimpleNamespace(validation=limits),
    )
    _, history = run(people, tmp_path, Tracker("mlflow", tmp_path / "logs", "train/tiny"))
    assert (given["name"], given["experiment_id"], given["run_name"]) == ("semihard", "7", "train/tiny")
    assert calls[0] == {"backbone": "tiny"} and calls[-1] == "finished"
    assert [step for step, _ in calls[1:-1]] == history["step"].tolist()
    assert [values["loss"] for _, values in calls[1:-1]] == history["columns/loss"].tolist()


def test_a_tracker_that_is_not_there_is_said_before_anything_is_trained(people, tmp_path, monkeypatch):
    with pytest.raises(
        InputError, match=r"^study.tracker: mlflow is not installed; pip install mlflow, or leave `tracker` out$"
    ):
        run(people, tmp_path, Tracker("mlflow", tmp_path / "logs", "run"))

    def init(**_):
        raise ValueError("no API key\nlog in")

    fake(monkeypatch, "wandb", init=init)
    with pytest.raises(
        InputError, match=r"^study.tracker: wandb cannot be started \(ValueError: no API key\); set it up"
    ):
        run(people, tmp_path, Tracker("wandb", tmp_path / "logs", "run"))
    assert not list(tmp_path.glob("model*"))


def test_no_tracker_is_imported_unasked(people, tmp_path, monkeypatch):
    for name in ("tensorboard", "wandb", "mlflow"):
        monkeypatch.setitem(sys.modules, name, None)  # importing it raises
    run(people, tmp_path, settings=SETTINGS)


def test_a_job_finds_its_tracker_in_the_configuration():
    log = ["results/demo/logs/train_recognizer/tiny/real/seed0.log"]
    job = SimpleNamespace(config={"results": "results/demo", "study": {"tracker": "tensorboard"}}, log=log)
    tracker = tracker_of(job)
    assert (tracker.kind, str(tracker.folder)) == ("tensorboard", "results/demo/logs/tracker")
    assert tracker.run == "train_recognizer/tiny/real/seed0"
    assert tracker_of(SimpleNamespace(config={"study": {"real": "x"}}, log=log)) is None
