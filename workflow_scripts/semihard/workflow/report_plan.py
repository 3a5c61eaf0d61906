"""What the report of a study shows, in which order, and from which files: for the rule write_report.

A figure that SECTIONS does not name stands last. To show another table: its artifact in a line of SECTIONS, and in `tables`.
"""

import hashlib
import json
import re
from collections.abc import Iterator
from pathlib import Path

from semihard.workflow.attribute_plan import attribute_sets
from semihard.workflow.deliverables import deliverables
from semihard.workflow.fairness_plan import fairness_runs
from semihard.workflow.figures import FIGURES, Figure
from semihard.workflow.leakage_references import leakages
from semihard.workflow.study import Plan, given

CAPTIONS = Path(__file__).parents[3] / "report"
SECTIONS = {  # heading → rules of figures, and artifacts that are tables
    "Faces": ("plot_sample_sheet", "plot_mixup_path"),
    "Similarity to the identity": ("plot_similarity_histogram", "plot_bins"),
    "Ladder": ("plot_similarity_ladder",),
    "Calibration": ("plot_calibration",),
    "Quality": ("plot_fidelity", "plot_diversity", "plot_duplicates", "plot_feature_map", "plot_factors"),
    "Learning": (
        *("plot_training_curves", "plot_learning", "plot_learning_similarity", "plot_learning_faces"),
        "plot_recognizer_curves",
    ),
    "Table": ("scores", "plot_accuracy", "plot_accuracy_over_similarity"),
    "Verification": ("plot_roc", "plot_epochs"),
    "Attributes": (
        *("plot_attributes", "plot_attribute_divergence", "plot_attribute_heat", "plot_attribute_curves"),
        "plot_attribute_map",
    ),
    "Fairness": ("fairness table", "plot_fairness"),
    "Leakage": ("plot_leakage", "plot_nearest_sheet"),
    "Costs": ("costs",),
}
MOST_NAMES = 4


def tables(plan: Plan) -> dict[str, tuple[str, str, str]]:
    """The artifacts of SECTIONS that the study has: title, caption and path of each CSV."""
    found = {"scores": ("Study table", "scores", plan.path("scores", form="csv"))} if plan.runs() else {}
    if fairness_runs(plan):
        path = plan.path("fairness table", form="csv")
        found["fairness table"] = ("Rates by group", "fairness", path)
    if deliverables(plan):
        found["costs"] = ("What the study took", "costs", plan.path("costs"))
    return found


class ByDigest(dict):
    """Plain values that Snakemake records and names by their digest, where it would write all of them out in the reason of
    a job; the job itself gets a plain dictionary."""

    def __repr__(self) -> str:
        return f"<what is shown: {hashlib.sha256(json.dumps(self).encode()).hexdigest()[:16]}>"

    def __reduce__(self) -> tuple:
        return dict, (dict(self),)


def report_contents(plan: Plan, left_out: list[str]) -> ByDigest:
    """`study_table.report.Contents` of a study as plain values; left_out: sentences of what is not in it."""
    inside = f"{plan.results}/"
    figures, listed = {figure.rule: figure for figure in FIGURES}, tables(plan)
    sections = []
    placed = {name for names in SECTIONS.values() for name in names}
    further = {"Further figures": tuple(name for name in figures if name not in placed)}
    for heading, names in (SECTIONS | further).items():
        parts: list[dict] = []
        for name in names:
            if name in figures:
                parts += _figure_parts(figures[name], plan)
            elif name in listed:
                title, caption, path = listed[name]
                parts.append({"title": title, "how": _caption(caption, []), "picture": "", "table": path})
        if parts:
            sections.append({"heading": heading, "parts": parts})
    trained = dict.fromkeys(row.recognizer for row in plan.comparisons())
    series = f"{plan.results}/figures/accuracy_over_similarity.csv" if plan.similarity_series() else ""
    contents = {
        "title": f"Study {Path(plan.results).name}",
        "question": question(plan),
        "sections": sections,
        "opening": _opening(plan, sections),
        "scores": listed["scores"][2] if "scores" in listed else "",
        "series": series,
        "benchmarks": list(dict.fromkeys(run["benchmark"] for run in plan.runs())),
        "synthetic": plan.synthetic_facesets(),
        "mixed_in": {name: mixed.real for name in trained if (mixed := plan.config.recognizers[name].domain_mixup)},
        "calibrations": {name: plan.path("calibration", generator=name) for name in plan.calibrated_generators()},
        "leakages": [plan.path("leakage", **which) for which in leakages(plan)],
        "attributes": plan.path("compared attributes", table="sets") if attribute_sets(plan) else "",
        "measures": measures(plan),
        "left_out": [line.removeprefix("left out: ") for line in left_out],
        "made": made(plan),
        "configuration": configuration(plan),
    }
    return ByDigest({name: _relative(value, inside) for name, value in contents.items()})


def report_inputs(plan: Plan, left_out: list[str]) -> list[str]:
    """Every file that the report reads."""
    contents = report_contents(plan, left_out)
    parts = [part for section in contents["sections"] for part in section["parts"]]
    named = [part[kind] for part in parts for kind in ("picture", "table")]
    named += [contents[name] for name in ("scores", "series", "attributes")]
    named += [path for name in ("calibrations", "measures") for path in contents[name].values()]
    named += [*contents["leakages"], *contents["made"]]
    return [f"{plan.results}/{path}" for path in dict.fromkeys(filter(None, named))]


def _relative(value: object, inside: str) -> object:
    """Plain values with paths relative to the results folder."""
    if isinstance(value, dict):
        return {key: _relative(one, inside) for key, one in value.items()}
    if isinstance(value, list):
        return [_relative(one, inside) for one in value]
    return value.removeprefix(inside) if isinstance(value, str) else value


def _figure_parts(figure: Figure, plan: Plan) -> Iterator[dict]:
    """A part for each picture of a figure; the first says how to read them all."""
    order = {name: place for place, name in enumerate(plan.examined_facesets())}  # as the table has them, then others
    shown = sorted(figure.shown(plan), key=lambda wildcards: order.get(wildcards.get("faceset", ""), len(order)))
    for place, wildcards in enumerate(shown):
        names = [text.format(**wildcards) for key, text in figure.labels.items() if key != "figure"]
        what = figure.labels["figure"][:1].upper() + figure.labels["figure"][1:]
        picture = f"{plan.results}/figures/{figure.picture.format(**wildcards)}"
        yield {
            "title": f"{what}: {' against '.join(names)}" if names else what,
            "how": "" if place else _caption(figure.caption, shown),
            "picture": picture,
            "table": f"{plan.results}/figures/{figure.table.format(**wildcards)}",
        }


def _caption(name: str, shown: list[dict[str, str]]) -> str:
    """How to read pictures, from report/; shown: the wildcards of each."""

    def names(match: re.Match) -> str:
        return _some([f"``{name}``" for name in dict.fromkeys(wildcards[match[1]] for wildcards in shown)])

    text = (CAPTIONS / f"{name}.rst").read_text(encoding="utf-8")
    return re.sub(r"``\{\{ *snakemake\.wildcards\.(\w+) *\}\}``", names, text).strip()


def _some(names: list[str]) -> str:
    """The names, of many the first and how many more."""
    if len(names) > MOST_NAMES:
        names = [*names[: MOST_NAMES - 1], f"{len(names) - MOST_NAMES + 1} more"]
    return ", ".join(names[:-1]) + " and " + names[-1] if len(names) > 1 else "".join(names)


def question(plan: Plan) -> str:
    """What the study asked, in a line."""
    if others := [name for name in plan.compared_facesets() if name != plan.study.real]:
        return f"What is a recognizer worth that learned from {_some(others)} instead of {plan.study.real}?"
    if plan.comparisons():
        return f"What is a recognizer worth that learned from {plan.study.real}?"
    if plan.references():
        return f"How accurate are {_some([one.embedder for one in plan.references()])}?"
    if plan.examined_facesets():
        return f"Is {_some(plan.examined_facesets())} new, varied, and of whom?"
    return "What do the faces look like?"


def _opening(plan: Plan, sections: list[dict]) -> dict:
    """The part of the first ladder, else of the faces of the first set that is held against others; none without either."""
    parts = {
        part["picture"].removeprefix(f"{plan.results}/figures/"): (part, section["parts"][0]["how"])
        for section in sections
        for part in section["parts"]
    }
    wanted = [f"generators/{name}/ladder.png" for name in plan.calibrated_generators()]
    wanted += [f"samples/{name}.png" for name in plan.audited_facesets()]
    return next(({**parts[name][0], "how": parts[name][1]} for name in wanted if name in parts), {})


def measures(plan: Plan) -> dict[str, str]:
    """What is measured of face sets → artifact, which says so where it could not be."""
    found = {
        f"{kind} of {name}": plan.path(kind, faceset=name)
        for kind in ("duplicates", "diversity")
        for name in plan.examined_facesets()
    }
    found |= {f"fidelity of {name}": plan.path("fidelity", faceset=name) for name in plan.measured_facesets()}
    return found | {
        "leakage of {faceset} against {reference}".format(**which): plan.path("leakage", **which)
        for which in leakages(plan)
    }


def made(plan: Plan) -> list[str]:
    """The artifacts whose provenance the report shows: of every stage that its numbers come from."""
    found = [plan.path("faces", faceset=name) for section, name in sorted(plan.needed) if section == "facesets"]
    found += [
        plan.path("generator history", generator=name)
        for name in plan.generators()
        if name in plan.made_by("train_generator")
    ]
    found += [plan.path("calibration", generator=name) for name in plan.calibrated_generators()]
    runs = plan.runs()
    found += [
        plan.path("recognizer history", recognizer=run["recognizer"], faceset=run["faceset"], seed=run["seed"])
        for run in runs
        if run["seed"] is not None
    ]
    found += [run["path"] for run in runs] + list(measures(plan).values())
    return list(dict.fromkeys(found + ([plan.path("scores", form="h5")] if runs else [])))


def configuration(plan: Plan) -> str:
    """The study's part of the configuration as YAML: the entries that it needs, with what is in force."""
    study = {key: value for key, value in given(plan.study).items() if key != "tracker"}
    sections: dict[str, dict] = {}
    for section, name in sorted(plan.needed):
        sections.setdefault(section, {})[name] = plan.settings_of(section, name)
    fetched = {
        name: given(entry)
        for name, entry in sorted(plan.config.downloads.items())
        if f"download:{name}" in str(sections)
    }
    sections |= {"downloads": fetched} if fetched else {}
    lines = [f"results: {_plain(plan.results)}"]
    for section, entries in sections.items():
        lines.append(f"{section}:")
        for name, entry in entries.items():
            lines += [f"  {_plain(name)}:", *(f"    {key}: {_plain(value)}" for key, value in entry.items())]
    return "\n".join([*lines, "study:", *(f"  {key}: {_plain(value)}" for key, value in study.items())])


def _plain(value: object) -> str:
    """A value as JSON, which YAML reads too."""
    return json.dumps(value, ensure_ascii=False)
