"""The nearest image by cosine, found exhaustively, block by block: in another set, of another identity, of the same one.

Products are of float32: bfloat16 would be faster where the device has it, and find another image where two are nearly as near.
"""

from collections.abc import Callable

import numpy as np
import torch

from semihard.compute.device import best_device
from semihard.compute.progress import progress

QUERIES, GALLERY = 2048, 16384  # one block of cosines: 128 MiB


def find_nearest(
    queries: torch.Tensor,
    gallery: torch.Tensor,
    not_of: np.ndarray | None = None,
    identity: np.ndarray | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """The gallery image of greatest cosine for each query: index int64 `[N]` and cosine float32 `[N]`, block by block.

    queries `[N, D]`, gallery `[M, D]`: rows of length 1. not_of `[N]`, identity `[M]`: leave out those whose
    identity is the query's; −inf where that leaves none.
    """
    device = best_device()
    gallery = gallery.to(device)
    others = None if identity is None else torch.from_numpy(identity).to(device)
    index, similarity = torch.empty(len(queries), dtype=torch.int64), torch.empty(len(queries))
    with progress("nearest image", len(queries), "images") as advance:
        for at in range(0, len(queries), QUERIES):
            rows = slice(at, min(at + QUERIES, len(queries)))
            leave_out = None
            if others is not None:
                own = torch.from_numpy(not_of[rows]).to(device)
                leave_out = lambda cosine, columns, own=own: mask_equal(cosine, own, others[columns])  # noqa: E731
            where, best = _best(queries[rows].to(device), gallery, 0, len(gallery), leave_out)
            index[rows], similarity[rows] = where.cpu(), best.cpu()
            advance(rows.stop - rows.start)
    return index.numpy(), similarity.numpy()


def find_nearest_of_identity(unit: torch.Tensor, identity: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """For each image the other image of its identity of greatest cosine: index int64 `[N]`, −1 where it has no other, and
    cosine float32 `[N]`, −inf there. unit `[N, D]`: rows of length 1; identity: int64 `[N]`."""
    device = best_device()
    order = np.argsort(identity, kind="stable")
    of = identity[order]
    first, behind = np.searchsorted(of, of, "left"), np.searchsorted(of, of, "right")
    ordered, names = unit[torch.from_numpy(order)].to(device), torch.from_numpy(of).to(device)
    place = torch.arange(len(of), device=device)
    index, similarity = np.full(len(of), -1), np.full(len(of), -np.inf, np.float32)
    for at in range(0, len(of), QUERIES):
        rows = slice(at, min(at + QUERIES, len(of)))

        def leave_out(cosine: torch.Tensor, columns: slice, rows: slice = rows) -> None:
            cosine.masked_fill_(names[rows, None] != names[None, columns], -torch.inf)
            mask_equal(cosine, place[rows], place[columns])

        where, best = _best(ordered[rows], ordered, int(first[at]), int(behind[rows.stop - 1]), leave_out)
        where, best = where.cpu().numpy(), best.cpu().numpy()
        index[order[rows]], similarity[order[rows]] = np.where(np.isfinite(best), order[where], -1), best
    return index, similarity


def mask_equal(cosine: torch.Tensor, own: torch.Tensor, others: torch.Tensor) -> None:
    """Make cosine `[n, m]` −inf where own `[n]` is others `[m]`; nothing is done where their ranges do not meet, as of most
    blocks of a set that is ordered by identity."""
    if own.min() <= others.max() and others.min() <= own.max():
        cosine.masked_fill_(own[:, None] == others[None, :], -torch.inf)


def _best(
    block: torch.Tensor, gallery: torch.Tensor, start: int, stop: int, leave_out: Callable | None
) -> tuple[torch.Tensor, torch.Tensor]:
    """Index int64 `[n]` in gallery[start:stop] and cosine `[n]` of what is nearest to each row of `block`."""
    best = torch.full((len(block),), -torch.inf, device=block.device)
    where = torch.full((len(block),), start, dtype=torch.int64, device=block.device)
    memory = torch.empty(len(block) * min(GALLERY, stop - start), device=block.device)
    for at in range(start, stop, GALLERY):
        columns = slice(at, min(at + GALLERY, stop))
        shape = (len(block), columns.stop - at)
        cosine = torch.mm(block, gallery[columns].T, out=memory[: shape[0] * shape[1]].view(shape))
        if leave_out:
            leave_out(cosine, columns)
        value, column = cosine.max(1)
        where = torch.where(value > best, column + at, where)
        best = torch.maximum(value, best)
    return where, best
