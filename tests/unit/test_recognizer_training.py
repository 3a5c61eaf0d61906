"""Recognizer training: it learns, it is repeatable, it survives interruption to the bit, and labels are what they say."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from semihard.compute.tensors import resize
from semihard.compute.training_run import Schedule, TrainingFiles
from semihard.errors import InputError
from semihard.recognizer import training
from semihard.recognizer.backbone import build_backbone
from semihard.recognizer.domain_mixup import RealFaces
from semihard.recognizer.memory import activation_bytes, training_bytes
from semihard.recognizer.model_file import load_class_centers, load_model
from semihard.recognizer.settings import DomainMixup, Recognizer
from semihard.recognizer.training import build_optimizer, embedder_spec, learning_rate, train_recognizer
from semihard.recognizer.training_set import TrainingSet, read_targets
from semihard.similarity.embedders import load_embedder
from semihard.storage import schemas
from semihard.storage.artifacts import read_artifact
from semihard.storage.faceset import FaceSet, FaceSetWriter
from semihard.storage.provenance import Provenance
from tests.unit.killing import terminate_at
from tests.unit.toy_people import write_people

SETTINGS = Recognizer(
    backbone="tiny", embedding_dim=16, image_size=16, batch=16, epochs=8, milestones=(6,), learning_rate=0.05 * 512 / 16,
    scale=16, low_resolution=0.2, precision="fp32",
)  # fmt: skip
CPU = torch.device("cpu")
pytestmark = pytest.mark.usefixtures("one_thread")


def with_real(settings):
    return settings.model_copy(update={"domain_mixup": DomainMixup(real="real")})


def files_in(folder):
    return TrainingFiles(folder / "model", folder / "history.h5", folder / "epochs")


def run(settings, faces, output, seed=0, real=None, provenance=Provenance(code="x")):  # noqa: B008
    train_recognizer(settings, faces, files_in(output), seed, provenance, real)
    return (output / "model").read_bytes(), read_artifact(output / "history.h5", schemas.HISTORY)


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


CHANGES = {
    "cosface": {},
    "adaface, domain mixup": {"head": "adaface", "domain_mixup": DomainMixup(real="real"), "clip_norm": 1.0},
    "curricularface, sampled, epochs kept": {
        "head": "curricularface",
        "sampled_share": 0.5,
        "keep_every": 2,
        "batch": 2,
    },
}


@pytest.mark.parametrize("changed", CHANGES.values(), ids=CHANGES)
@pytest.mark.parametrize("at", [3, 27])
def test_interrupted_training_ends_with_the_same_bytes(tmp_path, monkeypatch, changed, at):
    mixed_people(tmp_path / "people.h5")
    write_people(tmp_path / "real.h5", 3, first=100)
    settings = SETTINGS.model_copy(update={"epochs": 6, **changed})
    real = tmp_path / "real.h5" if changed.get("domain_mixup") else None
    expected = run(settings, tmp_path / "people.h5", tmp_path / "straight", real=real)

    calls = terminate_at(at, monkeypatch, training, "augment")
    with pytest.raises(SystemExit) as stopped:
        run(settings, tmp_path / "people.h5", tmp_path / "twice", real=real)
    assert stopped.value.code == 143
    assert not (tmp_path / "twice/model").exists() and (tmp_path / "twice/model.resume/state.pt").exists()
    found = run(settings, tmp_path / "people.h5", tmp_path / "twice", real=real)
    assert len(calls) == (1 + bool(real)) * 6 * 80 // settings.batch  # no step was done twice
    assert found[0] == expected[0]
    kept = [
        [(path.name, path.read_bytes()) for path in sorted((tmp_path / run / "epochs").iterdir())]
        for run in ("straight", "twice")
    ]
    assert kept[0] == kept[1] and [name for name, _ in kept[0]] == [
        f"epoch000{k}.safetensors" for k in (2, 4, 6) if settings.keep_every
    ]
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
        train_recognizer(SETTINGS, path, files_in(tmp_path), 0, Provenance())
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


def test_an_identity_without_images_is_a_gap(people):
    faces = FaceSet(people)
    faces.identity[faces.identity == 3] = 4
    with pytest.raises(InputError, match=r"identity 3 \('person 3'\) has no image \(1 of 8 have none\)"):
        read_targets(faces)


# ── domain mixup ──


def test_domain_mixup_mixes_pixels_and_weights_alike(people, tmp_path):
    write_people(tmp_path / "real.h5", 3, 2, first=100, seed=9)
    real = RealFaces(tmp_path / "real.h5", FaceSet(people).identity_names, DomainMixup(real="real"), 0)
    assert real.names == [f"person {k}" for k in [*range(8), 100, 101, 102]]
    seen, used = set(), []
    label, weight = torch.tensor([[0, 1]] * 4), torch.tensor([[0.25, 0.75]] * 4)
    x, pixels = torch.full((4, 3, 2, 2), 0.5), torch.full((4, 3, 2, 2), -1.0)
    for step in range(120):
        torch.manual_seed(step)
        draw = real.draw(step, 4)
        labels, weights = draw.joint(label, weight)
        seen.add(draw.psi)
        assert labels.shape == weights.shape == (4, 3)
        psi = draw.psi
        assert torch.allclose(weights, torch.tensor([psi * 0.25, psi * 0.75, 1 - psi]).expand(4, 3))
        assert torch.allclose(draw.pixels(x, pixels), torch.full_like(x, psi * 0.5 - (1 - psi)))
        identity = torch.from_numpy(FaceSet(tmp_path / "real.h5").identity[draw.chosen].astype(np.int64))
        assert labels[:, 2].tolist() == (8 + identity).tolist()
        used += labels[:, 2].tolist()
    assert seen == {k / 20 for k in range(21)}
    assert np.bincount(used, minlength=11)[8:].tolist() == [160] * 3  # the real list is cycled evenly


def test_a_name_in_both_sets_is_refused_unless_told(people, tmp_path):
    write_people(tmp_path / "real.h5", 2, first=7)
    settings = SETTINGS.model_copy(update={"domain_mixup": DomainMixup(real="real")})
    with pytest.raises(InputError, match=r"identity 'person 7' \(1 in all\) is in the synthetic set too"):
        run(settings, people, tmp_path, real=tmp_path / "real.h5")
    told = DomainMixup(real="real", same_names="one_class")
    real = RealFaces(tmp_path / "real.h5", FaceSet(people).identity_names, told, 0)
    assert real.names == [f"person {k}" for k in range(9)]
    assert real.faces.label[:, 0].tolist() == [7] * 10 + [8] * 10


def test_domain_mixup_trains_joint_classes(people, tmp_path):
    write_people(tmp_path / "real.h5", 3, first=100, seed=9)
    run(with_real(SETTINGS.model_copy(update={"epochs": 1})), people, tmp_path, real=tmp_path / "real.h5")
    weight, names = load_class_centers(tmp_path / "model")
    assert weight.shape == (11, 16) and names[8:] == ["person 100", "person 101", "person 102"]


# ── the recipe ──


def test_learning_rate():
    settings = Recognizer(learning_rate=0.1, milestones=(26, 34), warmup_epochs=2)
    rates = [learning_rate(settings, epoch) for epoch in (0, 1, 2, 25.99, 26, 33.9, 34, 39)]
    assert rates == pytest.approx([0.00005, 0.05005, 0.1, 0.1, 0.01, 0.01, 0.001, 0.001])
    assert learning_rate(Recognizer(), 0) == 0.1
    assert learning_rate(Recognizer(batch=128), 0) == pytest.approx(0.025)  # insightface's 0.02 at 128 is this, rounded
    linear = Recognizer(rate_schedule="linear", epochs=20)
    assert [learning_rate(linear, epoch) for epoch in (0, 5, 20)] == pytest.approx([0.1, 0.075, 0])


def test_recipes_are_the_papers():
    irse, tiny = Recognizer(), Recognizer(recipe="tiny")
    assert (irse.backbone, irse.head, irse.margin, irse.scale, irse.epochs, irse.milestones) == (
        "ir_se_50", "cosface", None, 64, 40, (26, 34),
    )  # fmt: skip
    synface = Recognizer(recipe="synface")
    assert (synface.width, synface.head, synface.scale) == (96, "arcface", 30)
    assert embedder_spec(synface).image_size == (112, 96) and embedder_spec(synface).crop_from == (112, 112)
    ada = Recognizer(recipe="adaface")
    assert (ada.crop_in_place, ada.low_resolution, ada.photometric, ada.milestones) == (0.2, 0.2, 0.2, (12, 20, 24))
    assert Recognizer(recipe="arcface_torch").rate_schedule == "linear"
    assert learning_rate(tiny, 0) == pytest.approx(0.1)
    # what is given wins over the recipe
    assert Recognizer(recipe="tiny").margin == 0.2 and Recognizer(recipe="tiny", margin=0.3).margin == 0.3
    assert Recognizer(recipe="tiny", head="arcface").margin is None  # 0.2 was chosen for CosFace
    assert Recognizer(recipe="adaface", head="arcface").head == "arcface"
    assert Recognizer(recipe="adaface", clip_norm=None).clip_norm is None
    for given, message in (
        ({"batch": 10, "processes": 3}, "does not divide among 3"),
        ({"width": 113}, "more than the image_size"),
        ({"erasing_scale": (0.2, 0.1)}, "no range"),
        ({"batch": 2, "processes": 2}, "two images or more"),
        ({"recipe": "synface", "image_size": 32}, "width 96 of recipe synface is more than the image_size 32"),
        ({"milestones": (5, 2)}, "in rising order"),
        ({"milestones": (0,)}, "epochs from 1 on"),
        ({"warmup_epochs": 9, "epochs": 2}, "warmup_epochs 9 are more than the epochs 2"),
        ({"keep_every": 5, "epochs": 2}, "none would be kept"),
    ):
        with pytest.raises(ValueError, match=message):
            Recognizer(**given)


def test_epochs_are_kept_where_they_end(people, tmp_path):
    settings = SETTINGS.model_copy(update={"epochs": 5, "keep_every": 2, "batch": 24})
    run(settings, people, tmp_path)
    names = sorted(path.name for path in (tmp_path / "epochs").iterdir())
    assert names == ["epoch0002.safetensors", "epoch0004.safetensors"]
    earlier, last = load_model(tmp_path / "epochs" / names[-1]), load_model(tmp_path / "model")
    assert earlier[1] == last[1]
    assert not torch.equal(earlier[0].fc.weight, last[0].fc.weight)
    schedule = Schedule(np.arange(80), batch=24, epochs=5, steps=17, keep_every=2, seed=0)
    ends = [schedule.kept_epoch(i) for i in range(17)]  # 24 images a step: 2 epochs are 160 images, in step 6
    assert {i: epoch for i, epoch in enumerate(ends) if epoch} == {6: 2, 13: 4}


# ── memory ──


def test_activations_are_counted_as_a_naive_count_of_one_convolution_has_it():
    network = torch.nn.Sequential(torch.nn.Conv2d(3, 8, 3, padding=1, bias=False), torch.nn.ReLU()).to("meta")
    x = torch.empty(2, 3, 10, 10, device="meta")
    assert activation_bytes(network, x) == 4 * (x.numel() + 2 * 8 * 100)  # the input, and the ReLU's output


def test_a_training_that_cannot_fit_is_refused_before_it_begins(people, tmp_path, monkeypatch):
    settings = Recognizer(batch=512)
    needed = training_bytes(settings, 10_572, half=True)
    assert 15e9 < needed < 60e9  # IR-SE-50 at batch 512 in bf16
    assert training_bytes(settings.model_copy(update={"batch": 256}), 10_572, half=True) < 0.6 * needed
    millions = training_bytes(settings, 10_000_000, half=True)
    sampled = training_bytes(settings.model_copy(update={"sampled_share": 0.1}), 10_000_000, half=True)
    assert sampled < 0.6 * millions
    monkeypatch.setattr("psutil.virtual_memory", lambda: SimpleNamespace(available=1 << 20))
    with pytest.raises(
        InputError, match=r"needs about .* GB beside its images, this machine has 0.0 GB free; lower `batch`"
    ):
        run(SETTINGS, people, tmp_path)
    assert not list(tmp_path.glob("model*"))


def test_what_cannot_be_trained_is_refused(people, tmp_path):
    with pytest.raises(InputError, match=r"people.h5: a batch of 160 is more than the 80 images"):
        run(SETTINGS.model_copy(update={"batch": 160}), people, tmp_path)
    with pytest.raises(InputError, match="domain mixup needs both"):
        run(with_real(SETTINGS), people, tmp_path)
    with pytest.raises(InputError, match="domain mixup needs both"):
        run(SETTINGS, people, tmp_path, real=people)
    with FaceSetWriter(tmp_path / "wide.h5", (16, 20), "raw") as writer:
        writer.add(np.zeros((32, 16, 20, 3), np.uint8), ["a", "b"] * 16)
    with pytest.raises(InputError, match=r"wide.h5 has images of 16x20 pixels .*tiny was made for 16x16"):
        run(SETTINGS, tmp_path / "wide.h5", tmp_path)
    assert not list(tmp_path.glob("model"))


# ── processes ──


def test_two_processes_share_a_batch(tmp_path):
    """Batch norm sees halves, so the weights differ; what is learned does not."""
    write_people(tmp_path / "people.h5", 30, 5)
    changed = {"processes": 2, "batch": 20, "sampled_share": 0.5, "learning_rate": 0.05 * 512 / 20, "epochs": 12}
    settings = SETTINGS.model_copy(update=changed)
    _, history = run(settings, tmp_path / "people.h5", tmp_path)
    assert history["columns/loss"][-1] < 0.6 * history["columns/loss"][0]
    again = run(settings, tmp_path / "people.h5", tmp_path / "again")
    assert again[0] == (tmp_path / "model").read_bytes()


def test_weight_decay_spares_biases_normalisation_and_prelu():
    network = build_backbone("tiny", (16, 16), 8)
    decayed, spared = (group for group in build_optimizer(network, SETTINGS, CPU).param_groups)
    assert decayed["weight_decay"] == 5e-4 and spared["weight_decay"] == 0 and decayed["momentum"] == 0.9
    names = {id(parameter): name for name, parameter in network.named_parameters()}
    kinds = (torch.nn.Conv2d, torch.nn.Linear)
    expected = {f"{name}.weight" for name, module in network.named_modules() if isinstance(module, kinds)}
    assert {names[id(p)] for p in decayed["params"]} == expected
    rest = {names[id(p)] for p in spared["params"]}
    assert rest == set(names.values()) - expected - {"features.weight"}


def test_images_are_decoded_once_at_the_networks_size(people):
    faces = TrainingSet(people)
    faces.decode(embedder_spec(SETTINGS.model_copy(update={"image_size": 8, "width": 6})), CPU)
    pixels, (label, weight) = faces.images(np.array([79, 0])), faces.targets(np.array([79, 0]))
    whole = resize(torch.from_numpy(FaceSet(people).images([79, 0])).permute(0, 3, 1, 2), 8)
    assert torch.equal(pixels, whole[..., 1:7])  # the middle columns
    assert label.tolist() == [[7], [0]] and weight.tolist() == [[1.0], [1.0]]
