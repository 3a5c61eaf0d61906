"""Greedy packing in blocks against the loop over single vectors that it stands for."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from semihard.similarity import greedy_selection as packing
from semihard.similarity.greedy_selection import GreedyPacking, pack


def unit(rng: np.random.Generator, count: int, dim: int = 6) -> np.ndarray:
    vectors = rng.normal(size=(count, dim)).astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def naive(vectors: np.ndarray, threshold: float) -> list[int]:
    kept: list[int] = []
    for i in range(len(vectors)):
        if all(float(vectors[i] @ vectors[j]) < threshold for j in kept):
            kept.append(i)
    return kept


@settings(deadline=None)
@given(st.integers(0, 10**6), st.lists(st.integers(0, 40), max_size=6), st.floats(-0.5, 0.9), st.integers(2, 6))
def test_blocks_of_any_size_keep_what_a_loop_keeps(seed: int, sizes: list[int], threshold: float, dim: int):
    vectors = unit(np.random.default_rng(seed), sum(sizes), dim)
    greedy, kept, nearest, start = GreedyPacking(threshold), [], [], 0
    for size in sizes:
        rows, cosine = greedy.add(torch.from_numpy(vectors[start : start + size]))
        kept, nearest, start = [*kept, *(start + rows).tolist()], [*nearest, *cosine.tolist()], start + size
    assert kept == naive(vectors, threshold)
    expected = [max((float(vectors[i] @ vectors[j]) for j in kept[:n]), default=-np.inf) for n, i in enumerate(kept)]
    assert nearest == pytest.approx(expected, abs=1e-5)
    if kept:
        np.testing.assert_array_equal(torch.cat(greedy.kept), vectors[kept])


@settings(deadline=None)
@given(st.integers(0, 10**6), st.integers(0, 60), st.floats(-0.5, 0.9))
def test_packing_is_that_of_a_loop(seed: int, count: int, threshold: float):
    vectors = unit(np.random.default_rng(seed), count, 3)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(packing, "BLOCK", 7)
        assert pack(torch.from_numpy(vectors), threshold).tolist() == naive(vectors, threshold)


def test_copies_are_kept_once_and_the_first_is():
    vectors = np.repeat(np.eye(4, dtype=np.float32), 3, axis=0)[np.random.default_rng(0).permutation(12)]
    first = sorted(int(np.argmax(vectors[:, axis])) for axis in range(4))
    assert pack(torch.from_numpy(vectors), 0.99).tolist() == first


@pytest.mark.parametrize("block", [1, 2])
def test_a_vector_at_the_threshold_is_too_similar(monkeypatch, block):
    monkeypatch.setattr(packing, "BLOCK", block)
    vectors = torch.tensor([[1.0, 0.0], [0.0, 1.0]])
    assert pack(vectors, 0.0).tolist() == [0]
    assert pack(vectors, 1e-6).tolist() == [0, 1]


def test_a_threshold_of_one_is_no_limit():
    """Rounding may put the cosine of two equal vectors on either side of 1."""
    unit = torch.nn.functional.normalize(torch.randn(1, 33), dim=1).repeat(5, 1)
    assert len(pack(unit, 1.0)) == 5 and len(pack(unit, 0.999)) == 1
