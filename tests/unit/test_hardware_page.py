"""docs/hardware.md: its numbers are what a training says of itself, and its settings fit the GPUs they are for."""

import re
from pathlib import Path

import pytest
import yaml

from semihard.generator import memory_table
from semihard.generator.memory_table import GPUS, generators, recognizers
from semihard.recognizer.memory import training_bytes
from semihard.workflow.configuration import read_yaml
from semihard.workflow.study import Plan

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "hardware.md").read_text(encoding="utf-8")
ROW = r"\| (\w+): ([\w ,]+) \| `(\w+)` \| (\d+) \| (bf16, fp16|fp32) \| ([\d.]+) \| (\d+) \(([\d.]+) GB\) \| (\d+) \(([\d.]+) GB\) \|"


@pytest.fixture(scope="module")
def lines() -> list[memory_table.Line]:
    return [*recognizers(), *generators()]


def test_the_table_is_what_the_command_prints(lines):
    rows = re.findall(ROW, PAGE)
    assert len(rows) == len(lines) == PAGE.count("\n| recognizers: ") + PAGE.count("\n| generators: ")
    for row, line in zip(rows, lines, strict=True):
        section, name, network, batch, precision, whole, *fitting = row
        assert (section, name, network, int(batch)) == (line.section, line.name, line.network, line.batch)
        assert (precision == "fp32") != line.half
        assert float(whole) == pytest.approx(line.needed(1) / 1e9, rel=0.02)
        for free, parts, needed in zip(GPUS.values(), fitting[::2], fitting[1::2], strict=True):
            assert int(parts) == line.least(free)
            assert float(needed) == pytest.approx(line.needed(int(parts)) / 1e9, rel=0.02)


@pytest.mark.parametrize("gb", GPUS)
def test_the_settings_for_a_gpu_fit_it(lines, gb):
    given = yaml.safe_load(re.search(rf"```yaml\n# {gb} GB\n(.*?)```", PAGE, re.S)[1])
    config = read_yaml(ROOT / "configs" / "cemiface.yaml")
    for section, entries in given.items():
        for name, entry in entries.items():
            before = dict(config[section][name])
            assert before == {
                key: value for key, value in entry.items() if key != "accumulation"
            }  # nothing else changed
            config[section][name] = entry
    plan = Plan(config)
    for name in given["recognizers"]:
        assert training_bytes(plan.config.recognizers[name], memory_table.IDENTITIES, half=True) <= GPUS[gb]
    for line in lines:
        if line.section == "generators" and line.half and line.network == "dcface_112":
            assert line.needed(plan.config.generators[line.name].accumulation) <= GPUS[gb]
    assert GPUS[gb] < 0.92 * gb * 2**30  # what the driver, CUDA and a desktop take
