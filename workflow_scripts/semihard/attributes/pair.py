"""Two annotated sets against each other: divergences, their intervals and floors, and what they say of the paper's claim."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from semihard.attributes.counts import LEVEL, Counts, halves, interval, resamples
from semihard.attributes.divergence import categorical, conditional, divergence, jensen_shannon, prevalence

FEWEST_LABELS = 50  # fewer defined labels say nothing of a set


class Pair:
    """Two sets, resampled, and each of them halved."""

    def __init__(self, first: Counts, second: Counts, tree: Sequence[tuple[int, int]], seen: np.ndarray, count: int):
        self.first, self.second = first, second
        defined = np.minimum(first.defined.sum(0), second.defined.sum(0))
        self.enough = defined >= FEWEST_LABELS
        self.usable = self.enough & seen
        self.seen = seen
        self.tree = [edge for edge, (a, b) in enumerate(tree) if self.usable[a] and self.usable[b]]
        inside = {child for edge, (_, child) in enumerate(tree) if edge in self.tree}
        self.roots = [a for a in np.flatnonzero(self.usable) if a not in inside]
        ones = [np.ones((1, side.groups), np.float32) for side in (first, second)]
        self.weights = {
            "value": ones,
            "drawn": [resamples(side.groups, count, seed) for seed, side in enumerate((first, second))],
        }
        self.null = [(side, *halves(side.groups, count)) for side in (first, second)]

    def single(self, names: list[str], known: Mapping[str, np.ndarray]) -> pd.DataFrame:
        """The lines of `pairs`."""
        p, q = (_share(side, w)[0] for side, w in self._sides("value"))
        p_drawn, q_drawn = (_share(side, w) for side, w in self._sides("drawn"))
        null = np.stack([divergence(_share(side, a), _share(side, b)) for side, a, b in self.null])  # [2, count, A]
        floor = np.quantile(null, 1 - LEVEL, axis=1).max(0)
        ratio = (null / floor)[:, :, self.usable].max(2) if self.usable.any() else np.ones((2, 1))
        for_all = np.quantile(ratio, 1 - LEVEL, axis=1).max()
        table = pd.DataFrame({"first": self.first.name, "second": self.second.name, "attribute": names})
        table["first_prevalence"], table["second_prevalence"] = p, q
        table["first_undefined"], table["second_undefined"] = (
            1 - side.defined.sum(0) / side.images for side in (self.first, self.second)
        )
        for direction, value, drawn in (
            ("first_coded_as_second", divergence(p, q), divergence(p_drawn, q_drawn)),
            ("second_coded_as_first", divergence(q, p), divergence(q_drawn, p_drawn)),
        ):
            table[f"bits_{direction}"] = value
            table[f"bits_{direction}_low"], table[f"bits_{direction}_high"] = interval(drawn)
            table[f"beyond_{direction}"] = (value > for_all * floor) & self.usable
        table["floor"] = floor
        table["jensen_shannon_bits"] = jensen_shannon(p, q)
        table["total_variation"] = np.abs(p - q)
        table["seen"], table["enough"] = self.seen, self.enough
        table["held_out_accuracy"] = known["accuracy"]
        return table

    def together(self, joint: bool, may_claim: bool) -> pd.DataFrame:
        """The lines of `together`."""
        kinds = {"tree": self._tree, "sum": self._sum} | ({"joint": self._joint} if joint else {})
        lines = []
        for kind, measure in kinds.items():
            (first, w1), (second, w2) = self._sides("value")
            value = [measure(first, w1, second, w2)[0], measure(second, w2, first, w1)[0]]
            (_, d1), (_, d2) = self._sides("drawn")
            drawn = np.stack([measure(first, d1, second, d2), measure(second, d2, first, d1)])
            floor = max(float(np.quantile(measure(side, a, side, b), 1 - LEVEL)) for side, a, b in self.null)
            (low, high), (asymmetry_low, asymmetry_high) = interval(drawn.T), interval(drawn[0] - drawn[1])
            line = {"first": first.name, "second": second.name, "kind": kind, "attributes": int(self.usable.sum())}
            for i, direction in enumerate(("first_coded_as_second", "second_coded_as_first")):
                line |= {
                    f"bits_{direction}": value[i],
                    f"bits_{direction}_low": low[i],
                    f"bits_{direction}_high": high[i],
                }
            line |= {"floor": floor, "asymmetry": value[0] - value[1]}
            line |= {"asymmetry_low": float(asymmetry_low), "asymmetry_high": float(asymmetry_high)}
            line["claim"] = _claim(value, floor, float(asymmetry_low), float(asymmetry_high)) if may_claim else ""
            lines.append(line)
        return pd.DataFrame(lines)

    def _sides(self, which: str) -> list[tuple[Counts, np.ndarray]]:
        return list(zip((self.first, self.second), self.weights[which], strict=True))

    def _tree(self, p: Counts, w: np.ndarray, q: Counts, v: np.ndarray) -> np.ndarray:
        roots = divergence(_share(p, w), _share(q, v))[:, self.roots].sum(1)
        shape = (len(w), len(self.tree), 2, 2)
        of_p, of_q = (
            (weight @ side.edges[:, self.tree].reshape(side.groups, -1).astype(np.float32)).reshape(shape)
            for side, weight in ((p, w), (q, v))
        )
        return roots + conditional(of_p, of_q).sum(1)

    def _sum(self, p: Counts, w: np.ndarray, q: Counts, v: np.ndarray) -> np.ndarray:
        return divergence(_share(p, w), _share(q, v))[:, self.usable].sum(1)

    def _joint(self, p: Counts, w: np.ndarray, q: Counts, v: np.ndarray) -> np.ndarray:
        return categorical(w @ p.cells.astype(np.float32), v @ q.cells.astype(np.float32))


def _share(counts: Counts, weights: np.ndarray) -> np.ndarray:
    """Prevalence under weights of groups `[B, G]`: float64 `[B, A]`."""
    present, defined = (weights @ getattr(counts, key).astype(np.float32) for key in ("present", "defined"))
    return prevalence(present.astype(np.float64), defined.astype(np.float64))


def _claim(bits: list[float], floor: float, low: float, high: float) -> str:
    """What the numbers say of "real samples explain synthetic ones, not the reverse"; first is real."""
    if bits[0] <= floor and bits[1] <= floor:
        return "no difference beyond the floor"
    if low > 0:
        return "real explains synthetic better than the reverse"
    return "synthetic explains real better than the reverse" if high < 0 else "neither explains the other better"
