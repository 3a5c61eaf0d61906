"""Inquiries: greedy selection, gate, rounds and centers against naive loops, and what the file and the messages say."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import vonmises_fisher

from semihard.errors import InputError
from semihard.generator import inquiries
from semihard.generator.drawn_identities import fit_mixture, gaussian, mixture
from semihard.generator.drawn_identities import unit as at_length_one
from semihard.generator.inquiries import one_per_identity, order_candidates, read_inquiry_images, select_inquiries
from semihard.generator.quality import QualityGate, measure_quality, sharpness
from semihard.generator.settings import SyntheticFaces
from semihard.storage import schemas
from semihard.storage.artifacts import read_artifact, read_attributes, write_artifact
from semihard.storage.faceset import FaceSet, FaceSetWriter
from semihard.storage.provenance import Provenance
from tests.unit.test_packing import naive, unit

NAMES = [f"person{i % 30}" for i in range(90)] + [""] * 20


def entry(**given) -> SyntheticFaces:
    defaults = {"inquiry_threshold": 0.6, "quality_quantile": 0, "inquiry_rounds": 1}
    return SyntheticFaces(source="synthesis", generator="g", inquiries="i", **(defaults | given))


def write_faces(path: Path, names: list[str], size: int = 8) -> Path:
    """Noise of a contrast of its own for every image, so that all differ in sharpness."""
    rng = np.random.default_rng(0)
    contrast = rng.permutation(len(names))[:, None, None, None] / len(names)
    images = 128 + 127 * contrast * rng.uniform(-1, 1, (len(names), size, size, 3))
    with FaceSetWriter(path, (size, size), "png") as writer:
        writer.add(images.astype(np.uint8), names)
    return path


def write_embeddings(path: Path, embedding: np.ndarray) -> Path:
    write_artifact(path, schemas.EMBEDDINGS, {"embedding": embedding.astype(np.float32)})
    return path


@pytest.fixture
def faces(tmp_path: Path) -> tuple[Path, Path, np.ndarray]:
    """90 labelled images of 30 identities and 20 unlabelled ones, with embeddings of any length."""
    rng = np.random.default_rng(1)
    raw = unit(rng, 110) * rng.uniform(0.5, 9, (110, 1)).astype(np.float32)
    return write_faces(tmp_path / "faces.h5", NAMES), write_embeddings(tmp_path / "embeddings.h5", raw), raw


def select(asked: SyntheticFaces, faces, embeddings, folder: Path, centers: Path | None = None, **more: Path) -> dict:
    """The inquiries and, in the same dict, the attributes of the file."""
    select_inquiries(asked, faces, embeddings, folder / "inquiries.h5", Provenance(rule="r"), centers, **more)
    attributes = read_attributes(folder / "inquiries.h5", schemas.INQUIRIES)
    return attributes | read_artifact(folder / "inquiries.h5", schemas.INQUIRIES)


# ── one round ────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("block", [4, 2048])
def test_writes_dissimilar_inquiries_of_different_identities(faces, tmp_path, monkeypatch, block):
    monkeypatch.setattr(inquiries, "BLOCK", block)
    faces_path, embeddings_path, raw = faces
    found = select(entry(identities=12, seed=3), faces_path, embeddings_path, tmp_path)
    vectors = raw / np.linalg.norm(raw, axis=1, keepdims=True)
    order = one_per_identity(FaceSet(faces_path), 3)
    expected = order[naive(vectors[order], 0.6)][:12]
    assert found["source_index"].tolist() == expected.tolist()
    assert np.allclose(found["embedding"], vectors[expected], atol=1e-6)
    assert found["source_name"].tolist() == np.array(NAMES)[expected].tolist()
    similarity = found["embedding"] @ found["embedding"].T - 2 * np.eye(12)
    assert similarity.max() < 0.6
    earlier = np.where(np.tri(12, k=-1, dtype=bool), similarity, -np.inf).max(1)
    assert np.isnan(found["nearest"][0]) and np.allclose(found["nearest"][1:], earlier[1:], atol=1e-5)
    assert (found["candidates"], found["gated"], found["rounds"], found["rule"]) == (50, 0, 1, "r")


def test_another_embedder_can_tell_inquiries_apart(faces, tmp_path):
    """Its cosines decide who is taken; what is written is still the generator's embedder's view of them."""
    faces_path, embeddings_path, raw = faces
    other = unit(np.random.default_rng(7), 110)
    told_apart_by = write_embeddings(tmp_path / "other.h5", 3 * other)
    asked = entry(identities=12, seed=3, inquiry_embedder="o")
    select_inquiries(asked, faces_path, embeddings_path, tmp_path / "i.h5", Provenance(), None, told_apart_by)
    found = read_artifact(tmp_path / "i.h5", schemas.INQUIRIES)
    order = one_per_identity(FaceSet(faces_path), 3)
    expected = order[naive(other[order], 0.6)][:12]
    assert found["source_index"].tolist() == expected.tolist()
    vectors = raw / np.linalg.norm(raw, axis=1, keepdims=True)
    assert np.allclose(found["embedding"], vectors[expected], atol=1e-6)
    similarity = np.where(np.tri(12, k=-1, dtype=bool), other[expected] @ other[expected].T, -np.inf).max(1)
    assert np.allclose(found["nearest"][1:], similarity[1:], atol=1e-5)


def test_candidates_are_one_image_per_identity_and_every_unlabelled_one(faces):
    source = FaceSet(faces[0])
    order = one_per_identity(source, 0)
    assert len(order) == 50 and set(range(90, 110)) <= set(order.tolist())
    assert sorted(source.identity[order[order < 90]]) == list(range(30))
    assert not np.array_equal(order, one_per_identity(source, 1))


@given(st.lists(st.sampled_from(["a", "b", "c", ""]), min_size=1, max_size=20), st.booleans(), st.integers(0, 100))
def test_every_image_of_an_identity_has_a_round_of_its_own(tmp_path_factory, names, by_similarity, seed):
    faces = FaceSet(write_faces(tmp_path_factory.mktemp("f") / "faces.h5", names, size=1))
    similarity = np.random.default_rng(seed).permutation(len(names)) / 100
    shuffled, turn = order_candidates(faces, seed, similarity if by_similarity else None)
    assert sorted(shuffled) == list(range(len(names)))
    for k in range(len(faces.identity_names)):
        images = shuffled[faces.identity[shuffled] == k]
        assert turn[faces.identity[shuffled] == k].tolist() == (
            [int((similarity[images] > similarity[i]).sum()) for i in images]
            if by_similarity
            else list(range(len(images)))
        )
    assert set(turn[faces.identity[shuffled] < 0]) <= {-1 if by_similarity else 0}


# ── quality ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_sharpness_is_the_variance_of_a_loop_and_blur_lowers_it():
    images = np.random.default_rng(0).integers(0, 256, (3, 7, 9, 3)).astype(np.uint8)
    for image, found in zip(images, sharpness(images), strict=True):
        grey = image.astype(np.float64) @ [0.299, 0.587, 0.114]
        laplacian = [
            grey[y - 1, x] + grey[y + 1, x] + grey[y, x - 1] + grey[y, x + 1] - 4 * grey[y, x]
            for y in range(1, 6)
            for x in range(1, 8)
        ]
        assert found == pytest.approx(np.var(laplacian), rel=1e-5)
    blurred = (images[:, 1:] / 2 + images[:, :-1] / 2).astype(np.uint8)
    assert (sharpness(blurred) < sharpness(images)).all()


def test_the_gate_leaves_out_the_lowest_by_norm_or_sharpness(faces, monkeypatch):
    monkeypatch.setattr("semihard.generator.quality.IMAGES_AT_ONCE", 7)
    source, raw = FaceSet(faces[0]), faces[2]
    order = np.random.default_rng(0).permutation(110)
    first, later = order[:61], order[61:]
    norm, sharp = np.linalg.norm(raw, axis=1), sharpness(source.images(slice(None)))
    np.testing.assert_allclose(measure_quality(source, faces[1], first), np.stack([norm, sharp], 1)[first], rtol=1e-6)

    gate = QualityGate(source, faces[1], 0.1)
    limits = [sorted(values[first])[6] for values in (norm, sharp)]  # 6 of 61 lie below each
    for candidates in (first, later):  # the limits are those of the first candidates
        expected = [i for i in candidates if norm[i] > limits[0] * 0.9999 and sharp[i] > limits[1] * 0.9999]
        assert gate(candidates).tolist() == expected and len(expected) < len(candidates)


def test_the_gate_precedes_the_packing(faces, tmp_path):
    source, raw = FaceSet(faces[0]), faces[2]
    found = select(entry(identities=8, quality_quantile=0.4, seed=5), *faces[:2], tmp_path)
    order = one_per_identity(source, 5)
    good = QualityGate(source, faces[1], 0.4)(order)
    vectors = raw / np.linalg.norm(raw, axis=1, keepdims=True)
    assert found["source_index"].tolist() == good[naive(vectors[good], 0.6)][:8].tolist()
    assert found["candidates"] == 50 and found["gated"] == 50 - len(good) > 19


def test_quantile_0_takes_all_and_reads_no_image(faces, monkeypatch):
    monkeypatch.setattr(FaceSet, "images", None)
    candidates = np.arange(110)
    assert QualityGate(FaceSet(faces[0]), faces[1], 0)(candidates) is candidates


# ── rounds ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def clashing(folder: Path) -> tuple[Path, Path]:
    """Ten identities of three images: one image of its own direction, two of everybody's."""
    vectors = np.repeat(np.eye(11)[:10], 3, axis=0)
    vectors[np.arange(30) % 3 > 0] = np.eye(11)[10]
    names = [f"person{i // 3}" for i in range(30)]
    return write_faces(folder / "faces.h5", names), write_embeddings(folder / "embeddings.h5", 5 * vectors)


def test_another_image_rescues_an_identity(tmp_path):
    paths = clashing(tmp_path)
    found = select(entry(identities=10, inquiry_rounds=3), *paths, tmp_path)
    identity = found["source_index"] // 3
    assert sorted(identity) == list(range(10)) and found["rounds"] == 3
    assert (found["source_index"] % 3 > 0).sum() == 1  # one of everybody's direction, the others of their own
    shuffled, turn = order_candidates(FaceSet(paths[0]), 0)
    taken: list[int] = []
    for image in (i for now in range(3) for i in shuffled[turn == now].tolist()):
        of_everybody = image % 3 > 0 and any(i % 3 > 0 for i in taken)
        if not of_everybody and image // 3 not in [i // 3 for i in taken]:
            taken.append(image)
    assert found["source_index"].tolist() == taken


def test_rounds_are_bounded_and_told(tmp_path):
    paths = clashing(tmp_path)
    sentence = (
        r"faces.h5: 10 identities asked for; of 10 candidates in 1 of 1 rounds 0 were left out for their quality, \d of "
        "the others are mutually below cosine 0.6; ask for fewer, raise inquiry_threshold, lower quality_quantile, "
        "raise inquiry_rounds, or take a larger face set"
    )
    with pytest.raises(InputError, match=sentence):
        select(entry(identities=10), *paths, tmp_path)
    sentence = (
        r"11 identities .* in 3 of 1000 rounds .* 10 of the others .* lower quality_quantile, or take a larger face set"
    )
    with pytest.raises(InputError, match=sentence):
        select(entry(identities=11, inquiry_rounds=1000), *paths, tmp_path)
    assert not (tmp_path / "inquiries.h5").exists()


def test_unlabelled_images_are_all_looked_at_in_the_first_round(tmp_path):
    paths = write_faces(tmp_path / "f.h5", [""] * 9), write_embeddings(tmp_path / "e.h5", np.eye(9))
    found = select(entry(identities=9, inquiry_rounds=4), *paths, tmp_path)
    assert sorted(found["source_index"]) == list(range(9)) and found["rounds"] == 1
    assert found["source_name"].tolist() == [""] * 9
    with pytest.raises(InputError, match="of 9 candidates in 1 of 4 rounds .* or draw more images"):
        select(entry(identities=10, inquiry_rounds=4), *paths, tmp_path)


def test_the_same_entry_gives_the_same_file(faces, tmp_path):
    asked, written = entry(identities=12, quality_quantile=0.1, inquiry_rounds=3), []
    for name in "abc":
        select_inquiries(asked, *faces[:2], tmp_path / name, Provenance())
        written.append((tmp_path / name).read_bytes())
        asked = asked if name == "a" else asked.model_copy(update={"seed": 1})
    assert written[0] == written[1] != written[2]


# ── centers ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def write_centers(path: Path, faces: FaceSet, raw: np.ndarray) -> tuple[Path, np.ndarray, np.ndarray]:
    center = unit(np.random.default_rng(7), len(faces.identity_names))
    vectors = raw / np.linalg.norm(raw, axis=1, keepdims=True)
    similarity = np.where(faces.identity < 0, np.nan, (vectors * center[faces.identity]).sum(1)).astype(np.float32)
    data = {"center": center, "identity_names": faces.identity_names, "count": faces.counts(), "similarity": similarity}
    write_artifact(path, schemas.CENTERS, data)
    return path, center, similarity


@pytest.mark.parametrize("block", [4, 2048])
def test_centers_are_packed_and_the_nearest_image_stands_for_them(faces, tmp_path, monkeypatch, block):
    monkeypatch.setattr(inquiries, "BLOCK", block)
    source = FaceSet(faces[0])
    path, center, similarity = write_centers(tmp_path / "centers.h5", source, faces[2])
    found = select(entry(identities=10, center="mean", seed=2), *faces[:2], tmp_path, path)
    order = [i for i in order_candidates(source, 2)[0] if source.identity[i] >= 0]
    nearest = [max(np.flatnonzero(source.identity == k), key=lambda i: similarity[i]) for k in range(30)]
    candidates = [i for i in order if i in nearest]
    expected = np.array(candidates)[naive(center[source.identity[candidates]], 0.6)][:10]
    assert found["source_index"].tolist() == expected.tolist()
    np.testing.assert_array_equal(found["embedding"], center[source.identity[expected]])
    assert found["candidates"] == 30


def test_a_poor_nearest_image_gives_way_to_the_next(tmp_path):
    with FaceSetWriter(tmp_path / "f.h5", (4, 4), "raw") as writer:
        writer.add(np.zeros((5, 4, 4, 3), np.uint8), ["a", "a", "b", "b", "c"])
    norm = np.array([[9], [9], [1], [9], [8]])
    embeddings = write_embeddings(tmp_path / "e.h5", norm * np.eye(3)[[0, 0, 1, 1, 2]])
    data = {"center": np.eye(3), "identity_names": ["a", "b", "c"], "count": [2, 2, 1]}
    write_artifact(tmp_path / "c.h5", schemas.CENTERS, data | {"similarity": [0.8, 0.9, 0.9, 0.8, 0.7]})
    asked = entry(identities=3, quality_quantile=0.5, center="mean", inquiry_rounds=2)
    found = select(asked, tmp_path / "f.h5", embeddings, tmp_path, tmp_path / "c.h5")
    assert found["source_index"].tolist() in ([1, 4, 3], [4, 1, 3])
    assert (found["candidates"], found["gated"], found["rounds"]) == (4, 1, 2)
    assert found["source_name"][2] == "b" and found["embedding"][2].tolist() == [0, 1, 0]


def test_random_centers_are_unit_vectors_that_no_face_has(faces, tmp_path):
    found = select(entry(identities=10, center="random", inquiry_copies=0, inquiry_threshold=0.9), *faces[:2], tmp_path)
    again = select(entry(identities=10, center="random", inquiry_copies=0, inquiry_threshold=0.9), *faces[:2], tmp_path)
    unit_vectors = faces[2] / np.linalg.norm(faces[2], axis=1, keepdims=True)
    np.testing.assert_allclose(np.linalg.norm(found["embedding"], axis=1), 1, rtol=1e-6)
    np.testing.assert_array_equal(found["embedding"], again["embedding"])
    assert (found["embedding"] @ unit_vectors.T).max() < 1 - 1e-6 and set(found["source_name"]) == {""}
    pairs = found["embedding"] @ found["embedding"].T - 2 * np.eye(10)
    assert pairs.max() <= 0.9


@pytest.mark.parametrize("kind", ["pca", "vmf_mixture"])
def test_drawn_identities_are_nobodys_apart_from_each_other_and_from_the_training_set(faces, tmp_path, kind):
    """More of them than there are images, and the same from the same seed."""
    asked = {"identities": 150, "center": kind, "inquiry_copies": 0, "inquiry_threshold": 0.97}
    found = select(entry(**asked), *faces[:2], tmp_path)
    np.testing.assert_array_equal(found["embedding"], select(entry(**asked), *faces[:2], tmp_path)["embedding"])
    assert not np.array_equal(found["embedding"], select(entry(**asked, seed=1), *faces[:2], tmp_path)["embedding"])
    np.testing.assert_allclose(np.linalg.norm(found["embedding"], axis=1), 1, rtol=1e-6)
    assert set(found["source_index"]) == {-1} and set(found["source_name"]) == {""}
    assert (found["embedding"] @ found["embedding"].T - 2 * np.eye(150)).max() < 0.97
    path, centers, _ = write_centers(tmp_path / "known.h5", FaceSet(faces[0]), faces[2])
    few = entry(**asked | {"identities": 5}, inquiry_novelty=0.8)
    found = select(few, *faces[:2], tmp_path, known_path=path)
    assert (found["embedding"] @ centers.T).max() < 0.8 and found["known"] > 0
    with pytest.raises(InputError, match=rf"5 identities asked for; of 2048 drawn \({kind}\) 2 are mutually below"):
        select(entry(**asked | {"identities": 5, "inquiry_threshold": -0.9}), *faces[:2], tmp_path)


def test_a_gaussian_has_the_moments_of_what_it_is_fitted_to():
    random = np.random.default_rng(0)
    known = at_length_one(
        random.standard_normal((5000, 8)) * [0.3, 0.2, 0.1, 0.1, 0.05, 0.05, 0.01, 0] + [1, 0, 0, 0, 0, 0, 0, 0]
    )
    drawn = gaussian(known, random)(20_000)
    np.testing.assert_allclose(drawn.mean(0), known.mean(0), atol=0.01)
    np.testing.assert_allclose(np.cov(drawn.T), np.cov(known.T), atol=0.01)
    assert abs(drawn[:, 7]).max() < 1e-6


def test_a_mixture_finds_its_components_and_draws_from_them():
    random = np.random.default_rng(0)
    center = at_length_one(random.standard_normal((3, 32)))
    known = at_length_one(
        np.concatenate([vonmises_fisher(c, k).rvs(2000, random) for c, k in zip(center, (50, 100, 200), strict=True)])
    )
    share, found, concentration = fit_mixture(known, random)
    assert share.sum() == pytest.approx(1) and len(share) == 64
    nearest = (found @ center.T).argmax(1)
    assert (found @ center.T).max(1).min() > 0.7 and np.bincount(nearest, share) == pytest.approx(1 / 3, abs=0.01)
    drawn = mixture(known, np.random.default_rng(1))(6000)
    of = (drawn @ center.T).argmax(1)
    for k in range(3):  # as near to the center as what was fitted
        assert (drawn[of == k] @ center[k]).mean() == pytest.approx(
            (known[2000 * k : 2000 * (k + 1)] @ center[k]).mean(), abs=0.03
        )
    _, alone, concentration = fit_mixture(known[2000:2019], random)  # too few for two components
    assert alone.shape == (1, 32) and alone[0] @ center[1] > 0.98 and concentration[0] == pytest.approx(100, rel=0.3)
    assert fit_mixture(np.tile(center[:1], (30, 1)), random)[2] < 1e5  # equal vectors


def test_centers_of_another_face_set_are_refused(faces, tmp_path):
    source = FaceSet(faces[0])
    source.identity_names = [*source.identity_names[1:], "somebody"]
    path, _, _ = write_centers(tmp_path / "centers.h5", source, faces[2])
    with pytest.raises(
        InputError, match=r"centers of 30 identities in 110 images, not those of .*faces.h5 \(30 in 110\)"
    ):
        select(entry(identities=2, center="mean"), *faces[:2], tmp_path, path)


# ── what goes in, what comes out ─────────────────────────────────────────────────────────────────────────────────────


def test_embeddings_of_another_face_set_are_refused(faces, tmp_path):
    other = write_embeddings(tmp_path / "other.h5", np.ones((9, 6)))
    with pytest.raises(InputError, match="9 embeddings for the 110 images of its face set"):
        select(entry(identities=2), faces[0], other, tmp_path)


def test_inquiry_images_have_the_size_asked_for(faces):
    source, rows = FaceSet(faces[0]), np.array([70, 3, 3])
    np.testing.assert_array_equal(read_inquiry_images(source, rows, 8), source.images(rows))
    small = read_inquiry_images(source, rows, 2)
    assert small.shape == (3, 2, 2, 3) and small.dtype == np.uint8
    assert np.abs(small.mean((1, 2)) - source.images(rows).mean((1, 2))).max() < 12
    np.testing.assert_array_equal(small[1], small[2])


def test_candidates_near_to_the_training_set_are_left_out_and_counted(faces, tmp_path):
    faces_path, embeddings_path, raw = faces
    u = raw / np.linalg.norm(raw, axis=1, keepdims=True)
    known = unit(np.random.default_rng(7), 9)
    data = {"center": known, "identity_names": [f"k{i}" for i in range(9)], "count": np.full(9, 2)}
    write_artifact(tmp_path / "k.h5", schemas.CENTERS, data | {"similarity": np.zeros(18, np.float32)})
    limit = float(np.quantile((u @ known.T).max(1), 0.5))
    asked = entry(identities=8, inquiry_threshold=1.0, inquiry_novelty=limit, inquiry_rounds=5)
    output = tmp_path / "i.h5"
    select_inquiries(asked, faces_path, embeddings_path, output, Provenance(), known_path=tmp_path / "k.h5")
    chosen = read_artifact(output, schemas.INQUIRIES)["source_index"]
    assert ((u[chosen] @ known.T).max(1) < limit).all()
    counts = read_attributes(output, schemas.INQUIRIES)
    assert counts["known"] > 5 and counts["candidates"] >= 8 + counts["known"]
    with pytest.raises(
        InputError, match=r"\d+ for being near to the training set, 0 of the others .* raise inquiry_novelty, "
    ):
        nobody = entry(identities=8, inquiry_novelty=-1.0)
        select_inquiries(nobody, faces_path, embeddings_path, output, Provenance(), known_path=tmp_path / "k.h5")
