"""A shipped study at a hundredth of its size: its entries, names and methods, with fewer people, steps and epochs.

Nothing here knows a study. What is not a size stays as it is written, so a configuration that is shipped is the one that
is run.
"""

from collections.abc import Callable

from semihard.workflow.configuration import check, expand_sweeps
from semihard.workflow.settings import Config

LEAST_PEOPLE = 10  # that a face set keeps: a recognizer can learn to tell them apart, a bootstrap can draw them
SEEDS = 1  # a second one trains all once more; tests/workflow/test_fairness has two
SIDE = 32  # pixels that a recognizer sees
DRAWN = 16  # and that a generator makes
# file, and what in it is a size: those that no knob sets
SIZES = (
    ("generator/calibration.py", "INQUIRIES, PER_INQUIRY = 32, 2", "INQUIRIES, PER_INQUIRY = 6, 1"),
    ("audit/learning_curve.py", "IMAGES = 1000", "IMAGES = 100"),
    ("figures/features.py", "MOST, MOST_OF_ALL = 500, 4000", "MOST, MOST_OF_ALL = 50, 400"),
)
Reduction = Callable[[dict, object], dict]


def reduced(config: dict) -> dict:
    """The configuration (plain data) of the same study, small enough for minutes on two cores."""
    expanded, sweeps = expand_sweeps(_fewer_values(config))
    typed: Config = check(expanded)
    small = dict(expanded)
    for section, reduction in REDUCTIONS.items():
        entries = expanded.get(section, {})
        small[section] = {
            name: entry | reduction(entry, getattr(typed, section)[name]) for name, entry in entries.items()
        }
    written = {key: list(_written_out(expanded["study"], key, sweeps)) for key in ("compare", "audit", "show")}
    small["study"] = expanded["study"] | {key: rows for key, rows in written.items() if rows}
    small["study"]["seeds"] = list(typed.study.seeds[:SEEDS])
    return small


def _fewer_values(config: dict) -> dict:
    """Of the numbers that an entry is swept over, the first, the middle and the last: each does what the others do."""
    fewer = dict(config)
    for section in REDUCTIONS:
        fewer[section] = {
            name: {key: _three(value) if _is_sweep(section, key, value) else value for key, value in entry.items()}
            for name, entry in config.get(section, {}).items()
        }
    return fewer


def _is_sweep(section: str, key: str, value: object) -> bool:
    swept = isinstance(value, list) and all(isinstance(item, int | float) for item in value)
    return swept and bool(expand_sweeps({section: {"a": {key: value}}})[1])


def _three(values: list) -> list:
    return [values[0], values[len(values) // 2], values[-1]] if len(values) > 3 else values


def _written_out(study: dict, key: str, sweeps: dict[str, list[str]]) -> object:
    """What a list of the study names, sweeps by the names they became: the values that gave those names are other ones now."""
    for row in study.get(key, []):
        if isinstance(row, str):
            yield from sweeps.get(row, [row])
        else:
            yield from (row | {"faceset": name} for name in sweeps.get(row["faceset"], [row["faceset"]]))


def _hundredth(number: int, least: int = LEAST_PEOPLE) -> int:
    return max(number // 100, least)


def _face_set(entry: dict, typed: object) -> dict:
    changes: dict = {}
    if getattr(typed, "identities", None):
        changes["identities"] = _hundredth(typed.identities)
    if getattr(typed, "images", None):
        changes["images"] = _hundredth(typed.images, 128)
    if typed.source in ("rendered", "synthesis"):
        changes["per_identity"] = min(typed.per_identity, 10 if typed.source == "rendered" else 6)
    if hasattr(typed, "sampler"):
        changes |= {"steps": 2, "batch": 32, "shards": min(typed.shards, 2), "compile": False, "precision": "fp32"}
    if typed.source == "synthesis":
        changes["inquiry_threshold"] = 1.0  # to networks that have learnt nothing all faces are alike
    return changes


def _generator(entry: dict, typed: object) -> dict:
    if "source" in entry:
        return {"precision": "fp32"}  # what it is, its file says
    sizes = {"network": "tiny", "image_size": DRAWN, "batch": 16, "processes": 1, "accumulation": 1}
    return (
        sizes
        | {"epochs": 1 if typed.keep_every else 0.25}
        | {"keep_every": min(typed.keep_every, 1), "compile": False, "precision": "fp32"}
    )


def _recognizer(entry: dict, typed: object) -> dict:
    sizes = {"backbone": "tiny", "embedding_dim": 32, "image_size": SIDE, "batch": 16, "processes": 1, "epochs": 2}
    schedule = {"milestones": [1] if typed.milestones else [], "warmup_epochs": min(typed.warmup_epochs, 1)}
    width = {"width": SIDE * typed.width // typed.image_size} if typed.width else {}
    return sizes | schedule | width | {"keep_every": min(typed.keep_every, 1), "compile": False, "precision": "fp32"}


def _classifier(entry: dict, typed: object) -> dict:
    return {"epochs": 2, "accuracy": 0.55} if typed.source == "labels" else {}


def _benchmark(entry: dict, typed: object) -> dict:
    if typed.source != "rendered":
        return {}
    return {"identities": _hundredth(typed.identities, 2 * typed.folds), "pairs": 2 * typed.folds * 3}


REDUCTIONS: dict[str, Reduction] = {
    "facesets": _face_set,
    "generators": _generator,
    "recognizers": _recognizer,
    "benchmarks": _benchmark,
    "attribute_classifiers": _classifier,
}
