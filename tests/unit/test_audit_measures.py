"""Diversity against loops over pairs, and every way their inputs can disagree."""

import itertools
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import roc_curve

from semihard.audit.diversity import measure_diversity
from semihard.audit.leakage import audit_leakage
from semihard.audit.settings import LeakageAudit
from semihard.audit.vendi import vendi_scores
from semihard.errors import InputError, UnmeasurableError
from semihard.figures.audits import plot_diversity
from semihard.similarity.centers import find_identity_centers
from semihard.similarity.embedding_pairs import draw_pairs, identity_of_each, pair_cosines
from semihard.storage import schemas
from semihard.storage.artifacts import or_unmeasured, read_artifact, write_artifact
from semihard.storage.faceset import FaceSet, FaceSetWriter
from semihard.storage.provenance import Provenance
from semihard.verification.protocol import d_prime


def face_set(path: Path, identity: list[str], **columns: np.ndarray) -> Path:
    with FaceSetWriter(path, (4, 4), "raw") as writer:
        writer.add(np.zeros((len(identity), 4, 4, 3), np.uint8), identity, columns)
    return path


def embeddings(path: Path, values: np.ndarray) -> Path:
    write_artifact(path, schemas.EMBEDDINGS, {"embedding": values})
    return path


def unit(values: np.ndarray) -> np.ndarray:
    return values / np.linalg.norm(values, axis=1, keepdims=True)


def clustered(identities: int, images: int, dim: int, seed: int, spread: float = 0.6) -> np.ndarray:
    rng = np.random.default_rng(seed)
    center = np.repeat(unit(rng.normal(size=(identities, dim))), images, 0)
    return (3 * (center + spread * rng.normal(size=center.shape) / np.sqrt(dim))).astype(np.float32)


# ── pairs ────────────────────────────────────────────────────────────────────────────────────────────────────────────


@given(st.lists(st.integers(0, 4), min_size=2, max_size=12), st.booleans(), st.integers(1, 100))
def test_pairs_are_of_the_kind_asked_for(identity, same, count):
    identity = np.array(identity)
    first, second = draw_pairs(identity, same, count, seed=0)
    assert ((identity[first] == identity[second]) == same).all()
    assert (first != second).all()
    exists = any((identity[i] == identity[j]) == same for i in range(len(identity)) for j in range(i))
    assert bool(len(first)) == exists


@pytest.mark.parametrize("same", [True, False])
def test_every_pair_is_equally_likely(same):
    identity = np.tile([0, 0, 0, 1, 1, 2, 0, 2], 20)  # 160 images: more pairs than draws
    first, second = draw_pairs(identity, same, 12_000, seed=3)
    assert len(first) == 12_000 < len(identity) * (len(identity) - 1) // 2
    for which in (first, second):  # an image is drawn in proportion to its partners
        partners = np.array([((identity == identity[i]) == same).sum() - same for i in range(len(identity))])
        expected = 12_000 * partners / partners.sum()
        chi2 = ((np.bincount(which, minlength=len(identity)) - expected) ** 2 / expected).sum()
        assert chi2 < 159 + 5 * np.sqrt(2 * 159)


def test_unlabelled_images_are_identities_of_their_own(tmp_path):
    identity = identity_of_each(FaceSet(face_set(tmp_path / "f.h5", ["a", "", "b", "", "a"])))
    assert identity.tolist() == [0, 2, 1, 3, 0]


def vendi(unit: np.ndarray) -> float:
    """By its definition: of the n × n kernel."""
    share = np.linalg.eigvalsh(unit @ unit.T / len(unit))
    return float(np.exp(-sum(p * np.log(p) for p in share if p > 1e-12)))


def test_vendi_score_counts_what_is_distinct():
    identity = np.repeat([0, 1], 6)
    same, apart = torch.eye(12)[[0] * 12], torch.eye(12)
    of_same, of_apart = vendi_scores(same, identity), vendi_scores(apart, identity)
    assert of_same["vendi"] == pytest.approx(1) == of_same["vendi_within"]
    assert of_apart["vendi"] == pytest.approx(12) and of_apart["vendi_within"] == pytest.approx(5)
    two_people = vendi_scores(torch.eye(12)[np.repeat([3, 7], 6)], identity)
    assert two_people["vendi"] == pytest.approx(2) and two_people["vendi_within"] == pytest.approx(1)
    assert vendi_scores(apart[:5], np.array([0, 0, 1, 1, 1]))["vendi_within_images"] == 3  # none has five


# ── diversity ────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_diversity_is_that_of_loops(tmp_path):
    sizes = [5, 1, 3, 7, 2, 4]
    names = [f"p{k}" for k, n in enumerate(sizes) for _ in range(n)] + ["", ""]
    rng = np.random.default_rng(2)
    values = rng.normal(size=(24, 5)).astype(np.float32)
    achieved = rng.uniform(-1, 1, 24)
    faces = face_set(tmp_path / "f.h5", names, similarity=achieved)
    measure_diversity(faces, embeddings(tmp_path / "e.h5", values), tmp_path / "out.h5", Provenance())
    found = read_artifact(tmp_path / "out.h5", schemas.DIVERSITY)
    value = dict(zip(found["name"], found["value"], strict=True))

    u = unit(values.astype(np.float64))
    rows = {k: [i for i, name in enumerate(names) if name == f"p{k}"] for k in range(6)}
    center = {k: unit(u[r].mean(0)[None])[0] for k, r in rows.items()}
    several = [k for k in rows if sizes[k] > 1]
    assert value["identities"] == 6 and value["images"] == 22
    expected = np.mean([np.mean([u[i] @ center[k] >= 0.3 for i in rows[k]]) for k in several])
    assert value["consistency"] == pytest.approx(expected, abs=1e-6)
    expected = np.mean([np.mean([u[i] @ u[j] for i in rows[k] for j in rows[k] if i != j]) for k in several])
    assert value["intra_class_similarity"] == pytest.approx(expected, abs=1e-6)
    kept: list[int] = []
    for k in rows:
        if all(center[k] @ center[other] < 0.3 for other in kept):
            kept.append(k)
    assert value["uniqueness"] == pytest.approx(len(kept) / 6)
    genuine = [u[i] @ u[j] for i in range(22) for j in range(i + 1, 22) if names[i] == names[j]]
    impostor = [u[i] @ u[j] for i in range(22) for j in range(i + 1, 22) if names[i] != names[j]]
    np.testing.assert_allclose(np.sort(found["genuine"]), np.sort(genuine), atol=1e-6)
    np.testing.assert_allclose(np.sort(found["impostor"]), np.sort(impostor), atol=1e-6)
    several_images = [u[r[:]] for k, r in rows.items() if sizes[k] >= 5]
    assert value["vendi_within_images"] == 5 and value["vendi_images"] == 22
    assert value["vendi"] == pytest.approx(vendi(u[:22]), rel=1e-5)
    five = [
        np.mean([vendi(images[list(some)]) for some in itertools.combinations(range(len(images)), 5)])
        for images in several_images
    ]
    assert value["vendi_within"] == pytest.approx(np.mean(five), rel=0.15)  # of one choice of five, not of all
    expected = abs(np.mean(genuine) - np.mean(impostor)) / np.sqrt((np.var(genuine) + np.var(impostor)) / 2)
    assert value["d_prime"] == pytest.approx(expected, rel=1e-5)
    assert value["achieved_similarity_mean"] == pytest.approx(achieved[:22].mean())
    assert value["achieved_similarity_sd"] == pytest.approx(achieved[:22].std())
    of_identity = np.array([achieved[r].mean() for r in rows.values()])
    assert value["identity_similarity_mean"] == pytest.approx(of_identity.mean())
    assert value["identity_similarity_sd"] == pytest.approx(of_identity.std())
    assert value["identities_below_0.1"] == sum(mean < 0.1 for mean in of_identity) > 0
    assert value["identities_0.1_0.2"] == sum(0.1 <= mean < 0.2 for mean in of_identity)
    assert sum(number for name, number in value.items() if name.startswith("identities_")) == 6


def test_no_achieved_similarity_without_its_column(tmp_path):
    faces = face_set(tmp_path / "f.h5", ["a", "a", "b"])
    measure_diversity(faces, embeddings(tmp_path / "e.h5", clustered(3, 1, 5, 0)), tmp_path / "out.h5", Provenance())
    assert not any("achieved" in name for name in read_artifact(tmp_path / "out.h5", schemas.DIVERSITY)["name"])


@pytest.mark.parametrize("identity", [["a", "a"], ["a", "b"], ["", ""]])
def test_diversity_needs_pairs_of_both_kinds(tmp_path, identity):
    faces = face_set(tmp_path / "f.h5", identity)
    with pytest.raises(InputError, match="two identities, one of two images"):
        measure_diversity(faces, embeddings(tmp_path / "e.h5", clustered(2, 1, 5, 0)), tmp_path / "o.h5", Provenance())
    assert not (tmp_path / "o.h5").exists()


def test_equal_error_rate_and_d_prime_of_two_normal_distributions(tmp_path):
    rng = np.random.default_rng(0)
    assert d_prime(rng.normal(2, 1, 200_000), rng.normal(0, 1, 200_000)) == pytest.approx(2, abs=0.02)
    values = clustered(60, 6, 32, seed=0, spread=1.6)
    faces = face_set(tmp_path / "f.h5", [f"p{i // 6}" for i in range(360)])
    measure_diversity(faces, embeddings(tmp_path / "e.h5", values), tmp_path / "out.h5", Provenance())
    found = read_artifact(tmp_path / "out.h5", schemas.DIVERSITY)
    value = dict(zip(found["name"], found["value"], strict=True))
    cosine, same = np.r_[found["genuine"], found["impostor"]], np.r_[np.ones(900), np.zeros(360 * 359 // 2 - 900)]
    false, true, _ = roc_curve(same, cosine, drop_intermediate=False)
    assert 0.01 < value["equal_error_rate"] == pytest.approx(np.interp(0, true - 1 + false, false), abs=1e-9)


def test_cosines_do_not_depend_on_the_block(monkeypatch):
    vectors = torch.from_numpy(unit(clustered(20, 1, 8, 0)))
    first, second = draw_pairs(np.arange(20), False, 10_000, 0)
    whole = pair_cosines(vectors, first, second)
    monkeypatch.setattr("semihard.similarity.embedding_pairs.PAIRS_AT_ONCE", 7)
    np.testing.assert_array_equal(whole, pair_cosines(vectors, first, second))
    np.testing.assert_allclose(
        whole, [float(vectors[i] @ vectors[j]) for i, j in zip(first, second, strict=True)], atol=1e-6
    )


# ── copies of inquiries ──────────────────────────────────────────────────────────────────────────────────────────────


def with_copies(tmp_path: Path) -> tuple[list[Path], list[Path]]:
    """Face set and embeddings of ten people, and the same with two copies of an inquiry of each."""
    own, people = clustered(10, 4, 16, seed=3), [f"p{i // 4}" for i in range(40)]
    copies, names = clustered(10, 2, 16, seed=9), [f"p{i // 2}" for i in range(20)]
    plain = [face_set(tmp_path / "f.h5", people), embeddings(tmp_path / "e.h5", own)]
    column = {"inquiry_copy": np.repeat([0, 1], [40, 20]).astype(np.int8)}
    mixed = face_set(tmp_path / "cf.h5", people + names, **column)
    return plain, [mixed, embeddings(tmp_path / "ce.h5", np.concatenate([own, copies]))]


def test_copies_of_inquiries_enter_no_measure(tmp_path):
    plain, mixed = with_copies(tmp_path)
    for paths, name in ((plain, "d.h5"), (mixed, "cd.h5")):
        measure_diversity(*paths, tmp_path / name, Provenance())
    first, second = (read_artifact(tmp_path / name, schemas.DIVERSITY) for name in ("d.h5", "cd.h5"))
    of = [dict(zip(each["name"], each["value"], strict=True)) for each in (first, second)]
    assert of[0].pop("inquiry_copies") == 0 and of[1].pop("inquiry_copies") == 20
    assert of[0] == of[1]
    assert all(np.array_equal(first[kind], second[kind]) for kind in ("genuine", "impostor"))

    gallery = face_set(tmp_path / "g.h5", [f"g{i // 4}" for i in range(80)])
    known = (gallery, embeddings(tmp_path / "ge.h5", clustered(20, 4, 16, seed=5)))
    for paths, name in ((plain, "l.h5"), (mixed, "cl.h5")):
        audit_leakage(LeakageAudit(false_match_rate=0.01), *paths, *known, tmp_path / name, Provenance())
    first, second = (read_artifact(tmp_path / name, schemas.LEAKAGE) for name in ("l.h5", "cl.h5"))
    of = [dict(zip(each["name"], each["value"], strict=True)) for each in (first, second)]
    assert of[0].pop("inquiry_copies") == 0 and of[1].pop("inquiry_copies") == 20
    matching = of[1].pop("inquiry_copies_matching")
    assert np.isnan(of[0].pop("inquiry_copies_matching")) and 0 <= matching <= 1
    np.testing.assert_equal(of[0], of[1])
    assert all(np.array_equal(first[name], second[name]) for name in set(first) - {"name", "value", "interval"})

    for paths, name in ((plain, "c.h5"), (mixed, "cc.h5")):
        find_identity_centers(*paths, "mean", None, tmp_path / name)
    first, second = (read_artifact(tmp_path / name, schemas.CENTERS) for name in ("c.h5", "cc.h5"))
    assert np.array_equal(first["center"], second["center"]) and np.array_equal(first["count"], second["count"])
    assert np.array_equal(first["similarity"], second["similarity"][:40]) and np.isnan(second["similarity"][40:]).all()


def test_what_a_set_does_not_allow_is_written_down_and_read_as_that(tmp_path, caplog):
    paths = face_set(tmp_path / "f.h5", ["a", "b"]), embeddings(tmp_path / "e.h5", clustered(2, 1, 8, 0))
    out = tmp_path / "d.h5"
    with or_unmeasured(out, schemas.DIVERSITY, Provenance(rule="measure_diversity")):
        measure_diversity(*paths, out, Provenance())
    assert "not measured: " in caplog.text and "two identities, one of two images, are needed" in caplog.text
    with pytest.raises(UnmeasurableError, match="two identities, one of two images, are needed"):
        read_artifact(out, schemas.DIVERSITY)
    with h5py.File(out) as h5:
        assert h5.attrs["rule"] == "measure_diversity"
    plot_diversity({"alone": out}, tmp_path / "d.svg", tmp_path / "d.csv")
    assert "alone: not measured: " in (tmp_path / "d.svg").read_text() and len(pd.read_csv(tmp_path / "d.csv")) == 0
