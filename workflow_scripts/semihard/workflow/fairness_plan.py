"""What of a study is audited for fairness: its annotated benchmarks one by one, those of one group each together."""

from semihard.workflow.settings import Config
from semihard.workflow.study import Plan

TOGETHER = "+"  # joins benchmarks that are measured together; no name of an entry has it


def group_of(config: Config, benchmark: str) -> str:
    """The group that all pairs of a benchmark are of, "" where they are not."""
    return getattr(config.benchmarks[benchmark], "group", "")


def fairness_runs(plan: Plan) -> list[dict]:
    """Every fairness artifact of the study: label, faceset, recognizer, seed, benchmarks (joined by +) and path."""
    if plan.study.fairness is None:
        return []
    verified: dict[tuple, list[str]] = {}
    for run in plan.runs():
        if plan.config.benchmarks[run["benchmark"]].gives_accuracy:
            key = tuple(run[name] for name in ("label", "faceset", "recognizer", "seed"))
            verified.setdefault(key, []).append(run["benchmark"])
    found = []
    for (label, faceset, recognizer, seed), names in verified.items():
        grouped = [name for name in names if group_of(plan.config, name)]
        sets = [name for name in names if name not in grouped] if plan.study.fairness.groups else []
        if len({group_of(plan.config, name) for name in grouped}) > 1:
            sets.append(TOGETHER.join(grouped))
        for benchmarks in sets:
            which = {"benchmarks": benchmarks, "recognizer": recognizer, "faceset": faceset, "seed": seed}
            path = (
                plan.path("fairness of embedder", embedder=recognizer, benchmarks=benchmarks)
                if seed is None
                else plan.path("fairness", **which)
            )
            found.append({"label": label, **which, "path": path})
    return found


def fairness_inputs(plan: Plan, benchmarks: str) -> dict[str, list[str]]:
    """The files of the joined `benchmarks`: faces and pairs, and of one that is annotated its attributes."""
    names = benchmarks.split(TOGETHER)
    annotated = [name for name in names if not group_of(plan.config, name)]
    classifier = plan.study.attributes.classifier if plan.study.attributes else ""
    return {
        "faces": [plan.path("benchmark faces", benchmark=name) for name in names],
        "pairs": [plan.path("pairs", benchmark=name) for name in names],
        "attributes": [plan.path("benchmark attributes", classifier=classifier, benchmark=name) for name in annotated],
    }


def fairness_settings(plan: Plan, benchmarks: str) -> dict:
    """What a stage of the joined `benchmarks` has as its parameter: the knobs that its result depends on."""
    groups = [group_of(plan.config, name) for name in benchmarks.split(TOGETHER)]
    knobs = plan.study.fairness.model_dump(mode="json") if plan.study.fairness else {}
    return knobs | {"group_of_each": groups} | ({"groups": []} if all(groups) else {})
