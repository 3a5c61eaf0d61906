"""Training of the generator: it learns, survives a kill bit by bit, and its file says what it is."""

import json
import multiprocessing
import os
import signal
import socket
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file

from semihard.compute.processes import launch
from semihard.compute.training_run import TrainingFiles
from semihard.errors import InputError
from semihard.generator import training
from semihard.generator.methods.cemiface.objective import CemiFaceObjective
from semihard.generator.methods.cemiface.settings import CemiFaceGenerator
from semihard.generator.model_file import load_generator
from semihard.generator.training import train_generator
from semihard.recognizer.backbone import build_backbone
from semihard.recognizer.model_file import EmbedderSpec, save_model, weights_digest
from semihard.similarity.embedders import load_embedder
from semihard.similarity.embedding import unit_embeddings
from semihard.storage import schemas
from semihard.storage.artifacts import read_artifact
from semihard.storage.checkpoint import kept_tensor
from semihard.storage.faceset import FaceSet, FaceSetWriter
from semihard.storage.provenance import Provenance
from tests.unit.killing import terminate_at
from tests.unit.toy_generator import DIM, SIZE, toy_embedder, toy_faces

PROVENANCE = Provenance(rule="train_generator", settings={"a": 1}, code="c")


def entry(**given) -> CemiFaceGenerator:
    defaults = {
        "network": "tiny",
        "image_size": SIZE,
        "batch": 8,
        "epochs": 10,
        "learning_rate": 2e-3,
        "muon_learning_rate": None,  # its products are bf16, and so is the rounding that parts and processes change
        "precision": "fp32",
    }
    return CemiFaceGenerator(trained_on="f", embedder="e", **(defaults | given))


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    """Here and in the processes started here: sums are then the same to the bit."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OMP_NUM_THREADS", "1")
        yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def inputs(tmp_path_factory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("inputs")
    return toy_faces(folder / "faces.h5", 8, 2), toy_embedder(folder / "embedder.safetensors")


def run(settings: CemiFaceGenerator, inputs: tuple[Path, Path], folder: Path) -> Path:
    outputs = [folder / name for name in ("model.safetensors", "history.h5", "epochs")]
    train_generator(settings, inputs[0], TrainingFiles(*outputs), PROVENANCE, inputs[1])
    return folder / "model.safetensors"


def test_losses_fall_and_are_recorded(inputs, tmp_path):
    path = run(entry(epochs=40), inputs, tmp_path)
    history = read_artifact(tmp_path / "history.h5", schemas.HISTORY)
    assert history["step"].tolist() == [20, 40, 60, 80]
    assert {name for name in history if name != "step"} == {
        f"columns/{name}" for name in ("loss", "loss_mse", "loss_rec", "loss_sim", "gradient_norm")
    }
    assert history["columns/loss_mse"][-1] < 0.8 * history["columns/loss_mse"][0]
    network, spec = load_generator(path, torch.device("cpu"))
    assert not network.training and not any(parameter.requires_grad for parameter in network.parameters())
    assert (spec.network, spec.image_size, spec.embedding_dim, spec.timesteps) == ("tiny", SIZE, DIM, 1000)
    assert spec.embedder_sha256 == weights_digest(inputs[1])
    with safe_open(path, "pt") as file:
        provenance = json.loads(file.metadata()["semihard"])["provenance"]
    assert provenance["rule"] == "train_generator" and provenance["settings"] == '{"a": 1}'
    assert not Path(f"{path}.resume").exists()


def test_a_killed_training_ends_in_the_same_bytes(inputs, tmp_path, monkeypatch):
    (tmp_path / "whole").mkdir()
    (tmp_path / "killed").mkdir()
    whole = run(entry(), inputs, tmp_path / "whole")
    embedded = []
    monkeypatch.setattr(training, "unit_embeddings", lambda *given: embedded.append(1) or unit_embeddings(*given))
    calls = terminate_at(7, monkeypatch, CemiFaceObjective, "losses")
    with pytest.raises(SystemExit) as stop:
        run(entry(), inputs, tmp_path / "killed")
    assert stop.value.code == 143 and not (tmp_path / "killed" / "model.safetensors").exists()
    resumed = run(entry(), inputs, tmp_path / "killed")
    assert len(calls) == 20
    assert resumed.read_bytes() == whole.read_bytes()
    assert len(embedded) == 1  # what goes on does not embed the set again
    assert not Path(f"{resumed}.embeddings").exists()


def test_kept_embeddings_of_another_set_or_cut_are_made_anew(tmp_path):
    path, made = tmp_path / "model.embeddings", []

    def make() -> torch.Tensor:
        made.append(1)
        return torch.full((3, 2), float(len(made)))

    assert kept_tensor(path, ["a", [1, 2]], make, False)[0, 0] == 1 and not path.exists()
    assert kept_tensor(path, ["a", [1, 2]], make, True)[0, 0] == 2
    assert kept_tensor(path, ["a", [1, 2]], make, True)[0, 0] == 2
    assert kept_tensor(path, ["a", [1, 3]], make, True)[0, 0] == 3
    path.write_bytes(path.read_bytes()[:-5])
    assert kept_tensor(path, ["a", [1, 3]], make, True)[0, 0] == 4


def test_what_is_saved_is_the_average(inputs, tmp_path, monkeypatch):
    """Decay after k steps is min(0.9, 1 − k^−0.75), 0 at the first; recomputed from the weights after each step."""
    seen = []
    step = training.WeightAverage.step

    def watched(self, parameters):
        seen.append([parameter.detach().clone() for parameter in parameters])
        step(self, parameters)

    monkeypatch.setattr(training.WeightAverage, "step", watched)
    path = run(entry(epochs=3, ema_decay=0.5), inputs, tmp_path)
    average = seen[0]
    for k, weights in enumerate(seen[1:], 1):
        decay = min(0.5, 1 - (1 + k) ** -0.75)
        average = [decay * a + (1 - decay) * w for a, w in zip(average, weights, strict=True)]
    saved = list(load_generator(path, torch.device("cpu"))[0].parameters())
    assert all(torch.allclose(a, s, atol=1e-6) for a, s in zip(average, saved, strict=True))
    assert not all(torch.allclose(w, s, atol=1e-6) for w, s in zip(seen[-1], saved, strict=True))


def test_embeddings_are_unit_vectors_in_the_order_of_the_images(inputs):
    images = torch.from_numpy(FaceSet(inputs[0]).images(slice(None))).permute(0, 3, 1, 2)
    embedder = load_embedder(inputs[1])
    found = unit_embeddings(embedder, images.split(5), len(images))
    assert not found.is_inference() and np.allclose(found.norm(dim=1), 1, atol=1e-5)
    naive = torch.cat([torch.nn.functional.normalize(embedder.embed(image[None])) for image in images])
    assert torch.allclose(found, naive, atol=0.02)


def test_a_checkpoint_of_the_average_goes_to_the_device_of_the_weights():
    saved = training.WeightAverage([torch.zeros(2)]).state_dict()
    average = training.WeightAverage([torch.zeros(2, device="meta")])
    average.load_state_dict(saved)
    assert average.shadow_params[0].device.type == "meta"


def outcome(folder: Path) -> tuple[torch.Tensor, np.ndarray]:
    """All weights in a row, and all losses."""
    history = read_artifact(folder / "history.h5", schemas.HISTORY)
    losses = np.concatenate([history[name] for name in sorted(history) if name != "step"])
    return torch.cat([weights.flatten() for weights in load_file(folder / "model.safetensors").values()]), losses


@pytest.fixture(scope="module")
def undivided(inputs, tmp_path_factory) -> tuple[torch.Tensor, np.ndarray]:
    """At a rate so small that Adam, which divides by the size of a gradient, does not amplify rounding."""
    folder = tmp_path_factory.mktemp("undivided")
    run(entry(learning_rate=1e-4), inputs, folder)
    return outcome(folder)


def same(found: tuple[torch.Tensor, np.ndarray], expected: tuple[torch.Tensor, np.ndarray]) -> bool:
    """Losses to 1e-4 of their size, weights to 1e-6 on average: they have moved by up to 2e-3."""
    return np.allclose(found[1], expected[1], rtol=1e-4) and float((found[0] - expected[0]).abs().mean()) < 1e-6


@pytest.mark.parametrize("accumulation", [2, 4])
def test_accumulation_changes_nothing_but_rounding(inputs, tmp_path, undivided, accumulation):
    run(entry(learning_rate=1e-4, accumulation=accumulation), inputs, tmp_path)
    assert same(outcome(tmp_path), undivided)


def stop_at_the_seventh(marks: Path, *arguments: object) -> None:
    """Train in one of two processes; at the seventh step the first asks their parent to stop."""
    losses, calls = CemiFaceObjective.losses, []

    def counted(*given, **drawn):
        calls.append(1)
        if len(calls) == 7 and os.environ["RANK"] == "0":
            os.kill(os.getppid(), signal.SIGTERM)
        return losses(*given, **drawn)

    CemiFaceObjective.losses = counted
    try:
        training.train_generator(*arguments)
    finally:
        (marks / f"{os.environ['RANK']}: {len(calls)}").touch()


def test_two_processes_make_the_same_and_go_on_after_sigterm(inputs, tmp_path, undivided):
    (marks := tmp_path / "marks").mkdir()
    settings = entry(learning_rate=1e-4, processes=2)
    outputs = [tmp_path / name for name in ("model.safetensors", "history.h5", "epochs")]
    with pytest.raises(SystemExit) as stopped:
        launch(2, stop_at_the_seventh, marks, settings, inputs[0], TrainingFiles(*outputs), PROVENANCE, inputs[1])
    assert stopped.value.code == 143
    (calls,) = {path.name.split(": ")[1] for path in marks.iterdir()}  # both made the same steps
    saved = torch.load(f"{outputs[0]}.resume/state.pt", weights_only=True)
    assert saved["step"] == int(calls) and 7 <= saved["step"] < 20
    run(settings, inputs, tmp_path)
    assert same(outcome(tmp_path), undivided)


def test_under_torchrun_a_single_process_gives_the_same_bytes(inputs, tmp_path, undivided):
    """As torchrun starts it: a process group of one, in a process of its own, for it can be made only once."""
    context = multiprocessing.get_context("spawn")
    worker = context.Process(target=under_torchrun, args=(entry(learning_rate=1e-4), inputs, tmp_path))
    worker.start()
    worker.join()
    assert worker.exitcode == 0
    (weights, losses), (expected, expected_losses) = outcome(tmp_path), undivided
    assert torch.equal(weights, expected) and (losses == expected_losses).all()


def under_torchrun(settings: CemiFaceGenerator, inputs: tuple[Path, Path], folder: Path) -> None:
    with socket.socket() as free:
        free.bind(("localhost", 0))
        port = free.getsockname()[1]
    ranks = {"RANK": "0", "LOCAL_RANK": "0", "WORLD_SIZE": "1", "LOCAL_WORLD_SIZE": "1"}
    os.environ |= ranks | {"MASTER_ADDR": "localhost", "MASTER_PORT": str(port)}
    run(settings, inputs, folder)


def test_a_guide_of_other_proportions_is_refused_before_anything_is_decoded(tmp_path, inputs):
    backbone = build_backbone("tiny", (16, 12), DIM)
    save_model(tmp_path / "narrow.safetensors", backbone, EmbedderSpec("tiny", (16, 12), DIM))
    with pytest.raises(InputError, match="has images of 16x16 pixels .* but .*narrow.safetensors was made for 16x12"):
        run(entry(), (inputs[0], tmp_path / "narrow.safetensors"), tmp_path)
    assert not (tmp_path / "model.safetensors").exists()


def test_images_that_are_not_square_are_refused(tmp_path, inputs):
    with FaceSetWriter(tmp_path / "tall.h5", (20, 16), "raw") as writer:
        writer.add(np.zeros((8, 20, 16, 3), np.uint8), [f"p{i % 2}" for i in range(8)])
    with pytest.raises(InputError, match=r"tall.h5 has images of 20x16 pixels .*, generators make square ones: align"):
        run(entry(), (tmp_path / "tall.h5", inputs[1]), tmp_path)


def test_what_keeps_no_epoch_or_no_part_of_a_batch_is_refused_with_the_configuration():
    with pytest.raises(ValueError, match=r"keep_every 3 is more than the epochs 2.5: none would be kept"):
        entry(epochs=2.5, keep_every=3)
    with pytest.raises(ValueError, match=r"guide_every 3 does not divide 4, the images worked off at a time"):
        entry(batch=8, accumulation=2, guide_every=3)


@pytest.mark.parametrize(("network", "size"), [("small_64", 56), ("tiny", 20), ("dcface_112", 100)])
def test_a_size_that_does_not_suit_the_network_is_refused_with_the_configuration(network: str, size: int):
    with pytest.raises(ValueError, match=f"image_size {size}: {network} takes multiples of"):
        entry(network=network, image_size=size)
