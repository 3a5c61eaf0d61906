"""What a study delivers: the targets of `rule all`, all made of results, and none of times."""

from semihard.workflow.export_plan import exports, models, pipelines
from semihard.workflow.figures import pictures
from semihard.workflow.study import Plan


def deliverables(plan: Plan) -> list[str]:
    """The paths of figures, study table, exports, pipelines, recognizers and pages."""
    return [
        *pictures(plan),
        *([plan.path("scores", form="csv")] if plan.runs() else []),
        *(plan.path("export", **export) for export in exports(plan)),
        *(plan.path("pipeline", generator=name) for name in pipelines(plan)),
        *(plan.path("exported recognizer", **model) for model in models(plan)),
        *(plan.path("page", faceset=name, form="html") for name in plan.audited_facesets()),
    ]
