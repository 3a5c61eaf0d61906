"""The seam to Snakemake: bad input ends in one sentence and status 1, anything else with its trace in the log."""

import logging
from types import SimpleNamespace

import pytest

from semihard.errors import InputError
from semihard.job import job


class Wildcards(SimpleNamespace):
    def get(self, name: str) -> str | None:
        return getattr(self, name, None)


def snakemake(folder, **wildcards):
    params = SimpleNamespace(settings={"a": 1}, code="abc")
    return SimpleNamespace(
        rule="train", log=[str(folder / "logs" / "x.log")], threads=1, resources=SimpleNamespace(), params=params,
        wildcards=Wildcards(**wildcards),
    )  # fmt: skip


@pytest.fixture(autouse=True)
def logging_as_before():
    handlers = logging.getLogger().handlers[:]
    yield
    logging.getLogger().handlers[:] = handlers


def test_provenance_is_what_the_rule_says(tmp_path):
    with job(snakemake(tmp_path, seed="3")) as provenance:
        attributes = provenance.attributes()
    assert attributes["rule"] == "train" and attributes["settings"] == '{"a": 1}' and attributes["seed"] == 3
    with job(snakemake(tmp_path)) as provenance:
        assert "seed" not in provenance.attributes()


def test_bad_input_is_one_line(tmp_path):
    with pytest.raises(SystemExit) as stopped, job(snakemake(tmp_path)):
        raise InputError("file.rec: record 3 is no image")
    assert stopped.value.code == 1
    lines = (tmp_path / "logs" / "x.log").read_text().splitlines()
    assert len(lines) == 1 and lines[0].endswith("train: file.rec: record 3 is no image")


def test_a_failure_keeps_its_trace_in_the_log(tmp_path):
    with pytest.raises(SystemExit), job(snakemake(tmp_path)):
        raise ZeroDivisionError("division by zero")
    text = (tmp_path / "logs" / "x.log").read_text()
    assert "Traceback" in text and "ZeroDivisionError" in text
