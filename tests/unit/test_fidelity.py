"""Fidelity against its formulas, the packages that made them known, and what they must say of sets made for it."""

import hashlib

import numpy as np
import pytest
import scipy.linalg
import torch
from prdc import compute_prdc

from semihard.audit import inception
from semihard.audit import inception_file as file_of_inception
from semihard.audit.fidelity import MEASURES, compare, frechet_distance, halves, measure_fidelity, prdc
from semihard.audit.settings import FidelityAudit
from semihard.errors import InputError
from semihard.storage import schemas
from semihard.storage.artifacts import read_artifact, write_artifact
from semihard.storage.faceset import FaceSetWriter
from semihard.storage.provenance import Provenance

ABSENT = "/nowhere/weights-inception-2015-12-05-6726825d.pth"


def features(count: int, dim: int, seed: int, shift: float = 0.0) -> torch.Tensor:
    random = np.random.default_rng(seed)
    mixed = random.normal(size=(count, dim)) @ random.normal(size=(dim, dim))
    return torch.from_numpy(mixed + shift)


def test_frechet_distance_is_its_formula():
    a, b = features(300, 12, 0), features(250, 12, 1, 0.5)
    Sigma_a, Sigma_b = np.cov(a.T.numpy()), np.cov(b.T.numpy())
    root = scipy.linalg.sqrtm(Sigma_a @ Sigma_b).real
    expected = ((a.mean(0) - b.mean(0)) ** 2).sum() + np.trace(Sigma_a + Sigma_b - 2 * root)
    assert frechet_distance(a, b) == pytest.approx(expected.item(), rel=1e-9)
    assert frechet_distance(a, a) == pytest.approx(0, abs=1e-8)


@pytest.mark.parametrize("rows", [7, 64, 5000])
def test_precision_recall_density_coverage_are_their_authors(rows: int, monkeypatch):
    monkeypatch.setattr("semihard.audit.fidelity.ROWS", rows)
    a, b = features(120, 6, 0), features(90, 6, 0, 0.3)
    expected = compute_prdc(a.numpy(), b.numpy(), 5)
    assert prdc(a, b, 5) == pytest.approx([expected[name] for name in MEASURES[1:]], rel=1e-12)


def test_too_few_images_leave_out_what_cannot_be_said(caplog):
    some = features(30, 40, 0)
    found = compare(some, some, 5, "thirty")
    assert np.isnan(found[0]) and found[1:] == [1, 1, pytest.approx(found[3]), 1]
    assert "a covariance of 40 dimensions needs 41 images at least, there are 30" in caplog.text
    assert np.isnan(compare(some[:5], some[:5], 5, "five")).all()


def test_no_person_is_in_both_halves():
    identity = np.repeat(np.arange(11), 3)
    first, second = halves(identity)
    assert not set(identity[first]) & set(identity[second]) and sorted([*first, *second]) == list(range(33))


def face_set(folder, name: str, values: np.ndarray, columns: dict | None = None):
    with FaceSetWriter(folder / f"{name}.h5", (4, 4), "raw") as writer:
        pixels = np.random.default_rng(0).integers(0, 256, (len(values), 4, 4, 3), np.uint8)
        writer.add(pixels, [f"{name}{i // 2}" for i in range(len(values))], columns or {})
    write_artifact(folder / f"{name}_embeddings.h5", schemas.EMBEDDINGS, {"embedding": values})
    return folder / f"{name}.h5", folder / f"{name}_embeddings.h5"


def measure(folder, real, made, **settings) -> dict[str, np.ndarray]:
    given = FidelityAudit(**({"inception": ABSENT} | settings))
    measure_fidelity(given, *real, *made, folder / "out.h5", Provenance())
    return read_artifact(folder / "out.h5", schemas.FIDELITY)


def test_a_set_is_compared_without_its_inquiry_copies_and_beside_its_null(tmp_path, caplog):
    caplog.set_level("INFO")
    random = np.random.default_rng(0)
    real = face_set(tmp_path, "real", random.normal(size=(400, 8)).astype(np.float32))
    values = np.concatenate([random.normal(size=(150, 8)), np.full((50, 8), 3.0)]).astype(np.float32)
    copy = {"inquiry_copy": np.repeat(np.int8([0, 1]), (150, 50))}
    with_copies = measure(tmp_path, real, face_set(tmp_path, "made", values, copy))
    without = measure(tmp_path, real, face_set(tmp_path, "made", values[:150]))
    blind = measure(tmp_path, real, face_set(tmp_path, "made", values))
    assert all(np.array_equal(with_copies[name], without[name]) for name in with_copies)
    assert with_copies["count"].tolist() == [150] and with_copies["features"].tolist() == ["embedding"]
    assert blind["value"][0, 0] > 3 * without["value"][0, 0]  # a quarter of one point is another distribution
    assert without["value"][0, 0] < 2 * without["null"][0, 0]  # the same distribution
    assert f"left out: no weights at {ABSENT}" in caplog.text
    itself = measure(tmp_path, real, real)
    assert np.array_equal(itself["value"], itself["null"])


def test_at_most_so_many_images_are_drawn_and_few_do_not_stop_a_study(tmp_path):
    values = np.random.default_rng(0).normal(size=(40, 8)).astype(np.float32)
    real, made = face_set(tmp_path, "real", values), face_set(tmp_path, "made", values[:6])
    assert measure(tmp_path, real, real, images=12)["count"].tolist() == [12]
    few = measure(tmp_path, real, made)
    assert few["count"].tolist() == [6] and np.isnan(few["value"][0, 0]) and few["value"][0, 1] == 1


@pytest.fixture(scope="module")
def inception_file(tmp_path_factory):
    """A weight file of the network's own shapes, with random numbers."""
    from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3

    path = tmp_path_factory.mktemp("inception") / "weights.pth"
    torch.manual_seed(0)
    torch.save({}, path)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(torch.nn.Module, "load_state_dict", lambda self, state: None)
        network = FeatureExtractorInceptionV3("inception-v3-compat", ["2048"], str(path))
    torch.save(network.state_dict(), path)
    return path


def test_inception_features_are_compared_too(inception_file, tmp_path, monkeypatch):
    monkeypatch.setattr(file_of_inception, "SHA256", hashlib.sha256(inception_file.read_bytes()).hexdigest())
    values = np.random.default_rng(0).normal(size=(32, 8)).astype(np.float32)
    real, made = face_set(tmp_path, "real", values), face_set(tmp_path, "made", values[:12])
    given = FidelityAudit(inception=str(inception_file), nearest=3)
    measure_fidelity(given, *real, *made, tmp_path / "out.h5", Provenance(), inception_file)
    found = read_artifact(tmp_path / "out.h5", schemas.FIDELITY)
    assert found["features"].tolist() == ["embedding", "inception"] and found["value"].shape == (2, 5)
    assert not (tmp_path / "out.h5.resume").exists()
    assert np.isnan(found["value"][1, 0]) and np.isfinite(found["value"][1, 1:]).all()


def test_other_inception_weights_are_refused_unread(inception_file):
    with pytest.raises(InputError, match="expected 6726825d.*not FID's Inception weights"):
        inception.inception_features(inception_file)
