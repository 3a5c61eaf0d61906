"""What is asked for on the command line by its path: whether the study has what the path names."""

import re
import string
from collections.abc import Iterable

from semihard.errors import InputError
from semihard.settings.registry import names_of
from semihard.workflow.configuration import did_you_mean
from semihard.workflow.paths import ARTIFACTS
from semihard.workflow.study import Plan

SECTION_OF = {
    "faceset": "facesets",
    "reference": "facesets",
    "embedder": "embedders",
    "generator": "generators",
    "recognizer": "recognizers",
    "benchmark": "benchmarks",
    "classifier": "attribute_classifiers",
}
EXPORTED_AS = tuple(names_of("sources.export_forms"))


def check_targets(plan: Plan, targets: Iterable[str]) -> None:
    """Raise InputError, a line each, for the paths of artifacts whose names no entry has, or that are exported in no known
    form. What is no path of an artifact is left to Snakemake."""
    problems = []
    for target in sorted(targets):
        inside = target.removeprefix("./").removeprefix(f"{plan.results}/")
        found = [
            [f"{target}: {problem}" for problem in _problems(plan, artifact, match.groupdict())]
            for artifact, template in ARTIFACTS.items()
            if inside != target and (match := _pattern(template).fullmatch(inside.rstrip("/")))
        ]
        if found and all(found):
            problems += min(found, key=len)
    if problems:
        raise InputError("\n".join(problems))


def _problems(plan: Plan, artifact: str, named: dict[str, str]) -> list[str]:
    problems = []
    for wildcard, name in named.items():
        section = SECTION_OF.get(wildcard)
        known = getattr(plan.config, section) if section else EXPORTED_AS
        if section and name in plan.sweeps:
            problems.append(f"{name!r} is a sweep, name one of {', '.join(plan.sweeps[name])}")
        elif section and name not in known:
            problems.append(f"{name!r} is not an entry of {section}{did_you_mean(name, known)}")
        elif wildcard == "form" and artifact == "export" and name not in known:
            problems.append(f"faces are not exported as {name!r}{did_you_mean(name, known)}")
    return problems


def _pattern(template: str) -> re.Pattern:
    parts = string.Formatter().parse(template)
    return re.compile("".join(re.escape(text) + (f"(?P<{name}>[^/]+)" if name else "") for text, name, _, _ in parts))
