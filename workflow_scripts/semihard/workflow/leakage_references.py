"""What a face set is held against in the leakage audit, and what may not be."""

from semihard.errors import InputError
from semihard.workflow.study import Plan


def leakage_references(plan: Plan, faceset: str) -> dict[str, str]:
    """The references of a face set by name, and the role of each: the training set of its generator, its inquiries' face set,
    then those of the study under their own names. None is the set itself."""
    entry = plan.config.facesets[faceset]
    inquiries, generator = getattr(entry, "inquiries", None), getattr(entry, "generator", None)
    trained_on = plan.config.generators[generator].trained_on if generator else None
    roles = {trained_on: "training set"} if trained_on else {}
    if inquiries:
        roles.setdefault(inquiries, "inquiries")
    for name in plan.study.leakage.references:
        roles.setdefault(name, name)
    return {name: role for name, role in roles.items() if name != faceset}


def leakages(plan: Plan) -> list[dict[str, str]]:
    """faceset and reference of every leakage audit of the study. Raises InputError as `check_references` does."""
    audited = plan.audited_facesets()
    if len(audited) == 1 and audited[0] in plan.study.leakage.references:
        check_references(audited[0], audited[0], None)
    names = [(name, reference) for name in audited for reference in leakage_references(plan, name)]
    for name, reference in names:
        check_references(name, reference, plan.study.leakage.unrelated)
    return [{"faceset": name, "reference": reference} for name, reference in names]


def check_references(faceset: str, reference: str, unrelated: str | None) -> None:
    """Raise InputError where a face set is its own reference, or the null's people are in either."""
    if faceset == reference:
        raise InputError(
            f"study.leakage: {faceset!r} audited against itself, where the nearest image is the image itself; near-duplicates "
            "inside a set are measured by duplicates"
        )
    if unrelated is not None and unrelated in (faceset, reference):
        raise InputError(
            f"study.leakage.unrelated: {unrelated!r} is what {faceset!r} is audited as or against; the null is of people who are "
            "in neither"
        )
