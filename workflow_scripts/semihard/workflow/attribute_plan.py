"""Which sets of a study the attribute study annotates and compares, and by what."""

from semihard.attributes.settings import Annotation
from semihard.generator.file_entry import METHODS
from semihard.generator.settings import SyntheticFaces
from semihard.workflow.study import Plan


def attribute_sets(plan: Plan) -> list[str]:
    """The face sets whose attributes are compared, none where nobody asks: the real one, the controls, all others examined."""
    return list(dict.fromkeys([*real_sets(plan), *plan.examined_facesets()])) if plan.study.attributes else []


def real_sets(plan: Plan) -> list[str]:
    """Those of them that are of real people: the real one and the controls."""
    asked, real = plan.study.attributes, [plan.study.real] if plan.study.real else []
    return [*real, *(asked.controls if asked else ())]


def annotations(plan: Plan) -> list[str]:
    """Their artifacts "attributes", in the same order."""
    sets = attribute_sets(plan)
    return [plan.path("attributes", classifier=plan.study.attributes.classifier, faceset=name) for name in sets]


def annotation(plan: Plan) -> dict:
    """When a label is undefined, as plain values."""
    asked = plan.study.attributes or Annotation()
    return {name: getattr(asked, name) for name in Annotation.model_fields}


def attribute_comparison(plan: Plan) -> dict:
    """What is compared, which of it is real people, and how, as plain values."""
    asked = plan.study.attributes
    settings = {"joint": list(asked.joint), "resamples": asked.resamples} if asked else {}
    return {"names": attribute_sets(plan), "real": real_sets(plan)} | settings


def over_m(plan: Plan) -> list[dict]:
    """Sets with attributes that differ in m alone: title, and face sets with their m, rising."""
    found: dict[str, dict] = {}
    for name in attribute_sets(plan):
        entry = plan.config.facesets[name]
        if (
            not isinstance(entry, SyntheticFaces)
            or not METHODS[plan.config.generators[entry.generator].method].takes_similarity
        ):
            continue
        line = found.setdefault(str(sorted(entry.model_dump(exclude={"similarity"}).items())), {})
        line.setdefault("title", f"drawn by {entry.generator}, from {name.partition('-')[0]}")
        line.setdefault("sets", []).append((entry.similarity, name))
    rising = [(line["title"], sorted(line["sets"])) for line in found.values() if len(line["sets"]) > 1]
    return [{"title": title, "facesets": [n for _, n in sets], "m": [m for m, _ in sets]} for title, sets in rising]


def varied_attributes(plan: Plan) -> bool:
    """Whether m or φ varies over the study's sets, or within one of them."""
    entries = [plan.config.facesets[name] for name in attribute_sets(plan)]
    within = (getattr(e, "identity_mixup", False) or getattr(e, "mixed_similarities", ()) for e in entries)
    return bool(over_m(plan)) or any(within)


def mapped_attributes(plan: Plan) -> list[str]:
    """The annotated sets that are on the map of features, where there is one."""
    sets = plan.examined_facesets() if plan.measured_facesets() else []
    return [name for name in sets if name in attribute_sets(plan)]
