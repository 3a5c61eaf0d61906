"""Identity centers and similarity bins against naive loops, and what must hold of every binning."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from semihard.errors import InputError, UnmeasurableError
from semihard.recognizer.backbone import build_backbone
from semihard.recognizer.model_file import EmbedderSpec, save_model
from semihard.settings.binning import parse_binning
from semihard.similarity.bins import bin_similarity, extract_bin, quantile_bins, threshold_bins
from semihard.similarity.centers import find_identity_centers
from semihard.storage import schemas
from semihard.storage.artifacts import read_artifact, read_attributes, write_artifact
from semihard.storage.faceset import FaceSet, FaceSetWriter


def embeddings_of(path, n: int = 40, dimensions: int = 6) -> np.ndarray:
    embedding = np.random.default_rng(1).standard_normal((n, dimensions)).astype(np.float32) * 9
    write_artifact(path, schemas.EMBEDDINGS, {"embedding": embedding})
    return embedding


def unit(x: np.ndarray) -> np.ndarray:
    return x / np.sqrt((np.asarray(x, np.float64) ** 2).sum())


def test_mean_centers_equal_a_loop(tmp_path, small_faceset):
    embedding = embeddings_of(tmp_path / "e.h5")
    find_identity_centers(small_faceset, tmp_path / "e.h5", "mean", None, tmp_path / "c.h5")
    found, faces = read_artifact(tmp_path / "c.h5", schemas.CENTERS), FaceSet(small_faceset)
    assert found["identity_names"].tolist() == faces.identity_names and found["count"].tolist() == [5] * 8
    for k in range(8):
        center = unit(sum(unit(e) for e in embedding[faces.identity == k]) / 5)
        assert found["center"][k] == pytest.approx(center, abs=1e-6)
        for i in np.flatnonzero(faces.identity == k):
            assert found["similarity"][i] == pytest.approx(unit(embedding[i]) @ center, abs=1e-6)
    assert read_attributes(tmp_path / "c.h5", schemas.CENTERS)["center"] == "mean"


def model_with_classes(path, names: list[str], dimensions: int = 6) -> torch.Tensor:
    torch.manual_seed(0)
    weight = torch.randn(len(names), dimensions) * 3
    spec = EmbedderSpec("tiny", (16, 16), dimensions)
    save_model(path, build_backbone("tiny", (16, 16), dimensions), spec, weight, names)
    return weight


def test_class_weights_are_joined_by_name(tmp_path, small_faceset):
    embedding, faces = embeddings_of(tmp_path / "e.h5"), FaceSet(small_faceset)
    names = ["somebody else", *reversed(faces.identity_names)]
    weight = model_with_classes(tmp_path / "m", names).numpy()
    find_identity_centers(small_faceset, tmp_path / "e.h5", "class_weight", tmp_path / "m", tmp_path / "c.h5")
    found = read_artifact(tmp_path / "c.h5", schemas.CENTERS)
    for i, k in enumerate(faces.identity):
        center = unit(weight[names.index(faces.identity_names[k])])
        assert found["center"][k] == pytest.approx(center, abs=1e-6)
        assert found["similarity"][i] == pytest.approx(unit(embedding[i]) @ center, abs=1e-6)


def test_what_does_not_fit_together_is_refused(tmp_path, small_faceset):
    def centers(center: str, model=None) -> None:
        find_identity_centers(small_faceset, tmp_path / "e.h5", center, model, tmp_path / "c.h5")

    embeddings_of(tmp_path / "e.h5", 39)
    with pytest.raises(InputError, match=r"has 39 embeddings, .* has 40 images"):
        centers("mean")
    embeddings_of(tmp_path / "e.h5")
    model_with_classes(tmp_path / "m", ["person 0", "person 1"])
    with pytest.raises(InputError, match=r"has no class for identity 'person 2' \(6 in all\)"):
        centers("class_weight", tmp_path / "m")
    model_with_classes(tmp_path / "m", FaceSet(small_faceset).identity_names, 7)
    with pytest.raises(InputError, match=r"class weights have length 7, embeddings 6"):
        centers("class_weight", tmp_path / "m")
    with pytest.raises(InputError, match=r"need a recognizer"):
        centers("class_weight")
    assert not (tmp_path / "c.h5").exists()


def write_faces(path, identity: list[str]) -> None:
    images = np.random.default_rng(0).integers(0, 256, (len(identity), 8, 8, 3), np.uint8)
    with FaceSetWriter(path, (8, 8), "raw") as writer:
        writer.add(images, identity, {"source_key": [f"key {i}" for i in range(len(identity))]})


def test_identities_of_one_image_are_in_no_bin_of_thresholds(tmp_path):
    with FaceSetWriter(tmp_path / "f.h5", (4, 4), "raw") as writer:
        writer.add(np.zeros((2, 4, 4, 3), np.uint8), ["a", "b"])
    write_artifact(tmp_path / "e.h5", schemas.EMBEDDINGS, {"embedding": np.eye(2, dtype=np.float32)})
    find_identity_centers(tmp_path / "f.h5", tmp_path / "e.h5", "mean", None, tmp_path / "c.h5")
    with pytest.raises(
        UnmeasurableError, match="no image falls into a bin of threshold-0.3; identities need two images"
    ):
        bin_similarity(tmp_path / "c.h5", tmp_path / "f.h5", "threshold-0.3", tmp_path / "b.h5")


def test_one_image_has_no_similarity_to_its_own_mean_but_to_a_class_weight(tmp_path, caplog):
    write_faces(tmp_path / "f.h5", ["a", "b", "a", ""])
    embeddings_of(tmp_path / "e.h5", 4)
    find_identity_centers(tmp_path / "f.h5", tmp_path / "e.h5", "mean", None, tmp_path / "c.h5")
    assert np.isfinite(read_artifact(tmp_path / "c.h5", schemas.CENTERS)["similarity"]).tolist() == [1, 0, 1, 0]
    assert "1 identities have one image, which has no similarity to its own mean" in caplog.text
    model_with_classes(tmp_path / "m", ["b", "a"])
    find_identity_centers(tmp_path / "f.h5", tmp_path / "e.h5", "class_weight", tmp_path / "m", tmp_path / "c.h5")
    similarity = read_artifact(tmp_path / "c.h5", schemas.CENTERS)["similarity"]
    assert np.isnan(similarity[3]) and np.isfinite(similarity[:3]).all()
    write_faces(tmp_path / "f.h5", [""] * 4)
    with pytest.raises(InputError, match=r"no image is labelled"):
        find_identity_centers(tmp_path / "f.h5", tmp_path / "e.h5", "mean", None, tmp_path / "c.h5")


# ── bins ──


def naive_quantile_bins(similarity, identity, bins) -> list[int]:
    result = [-1] * len(identity)
    for k in set(identity) - {-1}:
        members = sorted((i for i in range(len(identity)) if identity[i] == k), key=lambda i: (-similarity[i], i))
        for rank, i in enumerate(members):
            result[i] = rank * bins // len(members)
    return result


@given(st.data(), st.integers(1, 6), st.integers(0, 60))
def test_quantile_bins(data, bins, n):
    identity = np.array(data.draw(st.lists(st.integers(-1, 4), min_size=n, max_size=n)), np.int32)
    level = st.sampled_from([-0.5, 0.0, 0.25, 0.5, 0.75])  # few levels: many ties
    similarity = np.array(data.draw(st.lists(level, min_size=n, max_size=n)), np.float32)
    found = quantile_bins(similarity, identity, bins)
    assert found.dtype == np.int32 and found.tolist() == naive_quantile_bins(similarity, identity, bins)
    for k in range(5):
        own, s = found[identity == k], similarity[identity == k]
        sizes = np.bincount(own, minlength=bins)
        assert sizes.max() - sizes.min() <= 1 and sizes.sum() == len(own)
        for b in range(bins - 1):  # a more similar image is never in a less similar bin
            if sizes[b] and sizes[b + 1 :].any():
                assert s[own == b].min() >= s[own > b].max()
    shuffled = np.random.default_rng(0).permutation(n)
    distinct = similarity + np.linspace(0, 1e-3, max(n, 1))[:n].astype(np.float32)
    assert np.array_equal(
        quantile_bins(distinct[shuffled], identity[shuffled], bins), quantile_bins(distinct, identity, bins)[shuffled]
    )


@given(
    st.lists(st.floats(-1, 1), min_size=1, max_size=5),
    st.lists(st.one_of(st.floats(-1, 1), st.just(np.nan)), max_size=30),
)
def test_threshold_bins(thresholds, similarity):
    found = threshold_bins(np.array(similarity, np.float64), thresholds)
    for s, b in zip(similarity, found, strict=True):
        assert b == (-1 if np.isnan(s) else sum(s < t for t in thresholds))


def test_binning_names():
    assert parse_binning("quantile-5") == ("quantile", [5])
    assert parse_binning("threshold-0.3-0.6") == ("threshold", [0.3, 0.6])
    assert parse_binning("threshold--0.1-0.3") == ("threshold", [-0.1, 0.3])
    assert parse_binning("threshold--0.3--0.1") == ("threshold", [-0.3, -0.1])
    for wrong in ("quantile-0", "quantile", "threshold-", "threshold-0.1.2", "kmeans-3", ""):
        with pytest.raises(InputError, match=r"expected e.g. quantile-5"):
            parse_binning(wrong)


def centers_of(path, similarity) -> None:
    data = {"center": np.eye(2), "identity_names": ["a", "b"], "count": np.array([6, 6]), "similarity": similarity}
    write_artifact(path, schemas.CENTERS, data)


SIMILARITY = np.array([0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.85, 0.75, 0.65, 0.55, 0.45, -0.2], np.float32)


def test_statistics_of_the_bins_and_the_faces_of_one(tmp_path):
    write_faces(tmp_path / "f.h5", ["a"] * 6 + ["b"] * 6)
    centers_of(tmp_path / "c.h5", SIMILARITY)
    bin_similarity(tmp_path / "c.h5", tmp_path / "f.h5", "quantile-3", tmp_path / "b.h5")
    found = read_artifact(tmp_path / "b.h5", schemas.BINS)
    assert found["bin"].tolist() == [0, 0, 1, 1, 2, 2] * 2 and found["count"].tolist() == [4, 4, 4]
    assert found["mean_similarity"] == pytest.approx([0.825, 0.625, 0.2875])
    assert found["highest"] == pytest.approx([0.875, 0.675, 0.475])  # averages over identities (CemiFace Table 9)
    assert found["lowest"] == pytest.approx([0.775, 0.575, 0.1])

    extract_bin(tmp_path / "f.h5", tmp_path / "b.h5", tmp_path / "c.h5", 2, tmp_path / "x.h5")
    part, whole = FaceSet(tmp_path / "x.h5"), FaceSet(tmp_path / "f.h5")
    assert part.column("similarity").tolist() == SIMILARITY[[4, 5, 10, 11]].tolist()
    assert part.column("source_index").tolist() == [4, 5, 10, 11] and part.column("source_key")[0] == "key 4"
    assert np.array_equal(part.images(slice(None)), whole.images([4, 5, 10, 11]))
    assert part.identity_names == ["a", "b"]

    bin_similarity(tmp_path / "c.h5", tmp_path / "f.h5", "threshold--0.1-0.6", tmp_path / "b.h5")
    found = read_artifact(tmp_path / "b.h5", schemas.BINS)
    assert found["bin"].tolist() == [0, 0, 0, 0, 1, 1, 0, 0, 0, 1, 1, 2]
    assert found["count"].tolist() == [7, 4, 1]
    assert found["lowest"] == pytest.approx([0.625, 0.425, -0.2])


def test_bins_without_images_are_said(tmp_path, caplog):
    write_faces(tmp_path / "f.h5", ["a"] * 8 + ["b"] * 4)
    centers_of(tmp_path / "c.h5", SIMILARITY)
    bin_similarity(tmp_path / "c.h5", tmp_path / "f.h5", "quantile-5", tmp_path / "b.h5")
    assert (read_artifact(tmp_path / "b.h5", schemas.BINS)["bin"] >= 0).tolist() == [1] * 8 + [0] * 4
    assert "1 of 2 identities have fewer images than quantile-5 has bins: left out" in caplog.text
    with pytest.raises(UnmeasurableError, match=r"no image falls into a bin of quantile-9"):
        bin_similarity(tmp_path / "c.h5", tmp_path / "f.h5", "quantile-9", tmp_path / "b.h5")
    bin_similarity(tmp_path / "c.h5", tmp_path / "f.h5", "threshold-0.95", tmp_path / "b.h5")
    empty = read_artifact(tmp_path / "b.h5", schemas.BINS)
    assert empty["count"].tolist() == [0, 12] and np.isnan(empty["mean_similarity"]).tolist() == [1, 0]
    with pytest.raises(InputError, match="bin 0 has no image; choose other bins"):
        extract_bin(tmp_path / "f.h5", tmp_path / "b.h5", tmp_path / "c.h5", 0, tmp_path / "x.h5")
    bin_similarity(tmp_path / "c.h5", tmp_path / "f.h5", "quantile-2", tmp_path / "b.h5")
    for wrong in (2, -1):
        with pytest.raises(InputError, match=rf"has no bin {wrong}; its bins are 0 … 1"):
            extract_bin(tmp_path / "f.h5", tmp_path / "b.h5", tmp_path / "c.h5", wrong, tmp_path / "x.h5")
    write_faces(tmp_path / "other.h5", ["a"] * 5)
    with pytest.raises(InputError, match=r"is of 12 images, .* has 5"):
        bin_similarity(tmp_path / "c.h5", tmp_path / "other.h5", "quantile-2", tmp_path / "b.h5")
