"""How far two sets are apart in an attribute, or in several together, in bits.

A prevalence is (present + ½) / (defined + 1), Jeffreys' estimate, so that every divergence is finite; the cells of a joint
distribution get 1/C each (Perks).
"""

import numpy as np
from scipy.special import rel_entr


def prevalence(present: np.ndarray, defined: np.ndarray) -> np.ndarray:
    """Share of the labels that say present, Jeffreys-smoothed; any shape."""
    return (present + 0.5) / (defined + 1)


def divergence(p: np.ndarray, q: np.ndarray) -> np.ndarray:
    """KL(p‖q) in bits of coins of probabilities p and q: extra bits per image to code p with the best code for q."""
    return (rel_entr(p, q) + rel_entr(1 - p, 1 - q)) / np.log(2)


def jensen_shannon(p: np.ndarray, q: np.ndarray) -> np.ndarray:
    """Mean divergence of two coins to their mixture in bits, 0 … 1: how well a single image tells the sets apart."""
    middle = (p + q) / 2
    return (divergence(p, middle) + divergence(q, middle)) / 2


def categorical(p_counts: np.ndarray, q_counts: np.ndarray) -> np.ndarray:
    """KL in bits of two distributions over C cells, from counts `[…, C]`, 1/C added to each cell."""
    cells = p_counts.shape[-1]
    p, q = (counts + 1 / cells for counts in (p_counts, q_counts))
    p, q = (values / values.sum(-1, keepdims=True) for values in (p, q))
    return rel_entr(p, q).sum(-1) / np.log(2)


def mutual_information(tables: np.ndarray) -> np.ndarray:
    """Mutual information in bits of 2 × 2 tables of counts `[…, 2, 2]`, ¼ added to each cell."""
    joint = tables + 0.25
    joint = joint / joint.sum((-2, -1), keepdims=True)
    apart = joint.sum(-1, keepdims=True) * joint.sum(-2, keepdims=True)
    return rel_entr(joint, apart).sum((-2, -1)) / np.log(2)


def chow_liu(information: np.ndarray, seen: np.ndarray) -> list[tuple[int, int]]:
    """The tree of greatest mutual information (Chow and Liu, IEEE TIT 1968) over the attributes `seen`, bool `[A]`.

    information: `[A, A]`, symmetric. Returns its edges (parent, child) from the first of them outward, by Prim.
    """
    todo = np.flatnonzero(seen).tolist()
    edges: list[tuple[int, int]] = []
    inside = todo[:1]
    todo = todo[1:]
    while todo:
        _, parent, child = max((information[a, b], -a, -b) for a in inside for b in todo)
        edges.append((-parent, -child))
        inside.append(-child)
        todo.remove(-child)
    return edges


def conditional(p_tables: np.ndarray, q_tables: np.ndarray) -> np.ndarray:
    """KL in bits of the child given its parent, averaged over the parents of p: of counts `[…, 2, 2]` by parent and child.

    ¼ is added to each cell. The sum over a tree's edges and the divergence of its root is that of two tree models.
    """
    p, q = p_tables + 0.25, q_tables + 0.25
    given_p, given_q = (values / values.sum(-1, keepdims=True) for values in (p, q))
    parent = p.sum(-1) / p.sum((-2, -1))[..., None]
    return (parent * rel_entr(given_p, given_q).sum(-1)).sum(-1) / np.log(2)
