"""What face sets differ in, by their predicted attributes (Neto et al., FG 2024), with intervals, null floors and controls.

KL(P‖Q) is the number of extra bits an image of P costs in the best code for Q: small where Q explains P, large where Q
lacks what P has. "Real samples explain synthetic ones, not the reverse" is KL(S‖R) small and KL(R‖S) large. Every number
has a 95 % percentile interval of a bootstrap over identities, and a floor: the 95 % quantile of the same number between
two halves of equal size of either set, the greater of the two. Halves are smaller than the sets, so that the floor errs
on the safe side; a divergence below it is no detectable difference.
"""

import itertools
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from semihard.attributes.counts import Annotated, Counts, interval, resamples
from semihard.attributes.divergence import chow_liu, mutual_information, prevalence
from semihard.attributes.pair import Pair
from semihard.errors import InputError, UnmeasurableError
from semihard.sources.attribute_names import FAMILIES
from semihard.storage.atomic import atomic_path

log = logging.getLogger("semihard")
PARTS = 5  # of the range of m or φ


@dataclass(frozen=True)
class Comparison:
    """What was compared: one table each, as `compare_attributes` writes them."""

    sets: pd.DataFrame
    pairs: pd.DataFrame
    together: pd.DataFrame
    along: pd.DataFrame


def compare_attributes(
    annotations: Mapping[str, Path | str],
    real: Sequence[str],
    joint: Sequence[str],
    count: int,
    outputs: Mapping[str, Path | str],
) -> Comparison:
    """Compare artifacts "attributes" by one classifier, every two of them, and write four CSV.

    annotations: face set → artifact; real: those that are of real people; joint: attributes and families whose joint
    distribution is compared too; count: resamples; outputs: a path for each of

    - `sets`: a line per set and attribute: `images`, `defined`, `undefined_share`, `prevalence` of the defined with its
      interval, `prevalence_of_all` (mean probability of all images), `prevalence_corrected` (Rogan and Gladen 1978, by the
      sensitivity and specificity on held-out people, which may not hold here), `agreement` of two images of one identity,
      `consistency` = (agreement − chance) / (1 − chance) with its interval: 1 where an attribute is the person's, 0 where it is
      the picture's.
    - `pairs`: a line per two sets and attribute: both divergences in bits with intervals, `floor` of each, `beyond`: above
      the floor that holds for all attributes together (the greatest ratio to its own floor, Westfall and Young 1993);
      Jensen–Shannon in bits, total variation; `seen`: by the classifier; `enough`: 50 labels defined in both.
    - `together`: a line per two sets and kind, `tree` (all seen attributes, by a Chow–Liu tree of all sets), `sum` (of single
      ones, as if they were independent) and `joint`: both divergences, floors, `asymmetry` = KL(first‖second) −
      KL(second‖first) with its interval, and `claim`, where first is real and second is not.
    - `along`: as `sets`, of the images of a synthetic set in each part of its range of `m` or `phi`: what similarity and mixup
      do.

    A set with too few identities to resample is left out; `sets` has a line that says so (`unmeasured`). Raises InputError
    where artifacts have other attributes or `joint` names an unknown one.
    """
    opened, unmeasured = _open(annotations)
    if not opened:
        return _write(Comparison(unmeasured, *[pd.DataFrame()] * 3), outputs)
    names = opened[0].names
    for one in opened[1:]:
        if one.names != names:
            raise InputError(
                f"{one.path}: attributes {', '.join(one.names)}, {opened[0].path} has {', '.join(names)}; annotate both with one "
                "classifier"
            )
    seen = np.isfinite(opened[0].known["kept_accuracy"])
    information = np.mean([mutual_information(one.tables()) for one in opened], axis=0)
    tree = chow_liu(information, seen)
    cells = Cells(names, joint)
    counted = [one.count(tree, cells, cells.count) for one in opened]
    known = opened[0].known
    sets = _concat([*(_of_set(counts, names, known, count) for counts in counted), unmeasured])
    along = _concat([_along(one, known, count) for one in opened])
    pairs, together = [], []
    order = [*(c for c in counted if c.name in real), *(c for c in counted if c.name not in real)]
    for i, first in enumerate(order):
        for second in order[i + 1 :]:
            pair = Pair(first, second, tree, seen, count)
            pairs.append(pair.single(names, known))
            together.append(pair.together(bool(cells.count), first.name in real and second.name not in real))
    return _write(Comparison(sets, _concat(pairs), _concat(together), along), outputs)


def _open(annotations: Mapping[str, Path | str]) -> tuple[list[Annotated], pd.DataFrame]:
    opened, reasons = [], []
    for name, path in annotations.items():
        try:
            opened.append(Annotated(name, path))
        except UnmeasurableError as problem:
            log.warning("not compared: %s", problem)
            reasons.append({"faceset": name, "unmeasured": str(problem)})
    return opened, pd.DataFrame(reasons, columns=["faceset", "unmeasured"])


def _write(found: Comparison, outputs: Mapping[str, Path | str]) -> Comparison:
    for key, path in outputs.items():
        table = getattr(found, key)
        with atomic_path(path) as temporary:
            (table if len(table.columns) else pd.DataFrame({"first": [], "second": []})).to_csv(
                temporary, index=False, float_format="%.7g"
            )
    return found


def _concat(tables: list[pd.DataFrame]) -> pd.DataFrame:
    return (
        pd.concat([table for table in tables if len(table)], ignore_index=True)
        if any(map(len, tables))
        else pd.DataFrame()
    )


def _along(one: Annotated, known: Mapping[str, np.ndarray], count: int) -> pd.DataFrame:
    """The lines of `along` of one set; none where neither m nor φ varies in it."""
    lines = []
    for column, values in one.columns.items():
        found = np.unique(values[one.own])
        if len(found) < 2:
            continue
        few = len(found) <= PARTS
        edges = np.r_[found, np.inf] if few else np.linspace(found[0], found[-1], PARTS + 1)
        for low, high in itertools.pairwise(edges):
            inside = (values >= low) & ((values < high) | ((high == edges[-1]) & (values <= high)))
            try:
                part = one.only(inside).count((), Cells(one.names, ()), 0)
            except UnmeasurableError as problem:
                log.warning("%s %s %g …: %s", one.name, column, low, problem)
                continue
            place = {"column": column, "low": low, "high": low if few else high}
            lines.append(_of_set(part, one.names, known, count).assign(**place))
    return _concat(lines)


class Cells:
    """Which cell of the joint distribution of some attributes and families an image is in.

    Of a family the most probable member, of an attribute whether it is more probable than not; none is undefined. count:
    cells, 0 where nothing is asked for. Raises InputError for what is neither an attribute nor a family of which two
    members are known.
    """

    def __init__(self, names: Sequence[str], joint: Sequence[str]):
        self.members: list[list[int]] = []
        for asked in joint:
            members = [names.index(name) for name in FAMILIES.get(asked, (asked,)) if name in names]
            if not members or (asked in FAMILIES and len(members) < 2):
                raise InputError(
                    f"study.attributes.joint: {asked!r} is neither an attribute that the classifier has ({', '.join(names)}) nor "
                    f"a family of several of them ({', '.join(FAMILIES)})"
                )
            self.members.append(members)
        sizes = [max(2, len(members)) for members in self.members]
        self.count = int(np.prod(sizes)) if sizes else 0
        self.sizes = sizes

    def __call__(self, probability: np.ndarray) -> np.ndarray:
        """Cells int64 `[n]` of probabilities `[n, A]`."""
        cell = np.zeros(len(probability), np.int64)
        for members, size in zip(self.members, self.sizes, strict=True):
            part = probability[:, members]
            cell = cell * size + (part.argmax(1) if len(members) > 1 else part[:, 0] > 0.5)
        return cell


def _consistency(sums: Mapping[str, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Agreement within identities and what of it is beyond chance, of sums `[…, A]` over groups; NaN where there are no pairs.

    Chance: agreement of two images of different identities, exactly.
    """
    n, s = sums["defined"], sums["present"]
    with np.errstate(invalid="ignore", divide="ignore"):
        agreement = sums["agreeing"] / sums["judged"]
        apart = n * (n - 1) - sums["pairs"]
        chance = (s * (s - 1) + (n - s) * (n - s - 1) - sums["agreeing_pairs"]) / apart
        return agreement, np.where(chance < 1, (agreement - chance) / (1 - chance), np.nan)


def _of_set(counts: Counts, names: list[str], known: Mapping[str, np.ndarray], count: int) -> pd.DataFrame:
    used = ("defined", "present", "agreeing", "judged", "pairs", "agreeing_pairs")
    whole = {key: getattr(counts, key).sum(0) for key in used}
    weights = resamples(counts.groups, count)
    drawn = {key: weights @ getattr(counts, key).astype(np.float32) for key in used}
    share = prevalence(whole["present"], whole["defined"])
    low, high = interval(prevalence(drawn["present"], drawn["defined"]))
    agreement, consistency = _consistency(whole)
    enough = whole["judged"] >= 2
    consistency_low, consistency_high = interval(np.where(enough, _consistency(drawn)[1], np.nan))
    with np.errstate(invalid="ignore", divide="ignore"):
        able = known["sensitivity"] + known["specificity"] - 1
        corrected = np.where(able > 0, ((share + known["specificity"] - 1) / able).clip(0, 1), np.nan)
    return pd.DataFrame(
        {
            "faceset": counts.name,
            "attribute": names,
            "identities": counts.identities,
            "images": counts.images,
            "defined": whole["defined"].astype(int),
            "undefined_share": 1 - whole["defined"] / counts.images,
            "prevalence": share,
            "prevalence_low": low,
            "prevalence_high": high,
            "prevalence_of_all": counts.probability.sum(0) / counts.images,
            "prevalence_corrected": corrected,
            "agreement": agreement,
            "consistency": np.where(enough, consistency, np.nan),
            "consistency_low": consistency_low,
            "consistency_high": consistency_high,
            "seen": np.isfinite(known["kept_accuracy"]),
            "held_out_accuracy": known["accuracy"],
            "held_out_accuracy_of_kept": known["kept_accuracy"],
        }
    )
