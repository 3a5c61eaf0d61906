"""What of a study is taken away: the exports that it asks for, and what each is made from."""

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
