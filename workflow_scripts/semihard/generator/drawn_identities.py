"""Identities that no photograph shows: unit vectors from a distribution over embeddings, uniform or fitted to real ones."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
from scipy.stats import vonmises_fisher

from semihard.compute.seeds import seed_for
from semihard.similarity.embedding_pairs import open_embeddings

Draw = Callable[[int], np.ndarray]  # how many → unit vectors float32 [n, D]

FITTED_TO = 100_000  # embeddings, drawn at random where there are more: 200 MB of 512 dimensions
COMPONENTS, PER_COMPONENT = 64, 20  # of the mixture, at most, and the embeddings that each is to have on average; ours
ROUNDS = 50
NEAREST_TO_ONE = 0.999  # mean length of a component: one of equal vectors has no finite concentration


def drawn_identities(kind: str, seed: int, embeddings_path: Path | str, count: int) -> Draw:
    """What draws identities of `kind`; embeddings_path: of a face set of `count` images, whose dimensions, and for all but
    "random" whose distribution, they have.

    random: uniform on the sphere. Of 512 dimensions the nearest of CASIA-WebFace's centers lies within the −0.1 … 0.2 of
    CemiFace's Table 8. pca: a Gaussian along the principal axes of the unit embeddings, as Vec2Face's users draw (ICLR 2025),
    of all axes, scaled back to the sphere. vmf_mixture: von Mises–Fisher distributions on the sphere, fitted by hard
    assignment, with Banerjee's concentrations (JMLR 2005, Sec. 4.2).
    """
    random = np.random.default_rng(seed_for(seed, "random centers"))
    with open_embeddings(embeddings_path, count) as h5:
        embedding = h5["embedding"]
        if kind == "random":
            dimensions = embedding.shape[1]
            return lambda n: unit(random.standard_normal((n, dimensions), np.float32))
        rows = np.sort(random.choice(count, min(count, FITTED_TO), replace=False))
        known = unit(embedding[rows])
    return FITTED[kind](known, random)


def unit(vectors: np.ndarray) -> np.ndarray:
    """Rows `[n, D]` at length 1, float32."""
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def gaussian(known: np.ndarray, random: np.random.Generator) -> Draw:
    """Draws with the mean and the covariance of `known`, unit vectors `[N, D]`, before they are scaled back to length 1."""
    mean = known.mean(0, dtype=np.float64)
    variance, axes = np.linalg.eigh(np.cov(known, rowvar=False).reshape(len(mean), -1))
    spread = np.sqrt(variance.clip(0))[:, None] * axes.T
    return lambda n: unit(mean + random.standard_normal((n, len(mean))) @ spread)


def mixture(known: np.ndarray, random: np.random.Generator) -> Draw:
    """Draws from a mixture of von Mises–Fisher distributions fitted to unit vectors `[N, D]`."""
    share, center, concentration = fit_mixture(known, random)

    def draw(n: int) -> np.ndarray:
        of = random.choice(len(share), n, p=share)
        vectors = np.empty((n, known.shape[1]), np.float32)
        for k in np.unique(of):
            vectors[of == k] = vonmises_fisher(center[k], concentration[k]).rvs((of == k).sum(), random)
        return unit(vectors)

    return draw


def fit_mixture(known: np.ndarray, random: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Share `[K]`, unit center `[K, D]` and concentration `[K]` of each component, float64: spherical k-means, then
    κ = r̄ (D − r̄²) / (1 − r̄²) of the mean length r̄."""
    components = max(1, min(COMPONENTS, len(known) // PER_COMPONENT))
    center, nearest = known[random.choice(len(known), components, replace=False)].astype(np.float64), None
    for _ in range(ROUNDS):
        before, nearest = nearest, (known @ center.T).argmax(1)
        if before is not None and (before == nearest).all():
            break
        total = np.stack([known[nearest == k].sum(0, dtype=np.float64) for k in range(components)])
        length = np.linalg.norm(total, axis=1, keepdims=True)
        center = np.where(length > 0, total / length.clip(1e-12), center)
    size = np.bincount(nearest, minlength=components)
    there = size > 0
    mean_length = (length[there, 0] / size[there]).clip(1e-6, NEAREST_TO_ONE)
    concentration = mean_length * (known.shape[1] - mean_length**2) / (1 - mean_length**2)
    return size[there] / size.sum(), center[there], concentration


FITTED = {"pca": gaussian, "vmf_mixture": mixture}
