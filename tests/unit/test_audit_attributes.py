"""The attribute study on embeddings whose attributes are known, and its divergences by hand."""

from math import log2
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from semihard.audit.attributes import (
    AttributeClassifier,
    _class_weights,
    _fit_temperature,
    _folds,
    annotate_attributes,
    balanced_accuracy,
    train_attribute_classifier,
)
from semihard.audit.divergence import compare_attributes, divergence
from semihard.audit.settings import AttributeStudy
from semihard.errors import InputError
from semihard.storage import schemas
from semihard.storage.artifacts import read_artifact, read_attributes, write_artifact
from semihard.storage.faceset import FaceSetWriter
from semihard.storage.provenance import Provenance

STUDY = AttributeStudy(labelled="taught")


def make(
    folder: Path, name: str, values: np.ndarray, identity: list[str], labels: dict[str, np.ndarray]
) -> tuple[Path, Path]:
    with FaceSetWriter(folder / f"{name}.h5", (4, 4), "raw") as writer:
        columns = {f"attribute_{attribute}": column for attribute, column in labels.items()}
        writer.add(np.zeros((len(values), 4, 4, 3), np.uint8), identity, columns)
    write_artifact(folder / f"{name}_embeddings.h5", schemas.EMBEDDINGS, {"embedding": values})
    return folder / f"{name}.h5", folder / f"{name}_embeddings.h5"


def annotate(taught: tuple, wanted: tuple, output: Path, provenance: Provenance) -> None:
    """Train on one set, annotate another: both face set and embeddings."""
    classifier = output.with_suffix(".safetensors")
    train_attribute_classifier(*taught, classifier, provenance)
    annotate_attributes(STUDY, classifier, taught[0], *wanted, output, provenance)


def people(count: int, seed: int) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Embeddings with one common attribute in direction 0, a rare one in direction 1, and one nobody can see."""
    rng = np.random.default_rng(seed)
    values = rng.normal(size=(count, 16)).astype(np.float32)
    labels = {
        "Common": (values[:, 0] > 0).astype(np.int8),
        "Rare": (values[:, 1] > 1.3).astype(np.int8),
        "Invisible": rng.integers(0, 2, count).astype(np.int8),
    }
    values[:, 0] += np.where(labels["Common"], 1.0, -1.0)
    values[:, 1] += np.where(labels["Rare"], 2.0, 0.0)
    labels["Rare"][::7] = -1
    return values * rng.uniform(1, 9, (count, 1)).astype(np.float32), labels


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    folder = tmp_path_factory.mktemp("study")
    values, labels = people(1500, 0)
    taught = make(folder, "taught", values, [f"p{i // 3}" for i in range(1500)], labels)
    fresh_values, truth = people(800, 1)
    fresh = make(folder, "fresh", fresh_values, [""] * 800, {})
    annotate(taught, fresh, folder / "out.h5", Provenance(rule="annotate_attributes"))
    return folder, taught, fresh, truth, read_artifact(folder / "out.h5", schemas.ATTRIBUTES)


def test_learns_what_can_be_seen_and_admits_what_cannot(study):
    folder, _, _, truth, found = study
    assert list(found["name"]) == ["Common", "Invisible", "Rare"]
    accuracy = dict(zip(found["name"], found["held_out_accuracy"], strict=True))
    assert accuracy["Common"] > 0.9 and accuracy["Rare"] > 0.85 and 0.4 < accuracy["Invisible"] < 0.6
    undefined = dict(zip(found["name"], (found["label"] < 0).mean(0), strict=True))
    assert undefined["Invisible"] > 0.8 > 0.3 > undefined["Common"]
    k = list(found["name"]).index("Common")
    kept = found["label"][:, k] >= 0
    assert (found["label"][kept, k] == truth["Common"][kept]).mean() > 0.95
    assert read_attributes(folder / "out.h5", schemas.ATTRIBUTES)["labelled"] == "taught"


def test_labels_follow_the_probabilities_and_the_reliability(study):
    found = study[-1]
    probability, label = found["probability"], found["label"]
    for p, y in zip(probability.ravel(), label.ravel(), strict=True):
        assert y == (1 if p >= 0.75 else 0 if p <= 0.25 else -1)


def test_the_same_data_give_the_same_annotation(study, tmp_path):
    _, taught, fresh, _, found = study
    torch.rand(7)  # whatever was drawn before
    annotate(taught, fresh, tmp_path / "again.h5", Provenance())
    again = read_artifact(tmp_path / "again.h5", schemas.ATTRIBUTES)
    assert all(np.array_equal(found[name], again[name]) for name in found)


def test_one_bad_label_is_refused_in_a_sentence(tmp_path):
    values, labels = people(60, 0)
    identity = [f"p{i}" for i in range(60)]
    fresh = make(tmp_path, "fresh", values, identity, {})
    cases = {
        "no column attribute_<Name>": (values, {}),
        "values other than": (values, {"Common": labels["Common"] * 2}),
        "no attribute is present in some faces and absent in others": (values, {"Common": 0 * labels["Common"]}),
        "use one embedder": (values[:, :9], {"Common": labels["Common"]}),
    }
    for n, (sentence, (embedding, columns)) in enumerate(cases.items()):
        taught = make(tmp_path, f"taught{n}", embedding, identity, columns)
        with pytest.raises(InputError, match=sentence):
            annotate(taught, fresh, tmp_path / "out.h5", Provenance())
    assert not (tmp_path / "out.h5").exists()


@given(st.lists(st.integers(0, 99), min_size=5, max_size=50).filter(lambda found: len(set(found)) >= 5))
def test_an_identity_is_in_one_fold_only_and_folds_are_even(identity):
    identity = np.array(identity)
    fold = _folds(identity)
    people = [len(set(identity[fold == k])) for k in range(5)]
    assert sum(people) == len(set(identity)) and max(people) - min(people) <= 1


def test_faces_are_never_annotated_by_a_classifier_that_knows_their_labels(tmp_path):
    """Labels without any trace in the embeddings can be reproduced from memory only."""
    rng = np.random.default_rng(0)
    labels = {"Coin": rng.integers(0, 2, 400).astype(np.int8)}
    taught = make(
        tmp_path, "taught", rng.normal(size=(400, 256)).astype(np.float32), [f"p{i}" for i in range(400)], labels
    )
    annotate(taught, taught, tmp_path / "out.h5", Provenance())
    probability = read_artifact(tmp_path / "out.h5", schemas.ATTRIBUTES)["probability"][:, 0]
    assert 0.42 < ((probability > 0.5) == labels["Coin"]).mean() < 0.58


def test_branches_see_only_their_own_features():
    torch.manual_seed(0)
    classifier = AttributeClassifier(8, 3).eval()
    hidden = classifier.hidden(torch.randn(5, 8))
    logits = classifier.logits(hidden[:, :, None])[:, :, 0]
    for k in range(3):  # one linear layer per attribute, on its 128 features
        own = slice(128 * k, 128 * (k + 1))
        expected = hidden[:, own] @ classifier.logits.weight[k, :, 0] + classifier.logits.bias[k]
        torch.testing.assert_close(logits[:, k], expected)


def test_both_classes_weigh_the_same_and_undefined_nothing():
    truth = torch.tensor([[1, 1], [0, -1], [0, 0], [0, 1], [-1, 1]], dtype=torch.int8)
    weight = _class_weights(truth)
    assert (weight[truth < 0] == 0).all()
    for k in range(2):
        present, absent = weight[truth[:, k] == 1, k].sum(), weight[truth[:, k] == 0, k].sum()
        assert present == pytest.approx(float(absent)) and present + absent == pytest.approx((truth[:, k] >= 0).sum())


def test_temperature_is_recovered():
    rng = np.random.default_rng(0)
    logits = rng.normal(size=(50_000, 2)) * 2
    truth = torch.from_numpy((rng.uniform(size=logits.shape) < 1 / (1 + np.exp(-logits))).astype(np.int8))
    fitted = _fit_temperature(torch.from_numpy(logits * [3, 0.5]).float(), truth)
    np.testing.assert_allclose(fitted, [3, 0.5], rtol=0.1)


def test_balanced_accuracy_by_hand():
    predicted = np.array([[1, 1], [1, 0], [0, 0], [1, 0], [0, 1]], bool)
    truth = np.array([[1, -1], [1, 0], [1, 0], [0, 0], [0, -1]])
    accuracy = balanced_accuracy(predicted, truth)
    assert accuracy[0] == pytest.approx((2 / 3 + 1 / 2) / 2)
    assert np.isnan(accuracy[1])


# ── divergence ───────────────────────────────────────────────────────────────────────────────────────────────────────


def annotated(
    path: Path, label: list[list[int]], names: tuple[str, ...] = ("Hat", "Beard"), own: int | None = None
) -> Path:
    label = np.array(label, np.int8)
    data = {
        "name": list(names),
        "label": label,
        "probability": np.full(label.shape, 0.5),
        "held_out_accuracy": [0.9, 0.8],
        "own": np.arange(len(label)) < (len(label) if own is None else own),
    }
    write_artifact(path, schemas.ATTRIBUTES, data)
    return path


def test_divergence_by_hand(tmp_path):
    real = annotated(tmp_path / "r.h5", [[1, 0], [1, 0], [0, -1], [0, -1], [1, 0], [-1, -1]])
    copies = [[1, 1], [1, 1]]  # of inquiries: not counted
    synthetic = annotated(tmp_path / "s.h5", [[0, -1], [0, -1], [0, -1], [1, -1], *copies], own=4)
    compare_attributes(real, synthetic, tmp_path / "out.csv")
    table = pd.read_csv(tmp_path / "out.csv").set_index("attribute")
    hat = table.loc["Hat"]
    assert hat[["real_defined", "real_present", "synthetic_defined", "synthetic_present"]].tolist() == [5, 3, 4, 1]
    p, q = 4 / 7, 2 / 6
    assert hat["real_prevalence"] == pytest.approx(p) and hat["synthetic_prevalence"] == pytest.approx(q)
    assert hat["bits_real_coded_as_synthetic"] == pytest.approx(p * log2(p / q) + (1 - p) * log2((1 - p) / (1 - q)))
    assert hat["bits_synthetic_coded_as_real"] == pytest.approx(q * log2(q / p) + (1 - q) * log2((1 - q) / (1 - p)))
    assert hat["total_variation"] == pytest.approx(p - q)
    assert table.loc["Beard", "synthetic_prevalence"] == 0.5  # nothing defined: no evidence
    assert table["held_out_accuracy"].tolist() == [0.9, 0.8]


def test_only_like_is_compared_with_like(tmp_path):
    real = annotated(tmp_path / "r.h5", [[1, 0]])
    synthetic = annotated(tmp_path / "s.h5", [[1, 0]], ("Hat", "Smile"))
    with pytest.raises(InputError, match="annotate both with one classifier"):
        compare_attributes(real, synthetic, tmp_path / "out.csv")
    assert not (tmp_path / "out.csv").exists()


@given(st.floats(0.001, 0.999), st.floats(0.001, 0.999))
def test_divergence_is_zero_only_for_equals(p, q):
    bits = divergence(np.float64(p), np.float64(q))
    assert bits >= -1e-12 and divergence(np.float64(p), np.float64(p)) == 0
    assert bits >= 2 / np.log(2) * (p - q) ** 2 - 1e-12  # Pinsker: total variation bounds it from below


def test_attribute_without_two_sides_stays_undefined(tmp_path, caplog):
    values, labels = people(60, 0)
    identity = [f"p{i}" for i in range(60)]
    taught = make(tmp_path, "taught", values, identity, {"Common": labels["Common"], "Never": 0 * labels["Common"]})
    annotate(taught, taught, tmp_path / "out.h5", Provenance())
    found = read_artifact(tmp_path / "out.h5", schemas.ATTRIBUTES)
    never = found["name"].tolist().index("Never")
    assert (found["label"][:, never] == -1).all() and np.isnan(found["probability"][:, never]).all()
    assert (found["label"][:, 1 - never] >= 0).any()
    assert "attribute Never is present in none or all" in caplog.text
