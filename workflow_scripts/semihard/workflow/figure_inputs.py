"""What the figures of a study are drawn from, and which of them there are."""

from collections.abc import Callable

from semihard.generator.file_entry import METHODS
from semihard.sources.settings import RenderedFaces
from semihard.workflow.attribute_plan import mapped_attributes
from semihard.workflow.fairness_plan import fairness_runs
from semihard.workflow.study import Plan


def of_generator(artifact: str) -> Callable:
    """An artifact of the generator in the wildcards."""
    name = artifact.rpartition(" ")[2]
    return lambda plan, wildcards: {name: plan.path(artifact, generator=wildcards.generator)}


def of_facesets(artifact: str, facesets: Callable[[Plan], list[str]]) -> dict[str, Callable]:
    """An artifact of several face sets, which name them."""
    return {
        "inputs": lambda plan, wildcards: {"compared": [plan.path(artifact, faceset=name) for name in facesets(plan)]},
        "settings": lambda plan, wildcards: {"labels": facesets(plan)},
    }


def centers_of_compared(plan: Plan, wildcards: object) -> dict[str, list[str]]:
    """The mean centers of every compared set, by the study's embedder."""
    which = {"embedder": plan.study.embedder, "center": "mean"}
    return {"compared": [plan.path("centers", faceset=name, **which) for name in plan.compared_facesets()]}


def faces_and_embeddings(plan: Plan, wildcards: object) -> dict[str, list[str]]:
    """Every examined set and its embeddings by the study's embedder, in the same order."""
    names, embedder = plan.examined_facesets(), plan.study.embedder
    return {
        "faces": [plan.path("faces", faceset=name) for name in names],
        "embeddings": [plan.path("embeddings", embedder=embedder, faceset=name) for name in names],
    }


def leakage_and_faces(plan: Plan, wildcards: object) -> dict[str, str]:
    """A leakage audit and the two face sets that it is of."""
    names = {"faceset": wildcards.faceset, "reference": wildcards.reference}
    faces = {
        key: plan.path("faces", faceset=name) for key, name in zip(("faces", "reference"), names.values(), strict=True)
    }
    return {"leakage": plan.path("leakage", **names), **faces}


def bins_of_real(plan: Plan, wildcards: object) -> dict[str, str]:
    """The bins of the real set and the centers they are made from."""
    study = plan.study
    which = {"embedder": study.embedder, "faceset": study.real, "center": study.center}
    return {"bins": plan.path("bins", **which, binning=study.binning), "centers": plan.path("centers", **which)}


def recognizer_histories(plan: Plan, wildcards: object) -> dict[str, list[str]]:
    """The histories of the first seed of every row of the table."""
    seed = plan.study.seeds[0]
    return {
        "histories": [
            plan.path("recognizer history", recognizer=row.recognizer, faceset=row.faceset, seed=seed)
            for row in plan.comparisons()
        ]
    }


def facesets_of(plan: Plan) -> list[dict[str, str]]:
    """Every face set that the study needs."""
    return [{"faceset": name} for name in sorted(name for section, name in plan.needed if section == "facesets")]


def generators_of(plan: Plan) -> list[dict[str, str]]:
    """Every generator that the study needs."""
    trained = plan.made_by("train_generator")
    return [{"generator": name} for name in plan.generators() if name in trained]


def calibrated(plan: Plan) -> list[dict[str, str]]:
    """Those that take a similarity."""
    return [{"generator": name} for name in plan.calibrated_generators()]


def kept(plan: Plan) -> list[dict[str, str]]:
    """Those that keep epochs."""
    return [{"generator": name} for name in plan.generators() if plan.config.generators[name].keep_every]


def kept_over_similarity(plan: Plan) -> list[dict[str, str]]:
    """Those of them that take a similarity."""
    takes = {
        name: METHODS[plan.config.generators[name].method].takes_similarity for name in plan.made_by("train_generator")
    }
    return [wildcards for wildcards in kept(plan) if takes[wildcards["generator"]]]


def benchmarks_with_epochs(plan: Plan) -> list[dict[str, str]]:
    """Every benchmark on which epochs kept of recognizers are verified."""
    return [{"benchmark": name} for name in dict.fromkeys(run["benchmark"] for run in plan.runs() if run["epochs"])]


def epochs_of(plan: Plan, benchmark: str) -> dict[str, str]:
    """Label → the verified epochs of the first seed."""
    return {
        run["label"]: run["epochs"]
        for run in plan.runs()
        if run["epochs"] and run["benchmark"] == benchmark and run["seed"] == plan.study.seeds[0]
    }


def benchmarks_of(plan: Plan) -> list[dict[str, str]]:
    """Every benchmark that something is verified on."""
    return [{"benchmark": name} for name in dict.fromkeys(run["benchmark"] for run in plan.runs())]


def mixed_facesets(plan: Plan) -> list[dict[str, str]]:
    """The sets with identity mixup, rendered or drawn by a generator that takes a similarity. Of those that differ in
    nothing but how many images an identity has, one: their paths over φ are the same."""
    distinct: dict[str, str] = {}
    for wildcards in facesets_of(plan):
        entry = plan.config.facesets[wildcards["faceset"]]
        generator = plan.config.generators.get(getattr(entry, "generator", ""))
        if getattr(entry, "identity_mixup", False) and (
            generator is None or METHODS[generator.method].takes_similarity
        ):
            distinct.setdefault(entry.model_copy(update={"per_identity": 1}).model_dump_json(), wildcards["faceset"])
    return [{"faceset": name} for name in distinct.values()]


def varied_facesets(plan: Plan) -> dict[str, str]:
    """Face set → what varies in it: of the rendered sets with one factor varied, and those else the same in which
    everything is; before them the real set, without. Empty where no set has one factor varied."""
    shown = {name: plan.config.facesets[name] for name in (*plan.examined_facesets(), *plan.study.show)}
    rendered = {name: entry for name, entry in shown.items() if isinstance(entry, RenderedFaces)}
    rest = {name: entry.model_copy(update={"vary": ()}) for name, entry in rendered.items()}
    varied = {rest[name] for name, entry in rendered.items() if entry.vary}
    found = {name: " and ".join(entry.vary) for name, entry in rendered.items() if rest[name] in varied}
    everything = {name: "everything" for name, factors in found.items() if not factors}
    return (
        {plan.study.real: ""} | everything | {name: factors for name, factors in found.items() if factors}
        if found
        else {}
    )


def compared_attributes(*tables: str) -> Callable:
    """CSV of what the attributes of the study's sets differ in."""
    return lambda plan, wildcards: {name: plan.path("compared attributes", table=name) for name in tables}


def map_and_annotations(plan: Plan, wildcards: object) -> dict:
    """The numbers of the map of features, and the annotations of the sets on it."""
    which = {"classifier": plan.study.attributes.classifier}
    annotations = [plan.path("attributes", **which, faceset=name) for name in mapped_attributes(plan)]
    return {"map": f"{plan.results}/figures/features.csv", "attributes": annotations}


def audited_for_fairness(plan: Plan) -> list[dict[str, str]]:
    """Every benchmark, or benchmarks of one group each together, whose groups are compared."""
    return [{"benchmarks": name} for name in dict.fromkeys(run["benchmarks"] for run in fairness_runs(plan))]


def where(condition: Callable[[Plan], object]) -> Callable[[Plan], list[dict[str, str]]]:
    """One picture where the plan has what it shows."""
    return lambda plan: [{}] if condition(plan) else []
