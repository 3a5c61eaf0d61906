"""Synthesis: the same faces whatever the shards, the batch and the kills; mixup, calibration and refusals."""

import logging
from pathlib import Path

import numpy as np
import pytest
import torch

from semihard.artifacts import read_artifact, read_attributes, write_artifact
from semihard.errors import InputError
from semihard.faceset import FaceSet
from semihard.generator import sampling
from semihard.generator.calibration import INQUIRIES, calibrate_similarity
from semihard.generator.model_file import load_generator
from semihard.generator.sampling import draw_noise, gather_shards, shard_batches, synthesize
from semihard.mixup import draw_partners
from semihard.provenance import Provenance
from semihard.settings import Generator, SyntheticFaces
from semihard.similarity.embedders import load_embedder
from tests.unit.toy_generator import DIM, SIZE, toy_embedder, toy_faces, toy_generator, toy_inquiries

PROVENANCE = Provenance(rule="synthesize", code="c")


def entry(**given) -> SyntheticFaces:
    defaults = {"identities": 5, "per_identity": 3, "steps": 3, "batch": 4, "codec": "png", "precision": "fp32"}
    return SyntheticFaces(source="synthesis", generator="g", inquiries="i", **(defaults | given))


@pytest.fixture(scope="module")
def inputs(tmp_path_factory) -> list[Path]:
    folder = tmp_path_factory.mktemp("inputs")
    embedder = toy_embedder(folder / "embedder.safetensors")
    generator = toy_generator(folder / "generator.safetensors", embedder)
    return [generator, embedder, toy_inquiries(folder / "inquiries.h5", 5)]


def make(settings: SyntheticFaces, inputs: list[Path], folder: Path) -> Path:
    folder.mkdir(exist_ok=True)
    shards = [folder / f"shard{shard}.h5" for shard in range(settings.shards)]
    for shard, path in enumerate(shards):
        synthesize(settings, shard, *inputs, path, PROVENANCE)
    gather_shards(shards, folder / "faces.h5", PROVENANCE)
    return folder / "faces.h5"


@pytest.mark.parametrize("mixup", [False, True])
def test_shards_change_no_byte(inputs, tmp_path, mixup):
    one = make(entry(identity_mixup=mixup), inputs, tmp_path / "one")
    three = make(entry(identity_mixup=mixup, shards=3), inputs, tmp_path / "three")
    assert one.read_bytes() == three.read_bytes()


def test_another_batch_moves_no_pixel_by_more_than_one_grey_level(inputs, tmp_path):
    four, seven = (FaceSet(make(entry(batch=batch), inputs, tmp_path / str(batch))) for batch in (4, 7))
    difference = four.images(slice(None)).astype(int) - seven.images(slice(None)).astype(int)
    assert np.abs(difference).max() <= 1
    assert np.allclose(four.column("similarity"), seven.column("similarity"), atol=0.02)


def test_a_killed_synthesis_goes_on_and_ends_the_same(inputs, tmp_path, monkeypatch):
    whole = make(entry(), inputs, tmp_path / "whole")
    denoise, calls = sampling.denoise, []

    def killed(*given):
        calls.append(1)
        if len(calls) == 3:
            raise SystemExit(143)
        return denoise(*given)

    monkeypatch.setattr(sampling, "denoise", killed)
    with pytest.raises(SystemExit):
        make(entry(), inputs, tmp_path / "killed")
    assert not (tmp_path / "killed" / "shard0.h5").exists()
    resumed = make(entry(), inputs, tmp_path / "killed")
    assert len(calls) == 3 + 2  # four batches: two done, one lost, that one and the last made again
    assert resumed.read_bytes() == whole.read_bytes()
    assert not (tmp_path / "killed" / "shard0.h5.resume").exists()


def test_columns_and_names_say_how_each_image_was_made(inputs, tmp_path):
    faces = FaceSet(make(entry(identity_mixup=True, similarity=0.2, seed=7), inputs, tmp_path / "mixed"))
    assert faces.identity_names == [f"synthetic-7-{i:05d}" for i in range(5)]
    assert faces.identity.tolist() == [i for i in range(5) for _ in range(3)]
    assert faces.column("index").tolist() == [0, 1, 2] * 5
    assert np.allclose(faces.column("m"), 0.2)
    drawn = [draw_partners(7, i, 3, 5) for i in range(5)]
    assert faces.column("partner").tolist() == [p for partner, _ in drawn for p in partner.tolist()]
    assert faces.column("phi").tolist() == [p for _, phi in drawn for p in phi.tolist()]

    inquiries = read_artifact(inputs[2], "inquiries")["embedding"]
    phi = faces.column("phi")[:, None]
    condition = torch.from_numpy(phi * inquiries[faces.identity] + (1 - phi) * inquiries[faces.column("partner")])
    images = torch.from_numpy(faces.images(slice(None))).permute(0, 3, 1, 2)
    achieved = torch.nn.functional.cosine_similarity(load_embedder(inputs[1]).embed(images), condition)
    assert np.allclose(faces.column("similarity"), achieved.numpy(), atol=0.02)


def test_without_mixup_there_is_no_partner(inputs, tmp_path):
    faces = FaceSet(make(entry(), inputs, tmp_path / "plain"))
    assert set(faces.column("partner")) == {-1} and set(faces.column("phi")) == {1}


def test_noise_is_a_function_of_seed_identity_and_index():
    noise = draw_noise(0, [3, 3, 8], [0, 1, 0], 4)
    assert torch.equal(draw_noise(0, [8, 3], [0, 1], 4), noise[[2, 1]])
    others = [draw_noise(1, [3], [0], 4), draw_noise(0, [0], [3], 4), draw_noise(0, [30], [0], 4)]
    assert not any(torch.equal(other[0], row) for other in others for row in noise)


@pytest.mark.parametrize("shards", [1, 2, 3, 4])
def test_shards_cover_every_batch_once(shards):
    cut = [shard_batches(entry(shards=shards), shard) for shard in range(shards)]
    assert [batch for part in cut for batch in part] == [0, 1, 2, 3] and all(len(part) for part in cut)


def test_refusals_and_warnings(inputs, tmp_path, caplog):
    generator, embedder, inquiries = inputs
    with pytest.raises(InputError, match="5 shards for 4 batches of 4 images"):
        make(entry(shards=5), inputs, tmp_path)
    with pytest.raises(InputError, match="expected 6 of 8 numbers"):
        make(entry(identities=6), inputs, tmp_path)
    with pytest.raises(InputError, match="12-d embeddings, the generator was trained with 8-d"):
        make(entry(), [generator, toy_embedder(tmp_path / "wide.safetensors", 12), inquiries], tmp_path)
    with pytest.raises(InputError, match="is not the embedder the generator was trained with"):
        make(entry(), [generator, toy_embedder(tmp_path / "other.safetensors", seed=5), inquiries], tmp_path)
    with pytest.raises(InputError, match="is no generator file"):
        make(entry(), [embedder, embedder, inquiries], tmp_path)
    (tmp_path / "text").write_text("no weights here")
    with pytest.raises(InputError, match="not a readable generator file"):
        load_generator(tmp_path / "text", torch.device("cpu"))
    narrow = toy_generator(tmp_path / "narrow.safetensors", embedder, m_min=0.0)
    with caplog.at_level(logging.WARNING):
        synthesize(entry(similarity=-0.5, steps=1), 0, narrow, embedder, inquiries, tmp_path / "narrow.h5", PROVENANCE)
    assert "similarity -0.5 lies outside the 0 … 1 this generator was trained on" in caplog.text


def test_calibration_holds_what_its_schema_says(inputs, tmp_path, monkeypatch):
    monkeypatch.setattr("semihard.generator.calibration.STEPS", 2)
    generator, embedder, _ = inputs
    faces = toy_faces(tmp_path / "faces.h5", 40, 2)
    images = torch.from_numpy(FaceSet(faces).images(slice(None))).permute(0, 3, 1, 2)
    write_artifact(tmp_path / "e.h5", "embeddings", {"embedding": load_embedder(embedder).embed(images).numpy()})
    settings = Generator(trained_on="f", embedder="e", network="tiny", image_size=SIZE, precision="fp32")
    calibrate_similarity(settings, generator, embedder, faces, tmp_path / "e.h5", tmp_path / "c.h5", PROVENANCE)
    found, attrs = read_artifact(tmp_path / "c.h5", "calibration"), read_attributes(tmp_path / "c.h5", "calibration")
    assert np.allclose(found["m"], np.linspace(-1, 1, 11))
    assert found["similarity"].shape == (11, INQUIRIES)
    assert found["images"].shape == (11, 6, SIZE, SIZE, 3) and found["inquiry_images"].shape == (6, SIZE, SIZE, 3)
    flat = np.repeat(found["m"], INQUIRIES)
    covariance = np.mean((flat - flat.mean()) * (found["similarity"].ravel() - found["similarity"].mean()))
    assert attrs["pearson_r"] == pytest.approx(covariance / flat.std() / found["similarity"].ravel().std(), abs=1e-4)
    means = found["similarity"].mean(1)
    assert attrs["monotonicity"] == pytest.approx(sum(means[k + 1] > means[k] for k in range(10)) / 10)

    write_artifact(tmp_path / "wide.h5", "embeddings", {"embedding": np.ones((80, DIM + 1), np.float32)})
    with pytest.raises(InputError, match="9-d embeddings, the generator was trained with 8-d"):
        calibrate_similarity(settings, generator, embedder, faces, tmp_path / "wide.h5", tmp_path / "d.h5", PROVENANCE)
