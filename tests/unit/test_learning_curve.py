"""Epochs kept by a generator's training, and fidelity over images seen, for every method."""

import shutil
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

from semihard.audit import learning_curve
from semihard.audit.fidelity import draw, halves
from semihard.audit.learning_curve import measure_learning
from semihard.audit.settings import FidelityAudit
from semihard.compute.training_run import Schedule, TrainingFiles
from semihard.errors import InputError
from semihard.figures.audits import plot_fidelity
from semihard.figures.learning import plot_epochs, plot_learning, plot_learning_faces, plot_learning_similarity
from semihard.figures.sheets import tile_of
from semihard.generator import training
from semihard.generator.method import method_named
from semihard.generator.methods.cemiface.settings import CemiFaceGenerator
from semihard.generator.methods.ddpm.settings import UnconditionalGenerator
from semihard.generator.model_file import load_generator
from semihard.generator.samplers import denoise, draw_noise
from semihard.generator.training import steps_of, train_generator
from semihard.similarity.embedders import load_embedder
from semihard.similarity.embedding import embed_faces
from semihard.similarity.embedding_pairs import identity_of_each
from semihard.storage import schemas
from semihard.storage.artifacts import read_artifact, write_artifact
from semihard.storage.faceset import FaceSet
from semihard.storage.provenance import Provenance
from tests.unit.toy_generator import SIZE, toy_embedder, toy_faces, toy_generator

PROVENANCE = Provenance(rule="r")
CPU = torch.device("cpu")
SMALL = {"trained_on": "f", "network": "tiny", "image_size": SIZE, "batch": 8, "precision": "fp32"}


def entry(**given) -> CemiFaceGenerator:
    return CemiFaceGenerator(**(SMALL | {"embedder": "e"} | given))


@pytest.fixture(scope="module")
def inputs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("inputs")
    faces, embedder = toy_faces(folder / "faces.h5", 24, 2), toy_embedder(folder / "embedder.safetensors")
    judge = toy_embedder(folder / "judge.safetensors", dim=6, seed=3)
    embed_faces(faces, judge, folder / "embeddings.h5")
    return faces, embedder, judge, folder / "embeddings.h5"


def train(settings, inputs, folder):
    folder.mkdir(exist_ok=True)
    outputs = [folder / name for name in ("model.safetensors", "history.h5", "epochs")]
    guide = None if settings.method == "ddpm" else inputs[1]
    train_generator(settings, inputs[0], TrainingFiles(*outputs), PROVENANCE, guide)
    return outputs


def curve(settings, inputs, epochs, output) -> dict[str, np.ndarray]:
    guide = None if settings.method == "ddpm" else inputs[1]
    faces, _, judge, embeddings = inputs
    measure_learning(FidelityAudit(), settings, epochs, faces, embeddings, judge, output, PROVENANCE, guide)
    return read_artifact(output, schemas.LEARNING)


def test_every_so_many_epochs_are_kept_and_the_last_is_the_result(inputs, tmp_path):
    model, _, epochs = train(entry(epochs=6, keep_every=2), inputs, tmp_path)
    assert sorted(path.name for path in epochs.iterdir()) == [f"epoch000{n}.safetensors" for n in (2, 4, 6)]
    last, result = load_file(epochs / "epoch0006.safetensors"), load_file(model)
    assert all(torch.equal(last[name], result[name]) for name in result)
    plain, _, none = train(entry(epochs=6), inputs, tmp_path / "plain")
    assert not list(none.iterdir())
    assert all(torch.equal(value, result[name]) for name, value in load_file(plain).items())  # keeping changes nothing


@pytest.mark.parametrize(
    ("images", "batch", "every", "epochs"),
    [
        (48, 8, 1, 3),
        (50, 8, 2, 7),
        (5, 8, 3, 10),
        (48, 7, 1, 2),
        (4001, 64, 2, 10),
        (96, 70, 1, 1),
        (23500, 256, 20, 100),
    ],
)
def test_kept_epochs_are_those_whose_images_have_been_seen(images: int, batch: int, every: int, epochs: int):
    steps = steps_of(entry(epochs=epochs, batch=batch), images)
    schedule = Schedule(np.arange(images), batch, epochs, steps, every, seed=0)
    kept = {i: epoch for i in range(steps) if (epoch := schedule.kept_epoch(i))}
    for i, epoch in kept.items():
        assert epoch % every == 0 and i * batch < epoch * images
        assert epoch * images <= (i + 1) * batch + 1e-3 or i == steps - 1  # the last step ends the last epoch
    assert max(kept.values()) == epochs - epochs % every
    if images >= batch:
        assert sorted(kept.values()) == list(range(every, epochs + 1, every))
    assert replace(schedule, keep_every=0).kept_epoch(steps - 1) is None


def test_a_resumed_training_keeps_what_it_kept_before(inputs, tmp_path, monkeypatch):
    monkeypatch.setattr("semihard.compute.engine.SECONDS_BETWEEN_CHECKPOINTS", 0.0)
    settings, calls = entry(epochs=6, keep_every=2), []
    save = training.save_generator

    def failing(*given):
        calls.append(1)
        if len(calls) == 2:
            raise KeyboardInterrupt
        save(*given)

    monkeypatch.setattr(training, "save_generator", failing)
    with pytest.raises(KeyboardInterrupt):
        train(settings, inputs, tmp_path)
    monkeypatch.setattr(training, "save_generator", save)
    _, _, epochs = train(settings, inputs, tmp_path)
    assert len(list(epochs.iterdir())) == 3


def test_the_curve_has_every_epoch_and_falls_as_the_generator_learns(inputs, tmp_path):
    """From noise, a hundred steps take a toy nearer to its training set."""
    settings = entry(epochs=20, keep_every=10, learning_rate=2e-3)
    _, _, epochs = train(settings, inputs, tmp_path)
    toy_generator(epochs / "epoch0000.safetensors", inputs[1])  # random weights: what training begins with, and worse
    found = curve(settings, inputs, epochs, tmp_path / "learning.h5")
    assert found["epoch"].tolist() == [0, 10, 20] and found["images"].tolist() == [0, 480, 960]
    distance = found["value"][:, list(found["name"]).index("frechet_distance")]
    assert distance[2] < distance[0] / 2 and found["null"].shape == (5,)
    again = curve(settings, inputs, epochs, tmp_path / "again.h5")
    assert np.array_equal(found["value"], again["value"])
    plot_learning(tmp_path / "learning.h5", tmp_path / "f.svg", tmp_path / "f.csv")
    table = pd.read_csv(tmp_path / "f.csv")
    assert len(table) == 15 and table["value"].tolist() == pytest.approx(found["value"].T.ravel().tolist(), rel=1e-5)

    assert found["m"].tolist() == [-1, -0.5, 0, 0.5, 1] and found["similarity"].shape == (3, 5, 16)
    assert found["faces"].shape == (3, 6, SIZE, SIZE, 3) and found["condition_faces"].shape == (6, SIZE, SIZE, 3)
    plot_learning_similarity(tmp_path / "learning.h5", tmp_path / "s.svg", tmp_path / "s.csv")
    table = pd.read_csv(tmp_path / "s.csv").set_index(["epoch", "m"])
    assert len(table) == 15 and (table["images"] == 16).all()
    assert table.loc[(10, 0.5), "mean"] == pytest.approx(found["similarity"][1, 3].mean(), abs=1e-6)
    plot_learning_faces(tmp_path / "learning.h5", tmp_path / "f.png", tmp_path / "faces.csv")
    sheet = np.asarray(Image.open(tmp_path / "f.png"))
    tiles = [np.asarray(tile_of(found["faces"][epoch, row])) for epoch, row in ((0, 0), (2, 5))]
    assert np.array_equal(sheet[8 + 25 :, 8 + 112 + 16 :][:112, :112], tiles[0])
    assert np.array_equal(sheet[-8 - 112 : -8, -8 - 112 : -8], tiles[1])
    assert not np.array_equal(*tiles) and len(pd.read_csv(tmp_path / "faces.csv")) == 18


def test_the_faces_and_similarities_of_an_epoch_are_those_that_its_file_draws(inputs, tmp_path):
    """Naively: one image at a time, with the noise of its number."""
    epochs = tmp_path / "epochs"
    epochs.mkdir()
    path = toy_generator(epochs / "epoch0001.safetensors", inputs[1])
    settings = entry(epochs=1, keep_every=1)
    found = curve(settings, inputs, epochs, tmp_path / "learning.h5")
    (network, spec), guide, faces = load_generator(path, CPU), load_embedder(inputs[1], CPU), FaceSet(inputs[0])
    rows = draw(halves(identity_of_each(faces))[0], 24)
    for i in (0, 5, 15):
        pixels = torch.from_numpy(faces.images(rows[i : i + 1])).permute(0, 3, 1, 2)
        identity = torch.nn.functional.normalize(guide.embed(pixels))
        noise = draw_noise(settings.seed, np.array([i]), np.array([0]), SIZE)
        for k in (2, 4):
            m = torch.tensor([found["m"][k]], dtype=torch.float32)
            predict = method_named("cemiface").condition_similarity(network, identity, m)
            with torch.inference_mode():
                image = denoise(predict, spec, noise, "dpmsolver++", 10)
            cosine = float((torch.nn.functional.normalize(guide.embed(image)) * identity).sum())
            assert found["similarity"][0, k, i] == pytest.approx(cosine, abs=0.02)  # a grey level of some pixels
            if k == 2 and i < 6:
                close = np.abs(found["faces"][0, i].astype(int) - image[0].permute(1, 2, 0).numpy())
                assert close.max() <= 1
        if i < 6:
            assert np.array_equal(found["condition_faces"][i], faces.images(rows[i : i + 1])[0])


def test_accuracy_of_every_epoch_kept(tmp_path):
    paths = {}
    for label, best in (("real", 0.9), ("drawn", 0.8)):
        accuracy = best - np.array([[0.2], [0.1], [0.0]]) + np.linspace(-0.02, 0.02, 10)
        paths[label] = tmp_path / f"{label}.h5"
        write_artifact(paths[label], schemas.EPOCHS, {"epoch": [5, 10, 15], "accuracy": accuracy})
    plot_epochs(paths, tmp_path / "e.svg", tmp_path / "e.csv", real="real")
    table = pd.read_csv(tmp_path / "e.csv").set_index(["label", "epoch"])
    assert len(table) == 6 and table.loc[("drawn", 10), "accuracy"] == pytest.approx(70)
    assert table.loc[("real", 15), "fold_sd"] == pytest.approx(100 * np.linspace(-0.02, 0.02, 10).std(), rel=1e-4)
    assert (tmp_path / "e.svg").stat().st_size > 5000


@pytest.mark.parametrize("method", ["ddpm", "dcface"])
def test_every_method_has_a_curve(inputs, tmp_path, method):
    epochs = tmp_path / "epochs"
    epochs.mkdir()
    toy_generator(epochs / "epoch0001.safetensors", inputs[1], method)
    given = SMALL | {"method": "ddpm", "epochs": 1, "keep_every": 1}
    settings = UnconditionalGenerator(**given)
    if method == "dcface":
        from semihard.generator.methods.dcface.settings import DCFaceGenerator

        settings = DCFaceGenerator(**(given | {"method": "dcface", "embedder": "e"}))
    found = curve(settings, inputs, epochs, tmp_path / "learning.h5")
    assert np.isfinite(found["value"][0, 1:]).all()
    assert found["m"].size == found["similarity"].size == 0 and found["faces"].shape == (1, 6, SIZE, SIZE, 3)
    assert len(found["condition_faces"]) == (6 if method == "dcface" else 0)
    plot_learning_faces(tmp_path / "learning.h5", tmp_path / "f.png", tmp_path / "f.csv")
    assert Image.open(tmp_path / "f.png").width == 128 + 128 * (method == "dcface")


def test_epochs_removed_by_hand_are_named(inputs, tmp_path, caplog):
    epochs = tmp_path / "epochs"
    epochs.mkdir()
    settings = entry(epochs=4, keep_every=1)
    toy_generator(epochs / "epoch0003.safetensors", inputs[1])
    assert curve(settings, inputs, epochs, tmp_path / "learning.h5")["epoch"].tolist() == [3]
    assert "no epoch 1, 2, 4: left out of the curve" in caplog.text
    shutil.rmtree(epochs)
    epochs.mkdir()
    with pytest.raises(InputError, match="holds none of the epochs that keep_every: 1 asks for"):
        curve(settings, inputs, epochs, tmp_path / "none.h5")


def test_the_picture_of_fidelity_shows_every_number_and_says_what_is_missing(tmp_path):
    names = ["frechet_distance", "precision", "recall", "density", "coverage"]
    for faceset, first in (("a", 0.5), ("b", np.nan)):
        value = np.array([[first, 0.1, 0.2, 0.3, 0.4], [np.nan, 0.5, 0.6, 0.7, 0.8]])
        data = {
            "features": ["embedding", "inception"],
            "name": names,
            "value": value,
            "null": value / 2,
            "count": [9, 9],
        }
        write_artifact(tmp_path / f"{faceset}.h5", schemas.FIDELITY, data)
    paths = {faceset: tmp_path / f"{faceset}.h5" for faceset in "ab"}
    plot_fidelity(paths, tmp_path / "f.svg", tmp_path / "f.csv")
    table = pd.read_csv(tmp_path / "f.csv").set_index(["faceset", "features", "quantity"])
    assert len(table) == 20 and table.loc[("a", "embedding", "frechet_distance"), "value"] == 0.5
    assert table.loc[("b", "inception", "coverage"), "null"] == 0.4
    assert (tmp_path / "f.svg").stat().st_size > 5000


@pytest.mark.parametrize("method", ["cemiface", "ddpm"])
def test_interrupted_it_goes_on_with_the_epoch_under_way(inputs, tmp_path, monkeypatch, method):
    settings = entry() if method == "cemiface" else UnconditionalGenerator(method="ddpm", **SMALL)
    settings = settings.model_copy(update={"epochs": 3, "keep_every": 1})
    _, _, epochs = train(settings, inputs, tmp_path / "trained")
    whole = curve(settings, inputs, epochs, tmp_path / "whole.h5")
    loaded = []

    def counted(path, device):
        loaded.append(path.stem)
        if loaded == ["epoch0001", "epoch0002"]:
            raise KeyboardInterrupt
        return load_generator(path, device)

    monkeypatch.setattr(learning_curve, "load_generator", counted)
    with pytest.raises(KeyboardInterrupt):
        curve(settings, inputs, epochs, tmp_path / "c.h5")
    again = curve(settings, inputs, epochs, tmp_path / "c.h5")
    assert loaded == ["epoch0001", "epoch0002", "epoch0002", "epoch0003"] and len(whole["epoch"]) == 3
    assert all(np.array_equal(again[name], whole[name], equal_nan=again[name].dtype.kind == "f") for name in whole)
    assert (tmp_path / "c.h5").read_bytes() == (tmp_path / "whole.h5").read_bytes()
    assert not list(tmp_path.glob("*.resume"))
