"""What of a study is taken away: the exports and pipelines that it asks for, and what each is made from."""

from semihard.errors import InputError
from semihard.generator.file_entry import METHODS
from semihard.workflow.study import Plan


def exports(plan: Plan) -> list[dict[str, str]]:
    """Face set and form of every export that the study asks for, each once."""
    rows = [{"faceset": row.faceset, "form": form} for row in plan.study.exports for form in row.forms]
    return [row for number, row in enumerate(rows) if row not in rows[:number]]


def export_inputs(plan: Plan, faceset: str) -> dict[str, str]:
    """The face set and, where the study audits it, what it found: the card states it."""
    faces = {"faces": plan.path("faces", faceset=faceset)}
    audited = faceset in plan.audited_facesets()
    return faces | ({"audit": plan.path("page", faceset=faceset, form="json")} if audited else {})


def pipelines(plan: Plan) -> list[str]:
    """The generators of every pipeline that the study asks for, each once."""
    return list(dict.fromkeys(row.generator for row in plan.study.pipelines))


def licence_of(plan: Plan, generator: str) -> str:
    """The licence that a generator is given away under. Raises InputError where the study does not say, or says two."""
    found = dict.fromkeys(row.licence for row in plan.study.pipelines if row.generator == generator)
    if len(found) == 1:
        return next(iter(found))
    said = "two licences are given" if found else "under which licence is it given away"
    raise InputError(
        f"study.pipelines: {generator!r}: {said}; write one line: {{generator: {generator}, licence: cc-by-nc-4.0}}, say"
    )


def pipeline_inputs(plan: Plan, generator: str) -> dict[str, str]:
    """The generator, its embedder, how it obeys m, and what it was trained on, of these what there is."""
    entry = plan.config.generators[generator]
    inputs = {"generator": plan.path("generator", generator=generator)}
    if guide := getattr(entry, "embedder", None):
        inputs["embedder"] = plan.embedder_model(guide)
    if METHODS[entry.method].takes_similarity and plan.inquiries_of(generator):
        inputs["calibration"] = plan.path("calibration", generator=generator)
    if entry.trained_on:
        inputs["faces"] = plan.path("faces", faceset=entry.trained_on)
    return inputs
