"""Synthesis: the same faces whatever the shards, the batch, the order and the failures; each method; refusals."""

import errno
import logging
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given
from hypothesis import settings as testing
from hypothesis import strategies as st

from semihard.compute.tensors import resize
from semihard.errors import InputError
from semihard.generator import sampling
from semihard.generator.gathering import gather_shards
from semihard.generator.methods.cemiface.method import warn_outside
from semihard.generator.methods.cemiface.similarity_range import SimilarityRange
from semihard.generator.methods.dcface import method as dcface
from semihard.generator.model_file import load_generator, save_generator
from semihard.generator.sampling import shard_batches, synthesize
from semihard.generator.settings import SyntheticFaces, UnconditionalFaces
from semihard.similarity.embedders import load_embedder
from semihard.similarity.mixup import draw_partners
from semihard.storage import schemas
from semihard.storage.artifacts import read_artifact
from semihard.storage.faceset import FaceSet, FaceSetWriter
from semihard.storage.provenance import Provenance
from tests.unit.toy_generator import SIZE, toy_embedder, toy_faces, toy_generator, toy_inquiries

PROVENANCE = Provenance(rule="synthesize", code="c")
SAMPLERS = ("ddim", "dpmsolver++")
OPERATORS = {"identity_mixup": True, "angular_perturbation": 0.7, "negative_identity": {"identity": "random"}}


def entry(**given) -> SyntheticFaces:
    defaults = {"identities": 5, "per_identity": 3, "steps": 3, "batch": 4, "codec": "png", "precision": "fp32"}
    return SyntheticFaces(source="synthesis", generator="g", inquiries="i", **(defaults | given))


def unconditional(**given) -> UnconditionalFaces:
    defaults = {"images": 10, "steps": 3, "batch": 4, "codec": "png", "precision": "fp32"}
    return UnconditionalFaces(source="unconditional", generator="g", **(defaults | given))


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("inputs")


@pytest.fixture(scope="module")
def inputs(folder) -> list[Path]:
    embedder = toy_embedder(folder / "embedder.safetensors")
    generator = toy_generator(folder / "generator.safetensors", embedder)
    return [generator, embedder, toy_inquiries(folder / "inquiries.h5", 5)]


@pytest.fixture(scope="module")
def dcface_inputs(folder, inputs) -> list[Path]:
    faces, styles = toy_faces(folder / "faces.h5", 5, 1), toy_faces(folder / "styles.h5", 4, 4)
    return [toy_generator(folder / "dcface.safetensors", inputs[1], "dcface"), *inputs[1:], faces, styles]


@pytest.fixture(scope="module")
def ddpm_inputs(folder, inputs) -> list[Path]:
    return [toy_generator(folder / "ddpm.safetensors", inputs[1], "ddpm")]


def make(
    settings: SyntheticFaces | UnconditionalFaces, inputs: list[Path], folder: Path, order: list[int] | None = None
):
    """The face set of all shards, made in `order`."""
    folder.mkdir(exist_ok=True)
    shards = [folder / f"shard{shard}.h5" for shard in range(settings.shards)]
    for shard in order or range(settings.shards):
        synthesize(settings, shard, inputs[0], shards[shard], PROVENANCE, *inputs[1:])
    gather_shards(shards, folder / "faces.h5", PROVENANCE)
    return folder / "faces.h5"


CASES = st.integers(1, 5).flatmap(
    lambda batch: st.tuples(st.just(batch), st.permutations(range(-(-8 // batch))), st.sampled_from(SAMPLERS))
)


@testing(deadline=None, max_examples=5, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(CASES, st.sampled_from([{}, OPERATORS]), st.integers(1, 8))
def test_shards_in_any_order_change_no_byte(inputs, tmp_path_factory, case, operators, shards):
    batch, order, sampler = case
    asked = entry(identities=4, per_identity=2, batch=batch, sampler=sampler, steps=2, **operators)
    one = make(asked, inputs, tmp_path_factory.mktemp("one"))
    shards = min(shards, len(order))
    order = [shard for shard in order if shard < shards]
    many = make(asked.model_copy(update={"shards": shards}), inputs, tmp_path_factory.mktemp("many"), order)
    assert one.read_bytes() == many.read_bytes()


@pytest.mark.parametrize("sampler", SAMPLERS)
@pytest.mark.parametrize("operators", [{}, OPERATORS], ids=["plain", "operators"])
def test_another_batch_moves_no_pixel_by_more_than_one_grey_level(inputs, tmp_path, sampler, operators):
    asked = [entry(batch=batch, sampler=sampler, **operators) for batch in (4, 7)]
    four, seven = (FaceSet(make(settings, inputs, tmp_path / str(settings.batch))) for settings in asked)
    difference = four.images(slice(None)).astype(int) - seven.images(slice(None)).astype(int)
    assert np.abs(difference).max() <= 1
    assert np.allclose(four.column("similarity"), seven.column("similarity"), atol=0.02)


@pytest.fixture(scope="module")
def whole(inputs, folder) -> Path:
    return make(entry(), inputs, folder / "whole")


def stop_at_the_third_batch(monkeypatch) -> list[int]:
    """Ends the first process that denoises a third batch; the list grows with every batch that is begun."""
    denoise, calls = sampling.denoise, []

    def stopping(*given):
        calls.append(1)
        if len(calls) == 3:
            raise SystemExit(143)
        return denoise(*given)

    monkeypatch.setattr(sampling, "denoise", stopping)
    return calls


def test_a_killed_synthesis_goes_on_and_ends_the_same(inputs, whole, tmp_path, monkeypatch):
    calls = stop_at_the_third_batch(monkeypatch)
    with pytest.raises(SystemExit):
        make(entry(), inputs, tmp_path / "killed")
    assert not (tmp_path / "killed" / "shard0.h5").exists()
    resumed = make(entry(), inputs, tmp_path / "killed")
    assert len(calls) == 3 + 2  # four batches: two done, one lost, that one and the last made again
    assert resumed.read_bytes() == whole.read_bytes()
    assert not (tmp_path / "killed" / "shard0.h5.resume").exists()


@pytest.mark.parametrize("failing", range(5))
def test_a_full_disk_loses_the_batch_being_written_and_no_other(inputs, whole, tmp_path, monkeypatch, failing):
    add, denoise, written, made = FaceSetWriter.add, sampling.denoise, [], []

    def full(writer, *given):
        written.append(1)
        add(writer, *given)
        if len(written) == failing + 1:  # of four batches and the shard
            raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(FaceSetWriter, "add", full)
    monkeypatch.setattr(sampling, "denoise", lambda *given: made.append(1) or denoise(*given))
    folder = tmp_path / "full"
    with pytest.raises(OSError, match="No space left"):
        make(entry(), inputs, folder)
    kept = {f"batch{batch}.h5" for batch in range(failing)}
    assert {path.name for path in (folder / "shard0.h5.resume").iterdir()} == {"key"} | kept
    assert {path.name for path in folder.iterdir()} == {"shard0.h5.resume"}
    made.clear()
    assert make(entry(), inputs, folder).read_bytes() == whole.read_bytes()
    assert len(made) == 4 - failing


def test_a_damaged_batch_is_drawn_again(inputs, whole, tmp_path, monkeypatch, caplog):
    calls = stop_at_the_third_batch(monkeypatch)
    with pytest.raises(SystemExit):
        make(entry(), inputs, tmp_path / "d")
    (tmp_path / "d" / "shard0.h5.resume" / "batch1.h5").write_bytes(b"not HDF5")
    assert make(entry(), inputs, tmp_path / "d").read_bytes() == whole.read_bytes()
    assert "batch1.h5" in caplog.text and "drawn again" in caplog.text and len(calls) == 3 + 3


def test_weights_that_are_not_finite_are_refused(inputs, tmp_path):
    network, spec = load_generator(inputs[0], torch.device("cpu"))
    network.F1.weight[0] = torch.nan
    save_generator(tmp_path / "nan.safetensors", network, spec, PROVENANCE)
    with pytest.raises(InputError, match="F1.weight is not finite; train the generator again"):
        load_generator(tmp_path / "nan.safetensors", torch.device("cpu"))


def test_warns_of_a_similarity_beyond_the_last_step_of_the_grid(caplog):
    warn_outside(0.9, SimilarityRange(-1, 1, 0.3))
    assert "similarity 0.9 lies outside the -1 … 0.8 this generator was trained on" in caplog.text
    caplog.clear()
    warn_outside(1.0, SimilarityRange(-1, 1, 0))
    warn_outside(1.0, SimilarityRange(-1, 1, 0.04))
    assert not caplog.text


def test_columns_and_names_say_how_each_image_was_made(inputs, tmp_path):
    faces = FaceSet(make(entry(identity_mixup=True, similarity=0.2, seed=7), inputs, tmp_path / "mixed"))
    assert faces.identity_names == [f"synthetic-7-{i:05d}" for i in range(5)]
    assert faces.identity.tolist() == [i for i in range(5) for _ in range(3)]
    assert faces.column("index").tolist() == [0, 1, 2] * 5
    assert np.allclose(faces.column("m"), 0.2)
    drawn = [draw_partners(7, i, 3, 5) for i in range(5)]
    assert faces.column("partner").tolist() == [p for partner, _ in drawn for p in partner.tolist()]
    assert faces.column("phi").tolist() == [p for _, phi in drawn for p in phi.tolist()]

    inquiries = read_artifact(inputs[2], schemas.INQUIRIES)["embedding"]
    phi = faces.column("phi")[:, None]
    condition = torch.from_numpy(phi * inquiries[faces.identity] + (1 - phi) * inquiries[faces.column("partner")])
    images = torch.from_numpy(faces.images(slice(None))).permute(0, 3, 1, 2)
    achieved = torch.nn.functional.cosine_similarity(load_embedder(inputs[1]).embed(images), condition)
    assert np.allclose(faces.column("similarity"), achieved.numpy(), atol=0.02)


def test_without_mixup_there_is_no_partner(inputs, tmp_path):
    faces = FaceSet(make(entry(), inputs, tmp_path / "plain"))
    assert set(faces.column("partner")) == {-1} and set(faces.column("phi")) == {1}


def test_operators_reach_the_network(inputs, whole, tmp_path):
    plain = FaceSet(whole)
    for name, value in OPERATORS.items():
        other = FaceSet(make(entry(**{name: value}), inputs, tmp_path / name))
        assert not np.array_equal(plain.images(slice(None)), other.images(slice(None))), name
        assert (set(other.column("partner")) == {-1}) == (name != "identity_mixup")


def test_unconditional_faces_are_nobody_s_and_independent_of_shards(ddpm_inputs, tmp_path):
    one = make(unconditional(), ddpm_inputs, tmp_path / "one")
    three = make(unconditional(shards=3), ddpm_inputs, tmp_path / "three", [2, 0, 1])
    assert one.read_bytes() == three.read_bytes()
    faces = FaceSet(one)
    assert set(faces.identity) == {-1} and faces.identity_names == []
    assert faces.column_names == ["index"] and faces.column("index").tolist() == list(range(10))
    assert len({image.tobytes() for image in faces.images(slice(None))}) == 10
    assert faces.attrs["source"] == "unconditional"


def test_dcface_takes_the_inquiry_s_image_and_a_style_drawn_per_image(dcface_inputs, tmp_path, monkeypatch):
    _, embedder, inquiries, faces, styles = dcface_inputs
    seen, condition = [], dcface.condition
    monkeypatch.setattr(dcface, "condition", lambda *given: seen.append(given[2:]) or condition(*given))
    made = FaceSet(make(entry(), dcface_inputs, tmp_path / "one"))
    x_id, x_sty = (torch.cat(part) for part in zip(*seen, strict=True))
    own = torch.from_numpy(FaceSet(faces).images(made.identity)).permute(0, 3, 1, 2)
    assert torch.allclose(x_id, resize(own, SIZE) / 127.5 - 1, atol=1e-6)
    pool = torch.from_numpy(FaceSet(styles).images(slice(None))).permute(0, 3, 1, 2) / 127.5 - 1
    distance = (x_sty[:, None] - pool[None]).abs().amax((2, 3, 4))
    assert (distance.min(1).values < 1e-6).all() and len(set(distance.argmin(1).tolist())) > 5

    assert np.isnan(made.column("m")).all() and set(made.column("partner")) == {-1} and set(made.column("phi")) == {1}
    aim = torch.from_numpy(read_artifact(inquiries, schemas.INQUIRIES)["embedding"][made.identity])
    images = torch.from_numpy(made.images(slice(None))).permute(0, 3, 1, 2)
    achieved = torch.nn.functional.cosine_similarity(load_embedder(embedder).embed(images), aim)
    assert np.allclose(made.column("similarity"), achieved.numpy(), atol=0.02)

    two = make(entry(shards=2), dcface_inputs, tmp_path / "two", [1, 0])
    assert two.read_bytes() == made.path.read_bytes()
    six = FaceSet(make(entry(batch=6), dcface_inputs, tmp_path / "six"))
    assert np.abs(six.images(slice(None)).astype(int) - made.images(slice(None)).astype(int)).max() <= 1


@pytest.mark.parametrize("shards", [1, 2, 3, 4])
def test_shards_cover_every_batch_once(shards):
    cut = [shard_batches(entry(shards=shards), shard) for shard in range(shards)]
    assert [batch for part in cut for batch in part] == [0, 1, 2, 3] and all(len(part) for part in cut)


def test_refusals_and_warnings(inputs, tmp_path, caplog):
    generator, embedder, inquiries = inputs
    with pytest.raises(InputError, match="5 shards for 4 batches of 4 images"):
        make(entry(shards=5), inputs, tmp_path)
    with pytest.raises(InputError, match="5 inquiries for 6 identities"):
        make(entry(identities=6), inputs, tmp_path)
    wide = toy_inquiries(tmp_path / "wide.h5", 5, 12)
    with pytest.raises(InputError, match="wide.h5: 12-d embeddings, the generator was trained with 8-d ones; select"):
        make(entry(), [generator, embedder, wide], tmp_path)
    for operator in ("identity_mixup", "negative_identity"):
        with pytest.raises(InputError, match=f"{operator}: needs another identity"):
            make(entry(identities=1, batch=1, **{operator: OPERATORS[operator]}), inputs, tmp_path)
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
        asked = entry(similarity=-0.5, steps=1)
        synthesize(asked, 0, narrow, tmp_path / "narrow.h5", PROVENANCE, embedder, inquiries)
    assert "similarity -0.5 lies outside the 0 … 1 this generator was trained on" in caplog.text


def test_a_method_that_cannot_do_what_is_asked_is_refused(inputs, dcface_inputs, ddpm_inputs, tmp_path):
    with pytest.raises(
        InputError, match="a cemiface generator is not for source: unconditional; use source: synthesis"
    ):
        make(unconditional(), inputs[:1], tmp_path)
    with pytest.raises(InputError, match="a ddpm generator is not for source: synthesis; use source: unconditional"):
        make(entry(), [*ddpm_inputs, *inputs[1:]], tmp_path)
    with pytest.raises(InputError, match="conditioned on images; leave out identity_mixup and angular_perturbation"):
        make(entry(identity_mixup=True, angular_perturbation=0.5), dcface_inputs, tmp_path)
