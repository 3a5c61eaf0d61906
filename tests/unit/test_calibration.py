"""Calibration: images from one noise at every m, each embedder its own cosine, every statistic as recomputed by hand."""

from functools import partial
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy import stats

from semihard.compute.tensors import resize
from semihard.errors import InputError
from semihard.generator import calibration
from semihard.generator.calibration import calibrate_similarity, model_name, pearson_r, statistics
from semihard.generator.inquiries import one_per_identity
from semihard.generator.methods.cemiface.method import similarities
from semihard.generator.methods.cemiface.settings import CemiFaceGenerator
from semihard.generator.model_file import GeneratorSpec, load_generator, save_generator
from semihard.generator.samplers import denoise, draw_noise
from semihard.similarity.embedders import Embedder, load_embedder
from semihard.storage import schemas
from semihard.storage.artifacts import read_artifact, read_attributes, write_artifact
from semihard.storage.faceset import FaceSet, FaceSetWriter
from semihard.storage.provenance import Provenance
from tests.unit.toy_generator import DIM, SIZE, toy_embedder, toy_faces, toy_generator

PROVENANCE = Provenance(rule="calibrate_similarity", code="c")
SETTINGS = CemiFaceGenerator(trained_on="f", embedder="e", network="tiny", image_size=SIZE, precision="fp32", seed=3)
BINS = [(-np.inf, 0), (0, 0.1), (0.1, 0.2), (0.2, 0.3), (0.3, 0.4), (0.4, 0.5), (0.5, np.inf)]


@pytest.fixture(autouse=True)
def small(monkeypatch):
    monkeypatch.setattr(calibration, "STEPS", 2)
    monkeypatch.setattr(calibration, "INQUIRIES", 6)


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("inputs")


@pytest.fixture(scope="module")
def inputs(folder) -> dict[str, Path]:
    """Generator, its embedder and one of another length, 40 people and their embeddings."""
    embedder = toy_embedder(folder / "embedder.safetensors")
    faces = toy_faces(folder / "faces.h5", 40, 2)
    images = torch.from_numpy(FaceSet(faces).images(slice(None))).permute(0, 3, 1, 2)
    write_artifact(folder / "e.h5", schemas.EMBEDDINGS, {"embedding": load_embedder(embedder).embed(images).numpy()})
    generator = obedient_generator(folder / "generator.safetensors", embedder)
    other = toy_embedder(folder / "other.safetensors", 12, seed=5)
    return {"generator": generator, "embedder": embedder, "other": other, "faces": faces, "embeddings": folder / "e.h5"}


def obedient_generator(path: Path, embedder: Path) -> Path:
    """One whose images depend on m: the toy's own weights give m next to no say."""
    network, spec = load_generator(toy_generator(path, embedder), torch.device("cpu"))
    network.F1.weight.mul_(1000)
    network.F2.weight.mul_(10)
    save_generator(path, network, spec, PROVENANCE)
    return path


def calibrate(inputs: dict[str, Path], output: Path, other_models: dict[str, Path] | None = None) -> dict:
    paths = [inputs[name] for name in ("generator", "embedder", "faces", "embeddings")]
    calibrate_similarity(SETTINGS, *paths, output, PROVENANCE, other_models)
    return read_artifact(output, schemas.CALIBRATION)


@pytest.fixture(scope="module")
def found(inputs, folder) -> dict[str, np.ndarray]:
    """A calibration by two embedders, all but the sampler's steps in full."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(calibration, "STEPS", 2)
        return calibrate(inputs, folder / "c.h5", {"casia": inputs["other"]})


def unit(embedder: Embedder, images: torch.Tensor) -> torch.Tensor:
    """Unit embeddings of image and mirror image, one image after the other."""
    rows = [
        embedder.embed(image[None], flip=False) + embedder.embed(image[None].flip(3), flip=False) for image in images
    ]
    return torch.nn.functional.normalize(torch.cat(rows))


def test_the_artifact_has_every_image_of_every_embedder(found):
    assert np.allclose(found["m"], np.linspace(-1, 1, 21)) and found["embedder"].tolist() == ["loss", "casia"]
    assert found["similarity"].shape == (2, 21, 32, 2) and found["similarity"].dtype == np.float32
    assert found["images"].shape == (21, 6, SIZE, SIZE, 3) and found["inquiry_images"].shape == (6, SIZE, SIZE, 3)
    assert (np.ptp(found["similarity"], 1) > 0).all(), "m changes every image"
    assert found["counts"].shape == (2, 21, 7) and (found["counts"].sum(2) == 32).all()


def test_each_image_is_the_generator_s_answer_to_its_inquiry_its_noise_and_m(inputs, found):
    faces = FaceSet(inputs["faces"])
    chosen = one_per_identity(faces, SETTINGS.seed)[:32]
    assert len(set(faces.identity[chosen])) == 32
    stored = torch.from_numpy(faces.images(chosen)).permute(0, 3, 1, 2)
    assert np.array_equal(found["inquiry_images"], stored[:6].permute(0, 2, 3, 1).numpy())
    network, spec = load_generator(inputs["generator"], torch.device("cpu"))
    embedders = [load_embedder(inputs["embedder"]), load_embedder(inputs["other"])]
    inquiries = [unit(embedder, stored) for embedder in embedders]
    for s, i in ((0, 0), (13, 5), (20, 31)):
        m = torch.tensor([found["m"][s]], dtype=torch.float32)
        predict = partial(network, identity=inquiries[0][[i]], m=m)
        for k in (0, 1):
            noise = draw_noise(SETTINGS.seed, [chosen[i]], [k], SIZE)
            with torch.inference_mode():
                image = denoise(predict, spec, noise, "ddim", 2)
            for e, embedder in enumerate(embedders):
                cosine = (unit(embedder, image) @ inquiries[e][i]).item()
                assert found["similarity"][e, s, i, k] == pytest.approx(cosine, abs=0.01), (s, i, k, e)
            if k == 0 and i < 6:
                difference = found["images"][s, i].astype(int) - image[0].permute(1, 2, 0).numpy().astype(int)
                assert np.abs(difference).max() <= 1 and np.abs(difference).mean() < 0.05  # the next m: 0.5


def test_other_embedders_see_the_inquiry_at_its_full_size(inputs, tmp_path):
    faces = tmp_path / "large.h5"
    large = resize(torch.from_numpy(FaceSet(inputs["faces"]).images(slice(None))).permute(0, 3, 1, 2), 3 * SIZE)
    noisy = large.int() + torch.randint(-60, 61, large.shape, generator=torch.Generator().manual_seed(0))
    large = noisy.clamp(0, 255).to(torch.uint8).permute(0, 2, 3, 1).numpy()
    with FaceSetWriter(faces, (3 * SIZE, 3 * SIZE), "raw") as writer:
        writer.add(large, [f"person{i}" for i in range(40) for _ in range(2)])
    seen, embed = [], Embedder.embed
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Embedder, "embed", lambda self, images: seen.append(images) or embed(self, images))
        calibrate(inputs | {"faces": faces}, tmp_path / "c.h5", {"casia": inputs["other"]})
    chosen = one_per_identity(FaceSet(faces), SETTINGS.seed)[:6]
    assert np.array_equal(seen[0].permute(0, 2, 3, 1).numpy(), large[chosen])
    assert {tuple(images.shape) for images in seen[1:]} == {(12, 3, SIZE, SIZE)} and len(seen) == 1 + 2 * 21


def test_the_same_inputs_give_the_same_bytes_and_another_embedder_adds_its_own_measurements(inputs, tmp_path):
    both = calibrate(inputs, tmp_path / "both.h5", {"casia": inputs["other"]})
    calibrate(inputs, tmp_path / "again.h5", {"casia": inputs["other"]})
    assert (tmp_path / "both.h5").read_bytes() == (tmp_path / "again.h5").read_bytes()
    assert read_attributes(tmp_path / "both.h5", schemas.CALIBRATION)["rule"] == "calibrate_similarity"
    alone = calibrate(inputs, tmp_path / "alone.h5")
    assert alone["embedder"].tolist() == ["loss"]
    for name in ("similarity", "pearson_r", "counts"):
        np.testing.assert_allclose(alone[name], both[name][:1], rtol=1e-9, err_msg=name)
    assert np.array_equal(alone["images"], both["images"])


@pytest.mark.parametrize("value", [1, 9, 21])
def test_interrupted_it_goes_on_with_the_value_under_way(inputs, tmp_path, monkeypatch, value):
    drawn = []

    def counted(*given):
        drawn.append(1)
        if len(drawn) == value:
            raise KeyboardInterrupt
        return denoise(*given)

    monkeypatch.setattr(calibration, "denoise", counted)
    with pytest.raises(KeyboardInterrupt):
        calibrate(inputs, tmp_path / "c.h5", {"casia": inputs["other"]})
    assert not (tmp_path / "c.h5").exists()
    calibrate(inputs, tmp_path / "c.h5", {"casia": inputs["other"]})
    assert len(drawn) == 21 + 1
    calibrate(inputs, tmp_path / "whole.h5", {"casia": inputs["other"]})
    assert (tmp_path / "c.h5").read_bytes() == (tmp_path / "whole.h5").read_bytes()
    assert not list(tmp_path.glob("*.resume"))


def naive_r(x: list[float], y: list[float]) -> float:
    return stats.pearsonr(np.asarray(x, np.float64), np.asarray(y, np.float64)).statistic


def check_statistics(m: np.ndarray, similarity: np.ndarray, given: dict[str, np.ndarray]) -> None:
    """Every statistic again, embedder by embedder, image by image."""
    _, values, inquiries, images = similarity.shape
    for e, achieved in enumerate(similarity.astype(np.float64)):
        pairs = [(m[s], achieved[s, i, k]) for s in range(values) for i in range(inquiries) for k in range(images)]
        assert given["pearson_r"][e] == pytest.approx(naive_r(*zip(*pairs, strict=True)), abs=1e-9)
        means = [
            float(np.mean([achieved[s, i, k] for i in range(inquiries) for k in range(images)])) for s in range(values)
        ]
        assert given["pearson_r_mean"][e] == pytest.approx(naive_r(m, means), abs=1e-9)
        own = [naive_r(m, achieved[:, i, k]) for i in range(inquiries) for k in range(images)]
        assert given["pearson_r_within"][e] == pytest.approx(np.mean(own), abs=1e-9)
        rising = [after > before for before, after in pairwise(means)]
        assert given["monotonicity"][e] == pytest.approx(sum(rising) / len(rising))
        for s in range(values):
            of_inquiry = [np.mean(achieved[s, i]) for i in range(inquiries)]
            counted = [sum(low <= mean < high for mean in of_inquiry) for low, high in BINS]
            assert given["counts"][e, s].tolist() == counted
    assert given["bin_edges"].tolist() == [-1, 0, 0.1, 0.2, 0.3, 0.4, 0.5, 1]


def test_statistics_of_the_artifact_are_those_recomputed(found):
    check_statistics(found["m"], found["similarity"], found)


def test_statistics_of_a_generator_that_obeys_in_part():
    rng = np.random.default_rng(0)
    m = np.linspace(0, 1, 9)
    person, image = rng.normal(0, 0.2, (3, 1, 7, 1)), rng.normal(0, 0.1, (3, 9, 7, 4))
    gain = np.array([1, 0.3, -0.2])[:, None, None, None]
    similarity = (gain * m[:, None, None] + person + image).astype(np.float32)
    found = statistics(m, similarity)
    check_statistics(m, similarity, found)
    # averaging takes the images' own scatter away, a series' own level does not count within it
    assert found["pearson_r_mean"][1] > found["pearson_r_within"][1] > found["pearson_r"][1]
    assert found["pearson_r"][2] < 0 and found["pearson_r_mean"][2] < 0


def test_a_similarity_on_an_edge_is_in_the_bin_above_and_none_is_lost():
    similarity = np.array([-1.0000001, -0.2, 0, 0.25, 0.5, 1.0000001])[None, None, :, None]
    counts = statistics(np.array([0.0]), similarity)["counts"]
    assert counts.dtype == np.int64 and counts.tolist() == [[[2, 1, 0, 1, 0, 0, 2]]]


@pytest.mark.filterwarnings("error")
def test_one_value_of_m_has_no_correlation(inputs, tmp_path):
    embedder, spec = inputs["embedder"], load_generator(inputs["generator"], torch.device("cpu"))[1]
    narrow = toy_generator(tmp_path / "narrow.safetensors", embedder, m_min=1.0)
    found = calibrate(inputs | {"generator": narrow}, tmp_path / "c.h5")
    assert found["m"].tolist() == [1] and found["similarity"].shape == (1, 1, 6, 2)
    assert found["counts"].sum() == 6 and found["images"].shape[:2] == (1, 6)
    for name in ("pearson_r", "pearson_r_mean", "pearson_r_within", "monotonicity"):
        assert found[name].shape == (1,) and np.isnan(found[name][0]), name
    assert similarities(spec, 21).shape == (21,)


def test_values_of_m_are_those_the_generator_was_trained_on():
    spec = GeneratorSpec(
        "cemiface", "tiny", SIZE, 1000, 1e-4, 0.02, DIM, "", {"m_min": 0.0, "m_max": 0.6, "m_step": 0.04}
    )
    assert np.allclose(similarities(spec, 21), [0.03 * i for i in range(21)])


@pytest.mark.filterwarnings("error")
def test_what_does_not_move_has_no_correlation():
    m = np.linspace(-1, 1, 21)
    frozen = np.full((1, 21, 3, 2), 0.1)
    found = statistics(m, frozen)
    assert np.isnan(found["pearson_r"][0]) and np.isnan(found["pearson_r_mean"][0])
    assert found["pearson_r_within"][0] == 0 and found["monotonicity"][0] == 0
    frozen[0, :, 1, 1] = m
    assert statistics(m, frozen)["pearson_r_within"][0] == pytest.approx(1 / 6)
    r = pearson_r(m, np.stack([m, -m, np.full(21, 0.1)], 1))
    assert r[:2] == pytest.approx([1, -1]) and np.isnan(r[2])


def test_what_does_not_belong_together_is_refused(inputs, tmp_path):
    out = tmp_path / "c.h5"
    write_artifact(tmp_path / "wide.h5", schemas.EMBEDDINGS, {"embedding": np.ones((80, DIM + 1), np.float32)})
    with pytest.raises(InputError, match="wide.h5: 9-d embeddings, the generator was trained with 8-d ones; embed the"):
        calibrate(inputs | {"embeddings": tmp_path / "wide.h5"}, out)
    with pytest.raises(InputError, match="12-d embeddings, the generator was trained with 8-d"):
        calibrate(inputs | {"embedder": inputs["other"]}, out)
    stranger = toy_embedder(tmp_path / "stranger.safetensors", seed=7)
    with pytest.raises(InputError, match="is not the embedder the generator was trained with"):
        calibrate(inputs | {"embedder": stranger}, out)
    with pytest.raises(InputError, match="'loss' is the embedder of the loss; give this one another name"):
        calibrate(inputs, out, {"loss": inputs["other"]})
    for method in ("ddpm", "dcface"):
        generator = toy_generator(tmp_path / f"{method}.safetensors", inputs["embedder"], method)
        with pytest.raises(InputError, match=f"a {method} generator takes no m; calibrate one of method cemiface"):
            calibrate(inputs | {"generator": generator}, out)
    assert not out.exists()


def test_models_are_called_by_their_folders():
    assert model_name("results/embedders/casia/model.safetensors") == "casia"
    assert model_name("/data/a study/recognizers/tiny/real/seed0/model.safetensors") == "tiny-real-seed0"
