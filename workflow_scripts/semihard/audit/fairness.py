"""Fairness of a recognizer on a benchmark whose images are annotated, or on several of one group each (RFW's four).

Of every group: accuracy at the cross-validated thresholds of all groups together, and false match and false non-match rate
at one distance, at which the impostor pairs within groups have the rate asked for. As in RFW and NIST's reports an impostor
pair counts where both people are of one group; those between two groups are counted apart.
"""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

import numpy as np

from semihard.audit.fairness_pairs import Benchmark, Pairs, divisions_of, read_pairs
from semihard.audit.settings import FairnessAudit
from semihard.storage import schemas
from semihard.storage.artifacts import write_artifact
from semihard.storage.provenance import Provenance
from semihard.verification.demographic_groups import Division
from semihard.verification.fairness import (
    RESAMPLES,
    accuracy_measures,
    bootstrap_sums,
    error_measures,
    false_match_threshold,
    percentile_interval,
    zero_error_bound,
)

log = logging.getLogger("semihard")
RATES = ("accuracy", "false_match_rate", "false_non_match_rate", "own_threshold_accuracy")
OWN = "own_threshold_"
FEWEST_IDENTITIES = 10  # the bootstrap draws them; of fewer, an interval says nothing


@dataclass(frozen=True)
class _Shares:
    """What a division's rates are of: group of each pair, int64 `[P]` (−1: none), pairs between groups, bool `[P]`, the
    threshold, and its false match rate."""

    group: np.ndarray
    between: np.ndarray
    threshold: float
    rate: float


def measure_fairness(
    settings: FairnessAudit,
    benchmarks: Sequence[Benchmark],
    output: Path | str,
    provenance: Provenance | None = None,
    families: Mapping[str, Sequence[str]] = MappingProxyType({}),
) -> None:
    """Write the artifact "fairness" of one recognizer.

    benchmarks: one with attributes, or several with a group each; families: see `divisions`. Intervals are of a bootstrap
    over identities at the threshold found, which is held; where a rate has no error, Clopper and Pearson's over pairs.
    A group with fewer pairs of a kind than `fewest_pairs`, or fewer than 10 people, has no rate of that kind, and one
    with too few of either does not enter the measures over groups. Where one of these has no error of a kind, no measure
    of that kind has an interval, as no resample has such an error either. null: the mean of a measure were all groups' rates
    the same, by binomial draws of as many pairs. Raises InputError where verification, pairs, face set and attributes
    are of different benchmarks, benchmarks have one group or different folds, or a name in `groups` is unknown.
    """
    pairs, identities = read_pairs(benchmarks)
    found = divisions_of(settings.groups, benchmarks, identities, pairs, families)
    shares = [_share(division, pairs, settings.false_match_rate) for division in found]
    counted = [_indicators(division, share, pairs) for division, share in zip(found, shares, strict=True)]
    sums = [columns.sum(0) for columns in counted]
    width = np.cumsum([columns.shape[1] for columns in counted])[:-1]
    drawn = np.split(bootstrap_sums(pairs.first, pairs.second, pairs.people, np.hstack(counted)), width, axis=1)
    several = len(benchmarks) > 1
    parts = [_of_division(division, settings, sums[i], drawn[i], several) for i, division in enumerate(found)]
    data = {"division": [division.name for division in found], "rate": list(RATES)}
    data |= {"threshold": [share.threshold for share in shares], "threshold_rate": [share.rate for share in shares]}
    data["between_impostor"] = [np.count_nonzero(share.between) for share in shares]
    data["between_rate"] = [_between_rate(share, pairs) for share in shares]
    data["ungrouped_people"] = [np.count_nonzero(division.of < 0) for division in found]
    data["ungrouped_pairs"] = [np.count_nonzero((share.group < 0) & ~share.between) for share in shares]
    data["group"] = [group for division in found for group in division.groups]
    data["group_division"] = [i for i, division in enumerate(found) for _ in division.groups]
    data["label_accuracy"] = np.concatenate([division.label_accuracy for division in found])
    data["measure"] = parts[0]["measure"]
    for name in ("people", "genuine", "impostor", "measured", "value", "interval"):
        data[name] = np.concatenate([part[name] for part in parts])
    for name in ("over_groups", "over_groups_interval", "null"):
        data[name] = np.stack([part[name] for part in parts])
    attrs = {"false_match_rate": settings.false_match_rate, "fewest_pairs": settings.fewest_pairs}
    attrs |= {"resamples": RESAMPLES, "people_by": pairs.by}
    _say(found, shares, data, settings)
    write_artifact(output, schemas.FAIRNESS, data, provenance, attrs)


def _share(division: Division, pairs: Pairs, false_match_rate: float) -> _Shares:
    first, second = division.of[pairs.first], division.of[pairs.second]
    group = np.where(first == second, first, -1)
    between = ~pairs.same & (first != second) & (first >= 0) & (second >= 0)
    within = pairs.distance[~pairs.same & (group >= 0)]
    return _Shares(group, between, *false_match_threshold(within, false_match_rate))


def _indicators(division: Division, share: _Shares, pairs: Pairs) -> np.ndarray:
    """bool `[P, 6 G]`: genuine, impostor, right, false match, false non-match, right at own threshold, by group."""
    accepted = pairs.distance < share.threshold
    kinds = (pairs.same, ~pairs.same, pairs.right, ~pairs.same & accepted, pairs.same & ~accepted, pairs.right_own)
    member = share.group[:, None] == np.arange(len(division.groups))
    return np.hstack([member & kind[:, None] for kind in kinds])


def _people_of(division: Division) -> np.ndarray:
    """How many people each group has, int64 `[G]`."""
    return np.bincount(division.of[division.of >= 0], minlength=len(division.groups))


def _rates(sums: np.ndarray, several: bool) -> np.ndarray:
    """`RATES` by group, float64 `[…, G, 4]`, of sums `[…, 6 G]`; NaN where there is no pair. The accuracy at the group's own
    thresholds is NaN but where `several` benchmarks have thresholds of their own."""
    genuine, impostor, right, match, non_match, own = np.split(sums.astype(np.float64), 6, -1)
    own = own if several else np.full_like(own, np.nan)
    with np.errstate(invalid="ignore", divide="ignore"):
        both = genuine + impostor
        return np.stack([right / both, match / impostor, non_match / genuine, own / both], -1)


def _over_groups(rates: np.ndarray) -> dict[str, np.ndarray]:
    """The measures over groups, by name, of rates `[…, G, 4]`."""
    accuracy, match, non_match, own = np.moveaxis(rates, -1, 0)
    measures = accuracy_measures(accuracy) | error_measures(match, non_match)
    return measures | {f"{OWN}{name}": value for name, value in accuracy_measures(own).items()}


def _of_division(
    division: Division, settings: FairnessAudit, sums: np.ndarray, drawn: np.ndarray, several: bool
) -> dict[str, np.ndarray | list]:
    """The artifact's datasets by group, and those by division, of one division."""
    genuine, impostor, right, match, non_match, own = np.split(sums, 6)
    persons = _people_of(division)
    enough = [(kind >= settings.fewest_pairs) & (persons >= FEWEST_IDENTITIES) for kind in (genuine, impostor)]
    measured = enough[0] & enough[1]
    has = np.stack([measured, enough[1], enough[0] & impostor.any(), measured], -1)  # without impostors, no threshold
    value, replicates = _rates(sums, several), _rates(drawn, several)
    interval = percentile_interval(replicates)
    total = np.stack([genuine + impostor, impostor, genuine, genuine + impostor], -1)
    wrong = np.stack([total[:, 0] - right, match, non_match, total[:, 3] - own], -1)
    for place in zip(*np.nonzero(has & (wrong == 0) & ~np.isnan(value)), strict=True):
        bound = zero_error_bound(int(total[place]))
        interval[place] = (1 - bound, 1) if RATES[place[1]].endswith("accuracy") else (0, bound)
    value[~has], interval[~has] = np.nan, np.nan
    names = list(_over_groups(np.full((2, 4), np.nan)))
    blank = {"over_groups": np.full(len(names), np.nan), "over_groups_interval": np.full((len(names), 2), np.nan)}
    part = {"people": persons, "genuine": genuine, "impostor": impostor, "measured": measured, "value": value}
    part |= {"interval": interval, "measure": names, "null": np.full(len(names), np.nan)} | blank
    if measured.sum() < 2:
        return part
    alike = (
        np.random.default_rng(0).binomial(
            total[measured].astype(np.int64),
            wrong[measured].sum(0) / total[measured].sum(0),
            (RESAMPLES, measured.sum(), 4),
        )
        / total[measured]
    )
    alike[..., [0, 3]] = 1 - alike[..., [0, 3]]
    alike[..., 3] = alike[..., 3] if several else np.nan
    part["over_groups"] = np.array(list(_over_groups(value[measured]).values()))
    drawn_again = replicates[:, measured]
    drawn_again[..., (wrong[measured] == 0).any(0)] = np.nan  # no resample has an error where there is none
    part["over_groups_interval"] = percentile_interval(np.stack(list(_over_groups(drawn_again).values()), 1))
    part["null"] = _finite_mean(np.stack(list(_over_groups(alike).values()), 1))
    return part


def _finite_mean(values: np.ndarray) -> np.ndarray:
    """Mean over the first axis; NaN where a value is ∞ or NaN in more than half, else of the rest."""
    finite = np.isfinite(values)
    count = finite.sum(0)
    mean = np.where(finite, values, 0).sum(0) / np.maximum(count, 1)
    return np.where(2 * count > len(values), mean, np.nan)


def _between_rate(share: _Shares, pairs: Pairs) -> float:
    distance = pairs.distance[share.between]
    return float(np.mean(distance < share.threshold)) if len(distance) else float("nan")


def _say(found: Sequence[Division], shares: Sequence[_Shares], data: Mapping, settings: FairnessAudit) -> None:
    """Log what is not as asked for: the false match rate, groups too small, people in no group."""
    for i, (division, share) in enumerate(zip(found, shares, strict=True)):
        if np.isnan(share.rate):
            log.warning("%s: no impostor pair is of one group: there is no threshold", division.name)
        elif share.rate > settings.false_match_rate:
            log.warning(
                "%s: false match rate %.2g, the least that its impostor pairs resolve", division.name, share.rate
            )
        if data["ungrouped_people"][i]:
            log.info(
                "%s: %d of %d people are in no group", division.name, data["ungrouped_people"][i], len(division.of)
            )
    for row in np.flatnonzero(~data["measured"]):
        log.warning(
            "%s: %d people, %d genuine and %d impostor pairs are too few (study.fairness.fewest_pairs: %d)",
            data["group"][row], data["people"][row], data["genuine"][row], data["impostor"][row], settings.fewest_pairs,
        )  # fmt: skip
