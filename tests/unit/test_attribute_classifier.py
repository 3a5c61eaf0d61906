"""The attribute classifier on embeddings whose attributes are known: training, reliability, its file, annotation."""

import csv
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from semihard.attributes.annotation import annotate_attributes, export_attributes
from semihard.attributes.calibration import fit_temperature, judge, least_reliability, rates
from semihard.attributes.classifier_file import load_classifier
from semihard.attributes.import_classifier import import_attribute_classifier
from semihard.attributes.network import AttributeNetwork, class_weights
from semihard.attributes.reliability import Answers, reliability
from semihard.attributes.settings import Annotation, ClassifierFile, TrainedClassifier
from semihard.attributes.training import folds, train_attribute_classifier
from semihard.errors import InputError
from semihard.recognizer.backbone import build_backbone
from semihard.recognizer.model_file import EmbedderSpec, save_model, weights_digest
from semihard.storage import schemas
from semihard.storage.artifacts import read_artifact, read_attributes, write_artifact
from semihard.storage.faceset import FaceSet as Faces
from semihard.storage.faceset import FaceSetWriter, copy_faces
from semihard.storage.provenance import Provenance

SETTINGS = TrainedClassifier(source="labels", labelled=("taught",), embedder="e", epochs=8)


def make(
    folder: Path, name: str, values: np.ndarray, identity: list[str], labels: dict[str, np.ndarray], by: str = "e"
) -> tuple[Path, Path]:
    """A face set whose images differ, its attribute columns, and its embeddings by the embedder `by`."""
    with FaceSetWriter(folder / f"{name}.h5", (4, 4), "raw") as writer:
        columns = {f"attribute_{attribute}": column for attribute, column in labels.items()}
        pixels = np.random.default_rng(list(name.encode())).integers(0, 256, (len(values), 4, 4, 3), np.uint8)
        writer.add(pixels, identity, columns)
    write_artifact(folder / f"{name}_embeddings.h5", schemas.EMBEDDINGS, {"embedding": values}, attrs={"embedder": by})
    return folder / f"{name}.h5", folder / f"{name}_embeddings.h5"


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


def train(folder: Path, *taught: tuple, settings: TrainedClassifier = SETTINGS) -> Path:
    """The file of a classifier trained on face sets and embeddings."""
    faces, embeddings = zip(*taught, strict=True)
    path = folder / "mac" / "model.safetensors"
    train_attribute_classifier(settings, faces, embeddings, path, folder / "mac" / "README.md", Provenance())
    return path


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    """Folder, classifier, the labelled set, another one, its truth and its annotation."""
    folder = tmp_path_factory.mktemp("study")
    values, labels = people(1500, 0)
    taught = make(folder, "taught", values, [f"p{i // 3}" for i in range(1500)], labels)
    fresh_values, truth = people(800, 1)
    fresh = make(folder, "fresh", fresh_values, [""] * 800, {})
    classifier = train(folder, taught)
    annotate_attributes(Annotation(), classifier, *fresh, folder / "out.h5", Provenance(rule="annotate_attributes"))
    return folder, classifier, taught, fresh, truth, read_artifact(folder / "out.h5", schemas.ATTRIBUTES)


def test_learns_what_can_be_seen_and_admits_what_cannot(study):
    folder, classifier, *_, truth, found = study
    assert list(found["name"]) == ["Common", "Invisible", "Rare"]
    accuracy = dict(zip(found["name"], found["accuracy"], strict=True))
    assert accuracy["Common"] > 0.9 and accuracy["Rare"] > 0.85 and 0.4 < accuracy["Invisible"] < 0.6
    undefined = dict(zip(found["name"], (found["label"] < 0).mean(0), strict=True))
    assert undefined["Invisible"] == 1 and np.isnan(found["kept_accuracy"][1])
    assert undefined["Common"] < 0.3 and undefined["Rare"] < 0.5
    for name in ("Common", "Rare"):
        k = list(found["name"]).index(name)
        kept = (found["label"][:, k] >= 0) & (truth[name] >= 0)
        sides = [(found["label"][kept, k] == s)[truth[name][kept] == s].mean() for s in (0, 1)]
        assert np.mean(sides) > 0.87, "the accuracy asked for, on people of another set"
    card = (folder / "mac" / "README.md").read_text()
    assert "| taught |" in card and "| 1,500 | 500 | 3 |" in card and "not seen" in card
    assert load_classifier(classifier).taught[0].names == ["Common", "Invisible", "Rare"]
    assert read_attributes(folder / "out.h5", schemas.ATTRIBUTES)["classifier"] == "mac"


def test_labels_follow_the_threshold_of_their_attribute(study):
    _, classifier, *_, found = study
    threshold = load_classifier(classifier).known["threshold"]
    for a, least in enumerate(threshold):
        for sure, p, y in zip(
            found["reliability"][:, a], found["probability"][:, a], found["label"][:, a], strict=True
        ):
            if np.isnan(least) or sure < least - 1e-3:
                assert y == -1
            elif sure > least + 1e-3 and abs(p - 0.5) > 1e-3:
                assert y == (p > 0.5)


def test_the_calibrated_maximum_is_an_option(study, tmp_path):
    _, classifier, _, fresh, *_ = study
    by_probability = Annotation(confidence="probability", least_probability=0.75)
    annotate_attributes(by_probability, classifier, *fresh, tmp_path / "out.h5", Provenance())
    found = read_artifact(tmp_path / "out.h5", schemas.ATTRIBUTES)
    p, label = found["probability"].astype(float).ravel(), found["label"].ravel()
    clear = np.abs(np.abs(p - 0.5) - 0.25) > 1e-3  # of float16
    assert (label[clear] == np.where(p >= 0.75, 1, np.where(p <= 0.25, 0, -1))[clear]).all()


def test_the_same_data_give_the_same_file_and_annotation(study, tmp_path):
    _, classifier, taught, fresh, _, found = study
    torch.rand(7)  # whatever was drawn before
    again = train(tmp_path, taught)
    assert again.read_bytes() == classifier.read_bytes()
    annotate_attributes(Annotation(), again, *fresh, tmp_path / "again.h5", Provenance())
    other = read_artifact(tmp_path / "again.h5", schemas.ATTRIBUTES)
    assert all(
        np.array_equal(found[name], other[name], equal_nan=name.endswith("accuracy"))
        for name in ("label", "probability")
    )


def test_a_killed_training_goes_on_with_the_networks_that_are_finished(study, tmp_path, monkeypatch):
    from semihard.attributes import training

    _, classifier, taught, *_ = study
    trained = []

    def dies_at_the_third(*given):
        if len(trained) == 2:
            raise KeyboardInterrupt
        trained.append(given)
        return plain(*given)

    plain = training.train
    monkeypatch.setattr(training, "train", dies_at_the_third)
    with pytest.raises(KeyboardInterrupt):
        train(tmp_path, taught)
    assert not (tmp_path / "mac" / "model.safetensors").exists()
    trained.clear()
    monkeypatch.setattr(training, "train", lambda *given: (trained.append(given), plain(*given))[1])
    assert train(tmp_path, taught).read_bytes() == classifier.read_bytes()
    assert len(trained) == 3
    assert not list((tmp_path / "mac").glob("*.resume"))


def test_faces_are_never_annotated_by_a_network_that_knows_their_labels(tmp_path):
    """Labels without any trace in the embeddings can be reproduced from memory only: in the labelled set, and in another set
    of the same images in another order."""
    rng = np.random.default_rng(0)
    labels = {"Coin": rng.integers(0, 2, 400).astype(np.int8)}
    values = rng.normal(size=(400, 256)).astype(np.float32)
    taught = make(tmp_path, "taught", values, [f"p{i}" for i in range(400)], labels)
    classifier = train(tmp_path, taught)
    order = rng.permutation(400)[:350]
    copy_faces(Faces(taught[0]), order, tmp_path / "part.h5", Provenance())
    write_artifact(
        tmp_path / "part_embeddings.h5", schemas.EMBEDDINGS, {"embedding": values[order]}, attrs={"embedder": "e"}
    )
    part = (tmp_path / "part.h5", tmp_path / "part_embeddings.h5")
    for which, rows in ((taught, np.arange(400)), (part, order)):
        annotate_attributes(Annotation(confidence="probability"), classifier, *which, tmp_path / "out.h5", Provenance())
        probability = read_artifact(tmp_path / "out.h5", schemas.ATTRIBUTES)["probability"][:, 0]
        assert 0.42 < ((probability > 0.5) == labels["Coin"][rows]).mean() < 0.58


def test_of_two_labelled_sets_the_better_one_teaches_each_attribute(tmp_path):
    values, labels = people(1200, 0)
    noisy = labels["Common"] ^ (np.random.default_rng(1).random(1200) < 0.3)
    identity = [f"p{i}" for i in range(1200)]
    good = make(tmp_path, "good", values, identity, {"Common": labels["Common"], "Invisible": labels["Invisible"]})
    bad = make(tmp_path, "bad", values, identity, {"Common": noisy.astype(np.int8), "Rare": labels["Rare"]})
    both = train(
        tmp_path, bad, good, settings=SETTINGS.model_copy(update={"labelled": ("bad", "good"), "accuracy": 0.8})
    )
    classifier = load_classifier(both)
    assert classifier.names == ["Common", "Invisible", "Rare"]
    assert {taught.faceset: taught.names for taught in classifier.taught} == {
        "good": ["Common", "Invisible"],
        "bad": ["Rare"],
    }
    alone = load_classifier(train(tmp_path / "alone", good))
    assert classifier.known["accuracy"][0] == alone.known["accuracy"][0]
    fresh_values, truth = people(400, 5)
    fresh = make(tmp_path, "fresh", fresh_values, [""] * 400, {})
    annotate_attributes(Annotation(), both, *fresh, tmp_path / "out.h5", Provenance())
    found = read_artifact(tmp_path / "out.h5", schemas.ATTRIBUTES)
    for k, name in ((0, "Common"), (2, "Rare")):
        kept = found["label"][:, k] >= 0
        sides = [(found["label"][kept, k] == side)[truth[name][kept] == side].mean() for side in (0, 1)]
        assert np.mean(sides) > 0.77, "the accuracy asked for, on people of another set"


def test_bad_input_is_refused_in_a_sentence(study, tmp_path):
    _, classifier, _, fresh, *_ = study
    values, labels = people(60, 0)
    identity = [f"p{i}" for i in range(60)]
    cases = {
        "has no attribute labels": {},
        "values other than": {"Common": labels["Common"] * 2},
        "no attribute is present in some faces and absent in others": {"Common": 0 * labels["Common"]},
    }
    for n, (sentence, columns) in enumerate(cases.items()):
        taught = make(tmp_path, f"taught{n}", values, identity, columns)
        with pytest.raises(InputError, match=sentence):
            train(tmp_path, taught)
    one, other = (make(tmp_path, by, values, identity, {"Common": labels["Common"]}, by) for by in ("first", "second"))
    with pytest.raises(InputError, match="across two embedders means nothing"):
        train(tmp_path, one, other)
    with pytest.raises(InputError, match="use one embedder"):
        annotate_attributes(Annotation(), classifier, *one, tmp_path / "out.h5", Provenance())
    (tmp_path / "no.safetensors").write_bytes(b"nothing")
    with pytest.raises(InputError, match="not a readable attribute classifier"):
        annotate_attributes(Annotation(), tmp_path / "no.safetensors", *fresh, tmp_path / "out.h5", Provenance())
    assert not (tmp_path / "out.h5").exists() and not (tmp_path / "mac" / "model.safetensors").exists()


def test_an_attribute_of_one_value_and_an_excluded_one_are_not_learnt(tmp_path, caplog):
    values, labels = people(60, 0)
    columns = {"Common": labels["Common"], "Never": 0 * labels["Common"], "Attractive": labels["Invisible"]}
    taught = make(tmp_path, "taught", values, [""] * 60, columns)
    assert load_classifier(train(tmp_path, taught)).names == ["Common"]
    assert "attribute Never is present in none or all" in caplog.text
    assert "one image is taken for one person" in caplog.text


def test_a_classifier_of_another_study_is_taken_with_its_embedder_only(tmp_path):
    torch.manual_seed(0)
    spec = EmbedderSpec("tiny", (32, 32), 16)
    for name in ("right", "wrong"):
        save_model(tmp_path / f"{name}.safetensors", build_backbone("tiny", (32, 32), 16), spec)
    values, labels = people(200, 0)
    by = weights_digest(tmp_path / "right.safetensors")
    path = train(tmp_path, make(tmp_path, "theirs", values, [""] * 200, {"Common": labels["Common"]}, by))
    settings = ClassifierFile(source="file", path=str(path), embedder="right")
    outputs = (tmp_path / "own.safetensors", tmp_path / "own.md")
    import_attribute_classifier(settings, tmp_path / "right.safetensors", *outputs, Provenance(rule="import"))
    assert load_classifier(outputs[0]).known["accuracy"] == load_classifier(path).known["accuracy"]
    assert outputs[1].read_text() == (path.parent / "README.md").read_text()
    with pytest.raises(InputError, match="name the embedder it was trained with"):
        import_attribute_classifier(settings, tmp_path / "wrong.safetensors", *outputs, Provenance())


def test_a_digest_of_weights_is_of_weights_alone(tmp_path):
    torch.manual_seed(0)
    backbone, spec = build_backbone("tiny", (32, 32), 16), EmbedderSpec("tiny", (32, 32), 16)
    save_model(tmp_path / "a.safetensors", backbone, spec, provenance=Provenance(rule="a"))
    save_model(tmp_path / "b.safetensors", backbone, spec, torch.rand(3, 16), ["x", "y", "z"], Provenance(rule="b"))
    save_model(tmp_path / "c.safetensors", backbone, EmbedderSpec("tiny", (32, 32), 16, colour="bgr"))
    a, b, c = (weights_digest(tmp_path / f"{name}.safetensors") for name in "abc")
    assert a == b != c


def test_the_csv_is_in_maad_faces_layout(study, tmp_path):
    folder, _, _, fresh, _, found = study
    export_attributes(folder / "out.h5", fresh[0], tmp_path / "out.csv")
    header, *rows = csv.reader((tmp_path / "out.csv").open(encoding="utf-8"))
    assert header == ["Filename", "Identity", "Common", "Invisible", "Rare"]
    assert [row[:2] for row in rows] == [[str(i), ""] for i in range(800)]
    coded = {1: "1", 0: "-1", -1: "0"}
    assert [row[2:] for row in rows] == [[coded[y] for y in line] for line in found["label"].tolist()]


# ── the network and its passes ───────────────────────────────────────────────────────────────────────────────────────


def some_network(dim: int = 24, attributes: int = 3) -> AttributeNetwork:
    torch.manual_seed(0)
    network = AttributeNetwork(dim, attributes)
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm1d):
            module.running_mean.normal_()
            module.running_var.uniform_(0.5, 2)
            module.weight.data.uniform_(0.5, 2)
            module.bias.data.normal_()
    return network.eval()


def test_branches_see_only_their_own_features():
    network = some_network()
    hidden = network.hidden(torch.randn(5, 24))
    logits = network.logits(hidden[:, :, None])[:, :, 0]
    for k in range(3):  # one linear layer per attribute, on its 128 features
        own = slice(128 * k, 128 * (k + 1))
        expected = hidden[:, own] @ network.logits.weight[k, :, 0] + network.logits.bias[k]
        torch.testing.assert_close(logits[:, k], expected)


def test_kept_branches_answer_as_before():
    network, x = some_network(), torch.randn(5, 24)
    torch.testing.assert_close(network.keep(torch.tensor([2, 0]))(x), network(x)[:, [2, 0]])


def test_passes_are_the_network_with_its_masks_drawn_by_hand():
    network, x = some_network(), torch.randn(4, 24)
    answers = Answers(network, 3, 4)
    torch.testing.assert_close(answers(x), network(x))
    passes = answers.passes(x).unflatten(2, (3, 4))
    drawn = torch.Generator().manual_seed(0)
    masks = [torch.rand(n, units, generator=drawn) >= 0.5 for n, units in ((3, 512), (3, 512), (4, 128))]
    layers = network.hidden
    for t in range(3):
        for b in range(4):
            y = layers[:3](x) * masks[0][t] * 2
            y = layers[4:7](y) * masks[1][t] * 2
            y = layers[8:11](y) * masks[2][b].repeat(3) * 2
            weight = network.logits.weight[:, :, 0]
            logits = (y.unflatten(1, weight.shape) * weight).sum(2) + network.logits.bias
            torch.testing.assert_close(passes[:, :, t, b], logits.sigmoid(), atol=1e-5, rtol=1e-4)


def test_reliability_is_centrality_minus_dispersion():
    """Against the double sum of Terhörst et al. (BTAS 2019), α = ½."""
    torch.manual_seed(0)
    p = torch.rand(6, 3, 11)
    predicted = torch.rand(6, 3) > 0.5
    x = torch.where(predicted[..., None], p, 1 - p)
    pairs = (x[..., :, None] - x[..., None, :]).abs().sum((-1, -2)) / 11**2
    torch.testing.assert_close(reliability(p, predicted), 0.5 * x.mean(-1) - 0.5 * pairs)
    certain = torch.ones(1, 1, 9)
    assert reliability(certain, certain[..., 0] > 0.5).item() == pytest.approx(0.5)


def test_both_classes_weigh_the_same_and_undefined_nothing():
    truth = torch.tensor([[1, 1], [0, -1], [0, 0], [0, 1], [-1, 1]], dtype=torch.int8)
    weight = class_weights(truth)
    assert (weight[truth < 0] == 0).all()
    for k in range(2):
        present, absent = weight[truth[:, k] == 1, k].sum(), weight[truth[:, k] == 0, k].sum()
        assert present == pytest.approx(float(absent)) and present + absent == pytest.approx((truth[:, k] >= 0).sum())


# ── what its answers are worth ───────────────────────────────────────────────────────────────────────────────────────


@given(st.lists(st.integers(0, 99), min_size=5, max_size=50).filter(lambda found: len(set(found)) >= 5))
def test_an_identity_is_in_one_fold_only_and_folds_are_even(identity):
    identity = np.array(identity)
    fold = folds(identity)
    of_fold = [len(set(identity[fold == k])) for k in range(5)]
    assert sum(of_fold) == len(set(identity)) and max(of_fold) - min(of_fold) <= 1


def test_temperature_is_recovered():
    rng = np.random.default_rng(0)
    logits = rng.normal(size=(50_000, 2)) * 2
    truth = torch.from_numpy((rng.uniform(size=logits.shape) < 1 / (1 + np.exp(-logits))).astype(np.int8))
    fitted = fit_temperature(torch.from_numpy(logits * [3, 0.5]).float(), truth)
    np.testing.assert_allclose(fitted, [3, 0.5], rtol=0.1)


def test_rates_by_hand():
    predicted = np.array([1, 1, 0, 1, 0, 1], bool)
    truth = np.array([1, 1, 1, 0, 0, -1])
    everything = np.ones(6, bool)
    np.testing.assert_allclose(rates(predicted, truth, everything), [(2 / 3 + 1 / 2) / 2, 2 / 3, 1 / 2])
    kept = np.array([1, 1, 1, 0, 0, 1], bool)
    assert np.isnan(rates(predicted, truth, kept)[2])


def test_the_threshold_keeps_as_many_labels_as_the_accuracy_allows():
    rng = np.random.default_rng(0)
    sure = np.round(rng.uniform(0, 0.5, 2000), 2)
    truth = rng.integers(0, 2, 2000)
    right = rng.uniform(0.5, 1, 2000) < 0.5 + sure  # the surer, the more often right
    threshold = least_reliability(sure, right, truth, 0.85)

    def accuracy(least):
        kept = sure >= least
        return np.mean([right[kept & (truth == side)].mean() for side in (0, 1)])

    assert accuracy(threshold) >= 0.85
    assert all(accuracy(lower) < 0.85 for lower in np.unique(sure) if lower < threshold)
    assert np.isnan(least_reliability(sure, rng.random(2000) < 0.5, truth, 0.9))
    assert np.isnan(least_reliability(sure[:30], right[:30] | True, truth[:30], 0.9)), "too few to say so"


def test_what_is_told_of_a_threshold_is_of_folds_that_did_not_choose_it():
    """Coins of which some are sure by chance: chosen and judged on the same labels, the best of many thresholds would please."""
    rng = np.random.default_rng(0)
    n = 4000
    truth = rng.integers(0, 2, (n, 1))
    logits = np.where(rng.random((n, 1)) < 0.7, 1, -1) * (2 * truth - 1) * rng.uniform(0.1, 1, (n, 1))
    sure = np.abs(logits) / 2
    found = judge(logits, sure, truth, np.arange(n) % 5, 0.71)
    assert found["present"][0] + found["absent"][0] == n
    assert found["accuracy"][0] == pytest.approx(0.7, abs=0.02)
    if np.isfinite(found["threshold"][0]):
        assert found["reliable_accuracy"][0] == pytest.approx(0.7, abs=0.05)
