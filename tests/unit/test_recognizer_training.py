"""Recognizer training: it learns, it is repeatable, it survives interruption to the bit, and labels are what they say."""

import os
import signal

import numpy as np
import pytest
import torch

from semihard.artifacts import read_artifact
from semihard.errors import InputError
from semihard.faceset import FaceSet, FaceSetWriter
from semihard.provenance import Provenance
from semihard.recognizer import training
from semihard.recognizer.domain_mixup import RealFaces
from semihard.recognizer.labelled import LabelledImages
from semihard.recognizer.model_file import load_class_centers, load_model
from semihard.recognizer.targets import read_targets
from semihard.recognizer.training import build_optimizer, learning_rate, train_recognizer
from semihard.settings import Recognizer
from semihard.similarity.embedders import load_embedder

SETTINGS = Recognizer(
    backbone="tiny", embedding_dim=16, image_size=16, batch=16, epochs=8, milestones=(6,), learning_rate=0.05,
    scale=16, low_resolution=0.2, precision="fp32",
)  # fmt: skip
CPU = torch.device("cpu")


@pytest.fixture(autouse=True)
def one_thread():
    """Networks this small only wait for each other's threads."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def write_people(path, people: int, each: int = 10, first: int = 0, seed: int = 0, **columns) -> None:
    """Identities that differ in colour and pattern, 16 × 16 pixels."""
    random = np.random.default_rng(seed)
    with FaceSetWriter(path, (16, 16), "raw") as writer:
        for k in range(people):
            base = np.kron(random.integers(0, 256, (4, 4, 3)), np.ones((4, 4, 1)))
            images = np.clip(base + random.normal(0, 25, (each, 16, 16, 3)), 0, 255).astype(np.uint8)
            rows = slice(k * each, (k + 1) * each)
            writer.add(images, [f"person {first + k}"] * each, {name: values[rows] for name, values in columns.items()})


@pytest.fixture
def people(tmp_path):
    write_people(tmp_path / "people.h5", 8)
    return tmp_path / "people.h5"


def run(settings, faces, output, seed=0, real=None, provenance=Provenance(code="x")):  # noqa: B008
    train_recognizer(settings, faces, output / "model", output / "history.h5", seed, provenance, real)
    return (output / "model").read_bytes(), read_artifact(output / "history.h5", "history")


def test_it_learns_and_the_model_file_is_complete(people, tmp_path):
    _, history = run(SETTINGS, people, tmp_path)
    assert history["columns/loss"][-1] < 0.5 * history["columns/loss"][0]
    assert history["columns/accuracy"][-1] > 0.9
    assert history["columns/learning_rate"][0] == pytest.approx(0.05)
    assert history["columns/learning_rate"][-1] == pytest.approx((0.05 + 0.005) / 2)  # ten of its twenty steps each
    assert history["step"][-1] == 8 * 80 // 16
    assert not (tmp_path / "model.resume").exists()

    _, spec = load_model(tmp_path / "model")
    assert (spec.backbone, spec.image_size, spec.embedding_dim) == ("tiny", (16, 16), 16)
    assert (spec.colour, spec.mean, spec.scale, spec.crop_from) == ("rgb", 127.5, 127.5, None)
    weight, names = load_class_centers(tmp_path / "model")
    assert weight.shape == (8, 16) and names == [f"person {k}" for k in range(8)]
    # the weights are trained ones: images lie nearest to their own class center
    faces = FaceSet(people)
    pixels = torch.from_numpy(faces.images(slice(None))).permute(0, 3, 1, 2)
    features = load_embedder(tmp_path / "model").embed(pixels)
    nearest = (torch.nn.functional.normalize(features) @ torch.nn.functional.normalize(weight).T).argmax(1)
    assert (nearest.numpy() == faces.identity).mean() > 0.9


def test_a_seed_gives_one_result_and_another_another(people, tmp_path):
    short = SETTINGS.model_copy(update={"epochs": 1})
    results = [run(short, people, tmp_path, seed)[0] for seed in (0, 0, 1)]
    assert results[0] == results[1] != results[2]


def mixed_people(path) -> None:
    random = np.random.default_rng(5)
    partner = random.integers(-1, 8, 80).astype(np.int32)
    write_people(
        path, 8, partner=partner, phi=np.where(partner < 0, 1, random.integers(0, 21, 80) / 20).astype(np.float32)
    )


@pytest.mark.parametrize(("head", "with_real"), [("cosface", False), ("adaface", True)])
@pytest.mark.parametrize("at", [3, 27])
def test_interrupted_training_ends_with_the_same_bytes(tmp_path, monkeypatch, head, with_real, at):
    mixed_people(tmp_path / "people.h5")
    write_people(tmp_path / "real.h5", 3, first=100)
    settings = SETTINGS.model_copy(update={"head": head, "epochs": 6, "momentum": 0.9})
    real = tmp_path / "real.h5" if with_real else None
    expected = run(settings, tmp_path / "people.h5", tmp_path / "straight", real=real)

    calls, augment = [], training.augment

    def interrupted(*args):
        calls.append(1)
        if len(calls) == at:
            os.kill(os.getpid(), signal.SIGTERM)
        return augment(*args)

    monkeypatch.setattr(training, "augment", interrupted)
    with pytest.raises(SystemExit) as stopped:
        run(settings, tmp_path / "people.h5", tmp_path / "twice", real=real)
    assert stopped.value.code == 143
    assert not (tmp_path / "twice/model").exists() and (tmp_path / "twice/model.resume/state.pt").exists()
    found = run(settings, tmp_path / "people.h5", tmp_path / "twice", real=real)
    assert len(calls) == 30  # no step was done twice
    assert found[0] == expected[0]
    # The windows of the history are cut where the run was; the losses inside them are the same.
    last = {name: values[-1] for name, values in found[1].items()}
    assert last["step"] == expected[1]["step"][-1]


# ── targets ──


def test_two_hot_targets(tmp_path):
    partner = np.array([1, -1, 0, 1], np.int32)
    phi = np.array([0.25, 1.0, 0.0, 0.95], np.float32)
    write_people(tmp_path / "f.h5", 2, 2, partner=partner, phi=phi)
    label, weight = read_targets(FaceSet(tmp_path / "f.h5"))
    assert label.tolist() == [[0, 1], [0, 0], [1, 0], [1, 1]]
    assert weight.numpy() == pytest.approx(np.array([[0.25, 0.75], [1, 0], [0, 1], [0.95, 0.05]]), abs=1e-7)


def test_plain_sets_have_one_label(people):
    label, weight = read_targets(FaceSet(people))
    assert label[:, 0].tolist() == FaceSet(people).identity.tolist() and label.shape == weight.shape == (80, 1)
    assert (weight == 1).all()


def test_bad_labels_are_refused(tmp_path):
    path = tmp_path / "f.h5"
    images = np.zeros((3, 16, 16, 3), np.uint8)
    with FaceSetWriter(path, (16, 16), "raw") as writer:
        writer.add(images, ["a", "", "b"])
    with pytest.raises(InputError, match=r"image 1 is unlabelled \(1 of 3\)"):
        read_targets(FaceSet(path))
    with FaceSetWriter(path, (16, 16), "raw") as writer:
        writer.add(images, ["a", "a", "a"])
    with pytest.raises(InputError, match="has 1 identity; a recognizer needs two or more"):
        train_recognizer(SETTINGS, path, tmp_path / "m", tmp_path / "h", 0, Provenance())
    for partner, phi, message in ((2, 0.5, "image 3 has partner 2, expected -1 … 1"), (1, 1.5, "image 3 has phi 1.5")):
        columns = {"partner": np.array([-1] * 3 + [partner]), "phi": np.array([1.0] * 3 + [phi])}
        write_people(path, 2, 2, **columns)
        with pytest.raises(InputError, match=message):
            read_targets(FaceSet(path))
    faces = FaceSet(path)
    faces.identity[0] = 7
    with pytest.raises(InputError, match="image 0 has identity 7, expected 0 … 1"):
        read_targets(faces)
    assert not (tmp_path / "m").exists()


# ── domain mixup ──


def test_domain_mixup_mixes_pixels_and_weights_alike(people, tmp_path):
    write_people(tmp_path / "real.h5", 3, 2, first=100, seed=9)
    real = RealFaces(tmp_path / "real.h5", (16, 16), CPU, FaceSet(people).identity_names, 0)
    assert real.names == [f"person {k}" for k in [*range(8), 100, 101, 102]]
    off = Recognizer(crop_scale=1, erasing_scale=(0, 0), colour_jitter=0)
    originals = torch.from_numpy(FaceSet(tmp_path / "real.h5").images(slice(None))).permute(0, 3, 1, 2) / 127.5 - 1
    originals = torch.cat([originals, originals.flip(3)])
    seen, used = set(), []
    x, label = torch.full((4, 3, 16, 16), 0.5), torch.tensor([[0, 1]] * 4)
    weight = torch.tensor([[0.25, 0.75]] * 4)
    for step in range(120):
        torch.manual_seed(step)
        mixed, labels, weights = real.mix(step, x, label, weight, off)
        psi = round(float(weights[0, :2].sum()) * 20) / 20
        seen.add(psi)
        assert labels.shape == weights.shape == (4, 3)
        assert torch.allclose(weights, torch.tensor([psi * 0.25, psi * 0.75, 1 - psi]).expand(4, 3), atol=1e-6)
        assert labels[:, 2].min() >= 8 and labels[:, 2].max() < 11
        used += labels[:, 2].tolist()
        if psi < 1:  # what remains is one of the real images of that identity, mirrored or not
            remainder = (mixed - psi * x) / (1 - psi)
            distance = (remainder[:, None] - originals).abs().amax((2, 3, 4))
            assert distance.min(1).values.max() < 1e-3
            assert (distance.argmin(1) % 6 // 2 + 8).tolist() == labels[:, 2].tolist()
        else:
            assert torch.allclose(mixed, x)
    assert seen == {k / 20 for k in range(21)}
    assert np.bincount(used, minlength=11)[8:].tolist() == [160] * 3  # the real list is cycled evenly


def test_a_name_in_both_sets_is_refused(people, tmp_path):
    write_people(tmp_path / "real.h5", 2, first=7)
    with pytest.raises(InputError, match=r"identity 'person 7' \(1 in all\) is in the synthetic set too"):
        train_recognizer(SETTINGS, people, tmp_path / "m", tmp_path / "h", 0, Provenance(), tmp_path / "real.h5")


def test_domain_mixup_trains_joint_classes(people, tmp_path):
    write_people(tmp_path / "real.h5", 3, first=100, seed=9)
    run(SETTINGS.model_copy(update={"epochs": 1}), people, tmp_path, real=tmp_path / "real.h5")
    weight, names = load_class_centers(tmp_path / "model")
    assert weight.shape == (11, 16) and names[8:] == ["person 100", "person 101", "person 102"]


# ── the recipe ──


def test_learning_rate():
    settings = Recognizer(learning_rate=0.1, milestones=(26, 34), warmup_epochs=2)
    rates = [learning_rate(settings, epoch) for epoch in (0, 1, 2, 25.99, 26, 33.9, 34, 39)]
    assert rates == pytest.approx([0.00005, 0.05005, 0.1, 0.1, 0.01, 0.01, 0.001, 0.001])
    assert learning_rate(Recognizer(), 0) == 0.1


def test_weight_decay_spares_biases_normalisation_and_prelu(people):
    from semihard.recognizer.backbones import build_backbone

    network = build_backbone("tiny", (16, 16), 8)
    decayed, spared = (group for group in build_optimizer(network, SETTINGS, CPU).param_groups)
    assert decayed["weight_decay"] == 5e-4 and spared["weight_decay"] == 0 and decayed["momentum"] == 0.9
    names = {id(parameter): name for name, parameter in network.named_parameters()}
    kinds = (torch.nn.Conv2d, torch.nn.Linear)
    expected = {f"{name}.weight" for name, module in network.named_modules() if isinstance(module, kinds)}
    assert {names[id(p)] for p in decayed["params"]} == expected
    rest = {names[id(p)] for p in spared["params"]}
    assert rest == set(names.values()) - expected - {"features.weight"}


def test_images_are_resized_once_to_the_networks_size(people):
    faces = LabelledImages(people, (8, 8), CPU, first_class=5)
    pixels, label, weight = faces.batch(np.array([79, 0]))
    assert pixels.shape == (2, 3, 8, 8) and pixels.dtype == torch.uint8
    assert label.tolist() == [[12], [5]] and weight.tolist() == [[1.0], [1.0]]
