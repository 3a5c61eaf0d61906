"""What small and old GPUs need: a batch worked off in parts, and float16 with a scaled loss."""

import copy
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import nn

from semihard.compute import device as devices
from semihard.compute.device import autocast, dtype_of
from semihard.compute.processes import launch
from semihard.compute.tensors import to_float
from semihard.compute.training_run import TrainingFiles
from semihard.errors import InputError, NonFiniteLossError
from semihard.generator import training as generator_training
from semihard.generator.methods.cemiface.objective import CemiFaceObjective
from semihard.generator.methods.cemiface.settings import CemiFaceGenerator
from semihard.generator.training import train_generator
from semihard.recognizer import memory, training
from semihard.recognizer.memory import training_bytes
from semihard.recognizer.settings import DomainMixup, Recognizer
from semihard.storage import schemas
from semihard.storage.artifacts import read_artifact
from semihard.storage.provenance import Provenance
from semihard.workflow.study import given
from tests.unit.killing import terminate_at
from tests.unit.test_recognizer_training import SETTINGS, run
from tests.unit.toy_generator import SIZE, toy_embedder, toy_faces
from tests.unit.toy_people import write_people

CPU = torch.device("cpu")
pytestmark = pytest.mark.usefixtures("one_thread")
ONE_STEP = SETTINGS.model_copy(
    update={"batch": 80, "epochs": 1, "weight_decay": 0.0, "momentum": 0.0, "milestones": ()}
)


def flat_network() -> nn.Module:
    """Embeddings `[n, 16]` without batch norm."""
    return nn.Sequential(nn.Conv2d(3, 8, 5, stride=3), nn.PReLU(8), nn.Flatten(), nn.Linear(8 * 16, 16))


@pytest.fixture
def seen(monkeypatch) -> list:
    """Trainings of a network without batch norm: before each forward pass, (a copy of the model, images, labels, weights);
    the trained model is the last one's `trained`."""
    passes = []

    class Recorded(training.Recognition):
        def __init__(self, backbone, head):
            super().__init__(flat_network(), head)

        def forward(self, x, label, weight):
            passes.append(SimpleNamespace(before=copy.deepcopy(self), x=x, label=label, weight=weight, trained=self))
            return super().forward(x, label, weight)

    monkeypatch.setattr(training, "Recognition", Recorded)
    monkeypatch.setattr(training, "save_model", lambda path, *_, **__: path.write_bytes(b"saved elsewhere"))
    return passes


CASES = {
    "cosface": {},
    "arcface, clipped": {"head": "arcface", "margin": 0.5, "clip_norm": 0.01},
    "sampled": {"sampled_share": 0.5},
    "domain mixup": {"domain_mixup": DomainMixup(real="real")},
}


@pytest.mark.parametrize("case", CASES)
def test_parts_of_a_batch_give_the_gradient_of_the_whole(people, tmp_path, seen, case):
    """Against a naive one: image by image, the mean of their losses."""
    settings = ONE_STEP.model_copy(update=CASES[case] | {"accumulation": 4})
    real = None
    if settings.domain_mixup:
        write_people(real := tmp_path / "real.h5", 3, first=100, seed=9)
    run(settings, people, tmp_path, real=real)
    assert [len(part.x) for part in seen] == [20] * 4
    naive, trained = seen[0].before, seen[0].trained
    losses = [
        naive.head.loss(naive.backbone(part.x[i : i + 1]), part.label[i : i + 1], part.weight[i : i + 1])[0]
        for part in seen
        for i in range(len(part.x))
    ]
    torch.stack(losses).mean().backward()
    if settings.clip_norm:
        nn.utils.clip_grad_norm_(naive.backbone.parameters(), settings.clip_norm)
    rate = training.learning_rate(settings, 0)
    moved = 0.0
    for before, after in zip(naive.parameters(), trained.parameters(), strict=True):
        assert torch.allclose(after, before - rate * before.grad, atol=1e-6, rtol=1e-4)
        moved = max(moved, float((after - before).detach().abs().max()))
    assert moved > 1e-4


def test_parts_see_the_images_that_the_whole_batch_has(people, tmp_path, seen):
    """Augmented alike, so that the history of both says the same."""
    whole = run(ONE_STEP, people, tmp_path / "whole")[1]
    parts = run(ONE_STEP.model_copy(update={"accumulation": 4}), people, tmp_path / "parts")[1]
    assert torch.equal(seen[0].x, torch.cat([part.x for part in seen[1:]]))
    for name, values in whole.items():
        assert values == pytest.approx(parts[name], rel=1e-5)


def train_flat(settings: Recognizer, faces: Path, folder: Path) -> None:
    """In one process of several: a training without batch norm and augmentation; the first keeps what it learned."""
    trained = []

    class Flat(training.Recognition):
        def __init__(self, backbone, head):
            super().__init__(flat_network(), head)
            trained.append(self)

    training.Recognition = Flat
    training.augment = lambda images, settings: to_float(images)
    training.save_model = lambda path, *_, **__: torch.save(trained[0].state_dict(), path)
    run(settings, faces, folder)


@pytest.mark.parametrize("share", [1.0, 0.5])
def test_processes_and_parts_share_a_batch_alike(people, tmp_path, share):
    """Gradients are summed between processes once, after the last part."""
    settings = SETTINGS.model_copy(update={"batch": 40, "epochs": 4, "milestones": (), "sampled_share": share})
    found = []
    for processes, parts in ((1, 1), (2, 2)):
        changed = {"processes": processes, "accumulation": parts}
        folder = tmp_path / f"{processes}"
        folder.mkdir()
        launch(processes, train_flat, settings.model_copy(update=changed), people, folder)
        found.append(torch.load(folder / "model", weights_only=True))
    assert all(torch.allclose(value, found[1][name], atol=2e-5) for name, value in found[0].items())


def test_parts_are_counted_and_named_where_the_whole_does_not_fit(people, tmp_path, monkeypatch, caplog):
    needed = {a: training_bytes(Recognizer(accumulation=a), 10_572, half=True) for a in (1, 2, 4, 8)}
    assert needed[1] > 1.6 * needed[2] > 2.2 * needed[4] > 2.2 * needed[8]
    small = [training_bytes(SETTINGS.model_copy(update={"accumulation": a}), 8, False) for a in (1, 2, 4, 8)]
    assert small == sorted(small, reverse=True)
    caplog.set_level("INFO")
    monkeypatch.setattr(memory, "free_memory", lambda device: (small[2] + 1, "this toy"))
    with pytest.raises(InputError, match=r"this toy has 0.0 GB free; set `accumulation` to 4, or lower `batch` \(16\)"):
        run(SETTINGS, people, tmp_path)
    run(SETTINGS.model_copy(update={"accumulation": 4, "epochs": 1}), people, tmp_path)
    assert "train recognizer: 5 steps of 16 images, 1 process(es) × 4 part(s) of 4, about" in caplog.text


def test_parts_that_do_not_divide_are_refused():
    for wrong, message in (
        ({"batch": 512, "processes": 2, "accumulation": 3}, "does not divide among 2 processes × 3 parts"),
        ({"batch": 8, "processes": 2, "accumulation": 4}, "two images or more in each process and part"),
        ({"accumulation": 0}, "greater than or equal to 1"),
    ):
        with pytest.raises(ValueError, match=message):
            Recognizer(**wrong)


def test_a_training_in_one_part_is_the_one_it_was_before_there_were_parts():
    """Nothing of the knob is in a rule's parameters, so that no result is made anew."""
    assert "accumulation" not in given(Recognizer()) and given(Recognizer(accumulation=2))["accumulation"] == 2
    assert given(Recognizer())["processes"] == 1


# ── float16 ──


def test_precisions(monkeypatch):
    for fast, auto in ((True, torch.bfloat16), (False, torch.float32)):
        monkeypatch.setattr(devices, "has_fast_bf16", lambda device, fast=fast: fast)
        found = [dtype_of(CPU, name) for name in ("auto", "bf16", "fp16", "fp32")]
        assert found == [auto, torch.bfloat16, torch.float16, torch.float32]
    x = torch.randn(4, 4)
    for name in ("bf16", "fp16", "fp32"):
        with autocast(CPU, name):
            assert (x @ x).dtype == dtype_of(CPU, name)


HALF = SETTINGS.model_copy(update={"precision": "fp16"})


def test_float16_learns_and_goes_on_to_the_same_bytes(people, tmp_path, monkeypatch):
    whole, history = run(HALF, people, tmp_path / "whole")
    assert history["columns/loss"][-1] < 0.5 * history["columns/loss"][0]
    assert history["columns/loss_scale"][-1] >= 1
    with monkeypatch.context() as patch:
        terminate_at(23, patch, training, "augment")
        with pytest.raises(SystemExit):
            run(HALF, people, tmp_path / "resumed")
    scaler = torch.load(tmp_path / "resumed/model.resume/state.pt", weights_only=True)["scaler"]
    assert scaler["_growth_tracker"] > 0
    assert run(HALF, people, tmp_path / "resumed")[0] == whole


def scaled_by(monkeypatch, scale: float):
    def scaler(device, precision):
        return torch.amp.GradScaler(device.type, init_scale=scale, enabled=precision == "fp16")

    monkeypatch.setattr(training, "loss_scaler", scaler)


def test_steps_that_overflow_are_skipped_and_harm_nothing(people, tmp_path, monkeypatch, seen):
    """Its first ones among them, in which SGD makes its momentum."""
    scaled_by(monkeypatch, 2.0**40)
    settings = HALF.model_copy(update={"clip_norm": 5.0, "sampled_share": 0.5})
    _, history = run(settings, people, tmp_path)
    scales = history["columns/loss_scale"]
    assert scales[0] > scales[-1] and scales[-1] <= 2.0**32
    first = seen[0].before.backbone.state_dict()
    for name, value in seen[4].before.backbone.state_dict().items():
        assert torch.equal(value, first[name])  # not moved
    assert any(not torch.equal(value, first[name]) for name, value in seen[-1].before.backbone.state_dict().items())
    assert all(torch.isfinite(value).all() for value in seen[-1].trained.state_dict().values())
    assert history["columns/loss"][-1] < history["columns/loss"][0]


def test_a_training_that_skips_every_step_ends(people, tmp_path, monkeypatch):
    head = training.Recognition.forward

    def spoilt(self, *given):
        loss, accuracy = head(self, *given)
        return loss + 0 * (self.backbone.fc.weight.sum() * 0).sqrt(), accuracy  # finite, its gradient is not

    monkeypatch.setattr(training.Recognition, "forward", spoilt)
    with pytest.raises(NonFiniteLossError, match="'loss_scale': nan"):
        run(HALF, people, tmp_path)


def test_a_loss_of_float16_that_is_not_finite_still_ends_the_training(people, tmp_path, monkeypatch):
    forward = training.Recognition.forward
    monkeypatch.setattr(
        training.Recognition, "forward", lambda self, *given: (forward(self, *given)[0] * np.inf, torch.ones(()))
    )
    with pytest.raises(NonFiniteLossError, match="loss not finite at step 0"):
        run(HALF, people, tmp_path)


def train_toy_generator(folder: Path, **given) -> tuple[bytes, dict]:
    """A toy generator's file and history."""
    embedder = folder / "embedder.safetensors"
    if not embedder.exists():
        folder.mkdir()
        toy_faces(folder / "faces.h5", 8, 2)
        toy_embedder(embedder)
    settings = CemiFaceGenerator(
        **{"trained_on": "f", "embedder": "e", "network": "tiny", "image_size": SIZE, "batch": 8, "epochs": 20},
        **{"learning_rate": 2e-3, "precision": "fp16"},
        **given,
    )
    files = TrainingFiles(folder / "model", folder / "history.h5", folder / "epochs")
    train_generator(settings, folder / "faces.h5", files, Provenance(), embedder)
    return (folder / "model").read_bytes(), read_artifact(folder / "history.h5", schemas.HISTORY)


def test_generators_learn_in_float16_and_go_on_to_the_same_bytes(tmp_path, monkeypatch):
    """From a scale so great that the first steps are skipped: Muon and AdamW."""

    def scaler(device, precision):
        return torch.amp.GradScaler(device.type, init_scale=2.0**34, enabled=precision == "fp16")

    monkeypatch.setattr(generator_training, "loss_scaler", scaler)
    whole, history = train_toy_generator(tmp_path / "whole", muon_learning_rate=0.02)
    assert history["columns/loss"][-1] < history["columns/loss"][0]
    assert history["columns/loss_scale"][-1] < 2.0**34 and np.isfinite(history["columns/gradient_norm"]).all()
    with monkeypatch.context() as patch:
        terminate_at(23, patch, CemiFaceObjective, "losses")
        with pytest.raises(SystemExit):
            train_toy_generator(tmp_path / "killed", muon_learning_rate=0.02)
    assert (tmp_path / "killed" / "model.resume" / "state.pt").exists()
    assert train_toy_generator(tmp_path / "killed", muon_learning_rate=0.02)[0] == whole
