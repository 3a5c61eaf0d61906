"""Inquiries: the blocked greedy selection against the naive one, and what the file says."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from semihard.artifacts import read_artifact, write_artifact
from semihard.errors import InputError
from semihard.faceset import FaceSet, FaceSetWriter
from semihard.generator import inquiries
from semihard.generator.inquiries import keep_dissimilar, one_per_identity, select_inquiries
from semihard.provenance import Provenance
from semihard.settings import SyntheticFaces
from tests.unit.toy_generator import toy_images


def unit(rng: np.random.Generator, count: int, dim: int) -> np.ndarray:
    vectors = rng.normal(size=(count, dim)).astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def naive(vectors: np.ndarray, threshold: float) -> list[int]:
    kept: list[int] = []
    for i in range(len(vectors)):
        if all(float(vectors[i] @ vectors[j]) < threshold for j in kept):
            kept.append(i)
    return kept


@settings(deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 80), st.integers(1, 40), st.floats(-0.3, 0.9))
def test_blocks_select_what_one_pass_selects(seed: int, count: int, block: int, threshold: float):
    vectors = unit(np.random.default_rng(seed), count, 6)
    kept, chosen = np.empty((0, 6), np.float32), []
    for start in range(0, count, block):
        rows, nearest = keep_dissimilar(vectors[start : start + block], kept, threshold)
        for row, similarity in zip(rows, nearest, strict=True):
            earlier = [*kept, *(vectors[start + r] for r in rows if r < row)]
            expected = max((float(vectors[start + row] @ other) for other in earlier), default=np.nan)
            assert similarity == pytest.approx(expected, abs=1e-5, nan_ok=True)
        kept = np.concatenate([kept, vectors[start + rows]])
        chosen += (start + rows).tolist()
    assert chosen == naive(vectors, threshold)


@pytest.fixture
def faces(tmp_path: Path) -> tuple[Path, Path, np.ndarray]:
    """90 labelled images of 30 identities and 20 unlabelled ones, with embeddings of any length."""
    with FaceSetWriter(tmp_path / "faces.h5", (16, 16), "png") as writer:
        writer.add(toy_images(110), [f"person{i % 30}" for i in range(90)] + [""] * 20)
    raw = unit(np.random.default_rng(1), 110, 6) * np.linspace(0.5, 9, 110, dtype=np.float32)[:, None]
    write_artifact(tmp_path / "embeddings.h5", "embeddings", {"embedding": raw})
    return tmp_path / "faces.h5", tmp_path / "embeddings.h5", raw


def entry(**given) -> SyntheticFaces:
    return SyntheticFaces(source="synthesis", generator="g", inquiries="i", **given)


@pytest.mark.parametrize("block", [4, 512])
def test_writes_dissimilar_inquiries_of_different_identities(faces, tmp_path, monkeypatch, block):
    faces_path, embeddings_path, raw = faces
    monkeypatch.setattr(inquiries, "BLOCK", block)
    asked = entry(identities=12, inquiry_threshold=0.6, seed=3)
    select_inquiries(asked, faces_path, embeddings_path, tmp_path / "inquiries.h5", Provenance())
    found = read_artifact(tmp_path / "inquiries.h5", "inquiries")

    vectors = raw / np.linalg.norm(raw, axis=1, keepdims=True)
    order = one_per_identity(FaceSet(faces_path), 3)
    expected = order[naive(vectors[order], 0.6)][:12]
    assert found["source_index"].tolist() == expected.tolist()
    assert np.allclose(found["embedding"], vectors[expected], atol=1e-6)
    names = np.array([f"person{i % 30}" for i in range(90)] + [""] * 20)
    assert found["source_name"].tolist() == names[expected].tolist()
    similarity = found["embedding"] @ found["embedding"].T - 2 * np.eye(12)
    assert similarity.max() < 0.6
    earlier = np.where(np.tri(12, k=-1, dtype=bool), similarity, -np.inf).max(1)
    assert np.isnan(found["nearest"][0]) and np.allclose(found["nearest"][1:], earlier[1:], atol=1e-5)


def test_candidates_are_one_image_per_identity_and_every_unlabelled_one(faces):
    source = FaceSet(faces[0])
    order = one_per_identity(source, 0)
    assert len(order) == 50 and set(range(90, 110)) <= set(order.tolist())
    assert sorted(source.identity[order[order < 90]]) == list(range(30))
    assert not np.array_equal(order, one_per_identity(source, 1))


def test_too_few_are_told_with_the_numbers(faces, tmp_path):
    with pytest.raises(
        InputError, match=r"50 candidates, \d+ of them mutually below cosine -0.9, 12 identities asked for"
    ):
        asked = entry(identities=12, inquiry_threshold=-0.9)
        select_inquiries(asked, faces[0], faces[1], tmp_path / "inquiries.h5", Provenance())
    assert not (tmp_path / "inquiries.h5").exists()


def test_embeddings_of_another_face_set_are_refused(faces, tmp_path):
    write_artifact(tmp_path / "other.h5", "embeddings", {"embedding": np.ones((9, 6), np.float32)})
    with pytest.raises(InputError, match="9 embeddings for a face set of 110 images"):
        select_inquiries(entry(identities=2), faces[0], tmp_path / "other.h5", tmp_path / "out.h5", Provenance())
