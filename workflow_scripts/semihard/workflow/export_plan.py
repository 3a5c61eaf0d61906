"""What of a study is taken away: the exports and pipelines that it asks for, and what each is made from."""

from semihard.errors import InputError
from semihard.generator.file_entry import METHODS
from semihard.workflow.study import Plan


def exports(plan: Plan) -> list[dict[str, str]]:
    """Face set and form of every export that the study asks for, each once."""
    return _each_once([{"faceset": row.faceset, "form": form} for row in plan.study.exports for form in row.forms])


def export_inputs(plan: Plan, faceset: str) -> dict[str, str]:
    """The face set and, where the study audits it, what it found: the card states it."""
    faces = {"faces": plan.path("faces", faceset=faceset)}
    audited = faceset in plan.audited_facesets()
    return faces | ({"audit": plan.path("page", faceset=faceset, form="json")} if audited else {})


def pipelines(plan: Plan) -> list[str]:
    """The generators of every pipeline that the study asks for, each once."""
    return list(dict.fromkeys(row.generator for row in plan.study.pipelines))


def models(plan: Plan) -> list[dict[str, object]]:
    """Recognizer, face set and seed of every recognizer that the study gives away, each once."""
    return _each_once(
        [{"recognizer": row.recognizer, "faceset": row.trained_on, "seed": row.seed} for row in plan.study.models]
    )


def _each_once(rows: list[dict]) -> list[dict]:
    return [row for number, row in enumerate(rows) if row not in rows[:number]]


def model_settings(plan: Plan, recognizer: str, faceset: str, seed: int) -> dict:
    """What the card of a recognizer says that no file does: its name, its licence, and what the study verifies it on. Raises
    InputError where the study does not say the licence, or says two."""
    this = (recognizer, faceset, seed)
    found = dict.fromkeys(
        row.licence for row in plan.study.models if (row.recognizer, row.trained_on, row.seed) == this
    )
    line = f"{{recognizer: {recognizer}, trained_on: {faceset}, seed: {seed}, licence: cc-by-nc-4.0}}"
    return {
        "name": f"{recognizer} trained on {faceset}",
        "licence": _the_one(found, f"study.models: {recognizer!r} trained on {faceset!r}", line),
        "benchmarks": [run["benchmark"] for run in _verifications(plan, *this)],
    }


def model_inputs(plan: Plan, recognizer: str, faceset: str, seed: int) -> dict[str, object]:
    """The recognizer, what it was trained on, and its verifications."""
    which = {"recognizer": recognizer, "faceset": faceset, "seed": seed}
    return {
        "model": plan.path("recognizer", **which),
        "faces": plan.path("faces", faceset=faceset),
        "verified": [run["path"] for run in _verifications(plan, **which)],
    }


def _verifications(plan: Plan, recognizer: str, faceset: str, seed: int) -> list[dict]:
    return [
        run
        for run in plan.runs()
        if (run["recognizer"], run["faceset"], run["seed"]) == (recognizer, faceset, seed)
        and plan.config.benchmarks[run["benchmark"]].gives_accuracy
    ]


def licence_of(plan: Plan, generator: str) -> str:
    """The licence that a generator is given away under. Raises InputError where the study does not say, or says two."""
    found = dict.fromkeys(row.licence for row in plan.study.pipelines if row.generator == generator)
    return _the_one(found, f"study.pipelines: {generator!r}", f"{{generator: {generator}, licence: cc-by-nc-4.0}}")


def _the_one(licences: dict[str, None], where: str, line: str) -> str:
    if len(licences) == 1:
        return next(iter(licences))
    said = "two licences are given" if licences else "under which licence is it given away"
    raise InputError(f"{where}: {said}; write one line: {line}, say")


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
