"""docs/papers.md: every configuration that it names has the lines, the figures and the published tables that it promises."""

import re
from fnmatch import fnmatch
from pathlib import Path

import pytest

from semihard.study_table.published import PUBLISHED
from semihard.workflow.configuration import read_yaml
from semihard.workflow.figures import pictures
from semihard.workflow.study import Plan

ROOT = Path(__file__).parents[2]
ROWS = re.findall(
    r"^\| (.+?) \| (?:`([\w.]+\.yaml)`.*?|[^`|]+) \| (.+) \|$", (ROOT / "docs/papers.md").read_text(), re.M
)
ANSWERS = [(item, name, re.findall(r"`([^`]+)`", where)) for item, name, where in ROWS if name]


def plan_of(name: str) -> Plan:
    return Plan(read_yaml(ROOT / name if name == "config.yaml" else ROOT / "configs" / name))


@pytest.mark.parametrize(("item", "name", "where"), ANSWERS, ids=[f"{name}: {item}" for item, name, _ in ANSWERS])
def test_a_configuration_has_what_the_page_says(item, name, where):
    plan = plan_of(name)
    drawn = {Path(path).relative_to(plan.results).with_suffix("") for path in pictures(plan)}  # its CSV lies beside it
    named = [*plan.labels(), *plan.study.benchmarks]
    named += [benchmark for row in plan.comparisons() for benchmark in row.extra_benchmarks]
    for token in where:
        if token in PUBLISHED:
            assert token in plan.study.published, token
        elif token.startswith("figures/"):
            assert Path(token).with_suffix("") in drawn, token
        elif "/" not in token and not re.match(r"(identity|identities|frechet|highest|lowest|bin-bin4)", token):
            assert any(fnmatch(label, token.replace("…", "*")) for label in named), token
    assert where and item


def test_every_published_table_is_shown_by_a_configuration_that_the_page_names():
    named = {token for _, _, where in ANSWERS for token in where}
    assert set(PUBLISHED) <= named
