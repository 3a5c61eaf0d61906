"""The seam to Snakemake: bad input ends in one sentence and status 1, anything else with its trace in the log."""

import errno
import logging
import os
from types import SimpleNamespace

import pytest

from semihard.errors import InputError, NonFiniteLossError
from semihard.workflow import job as job_module
from semihard.workflow.fingerprint import SCRIPTS
from semihard.workflow.job import job


class Wildcards(SimpleNamespace):
    def get(self, name: str) -> str | None:
        return getattr(self, name, None)


class Params(SimpleNamespace):
    def items(self):
        return vars(self).items()


def snakemake(folder, attempt=1, inputs=(), **wildcards):
    params = Params(settings={"a": 1}, code="abc")
    return SimpleNamespace(
        rule="train", log=[str(folder / "logs" / "x.log")], threads=1, resources=SimpleNamespace(attempt=attempt),
        params=params, wildcards=Wildcards(**wildcards), input=[str(path) for path in inputs], scriptdir=str(SCRIPTS),
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


def test_another_library_than_that_of_the_scripts_is_refused(tmp_path):
    """A package that is installed beside the workflow would run in its place, under the fingerprint of the checkout."""
    installed = snakemake(tmp_path)
    for name in ("rules", "workflow_scripts"):
        (tmp_path / name).mkdir()
    installed.scriptdir = str(tmp_path / "rules/../workflow_scripts")
    with pytest.raises(SystemExit) as stopped, job(installed):
        pytest.fail("the stage ran")
    said = (tmp_path / "logs/x.log").read_text()
    assert (
        stopped.value.code == 1 and f"not that of {tmp_path}/workflow_scripts: uninstall the package semihard" in said
    )
    (tmp_path / "link").symlink_to(SCRIPTS)
    installed.scriptdir = str(tmp_path / "link")
    with job(installed) as provenance:
        assert provenance.code == "abc"


def test_bad_input_is_one_line(tmp_path):
    with pytest.raises(SystemExit) as stopped, job(snakemake(tmp_path)):
        raise InputError("file.rec: record 3 is no image")
    assert stopped.value.code == 1
    lines = (tmp_path / "logs" / "x.log").read_text().splitlines()
    assert len(lines) == 1 and lines[0].endswith("train: file.rec: record 3 is no image")


@pytest.mark.parametrize(
    "error", [InputError("file.rec: record 3 is no image"), NonFiniteLossError("step 7: loss is nan")]
)
def test_what_will_come_again_is_not_tried_again(tmp_path, error):
    """A retry on the same input repeats the sentence; a first attempt, or one on changed input, works."""
    tried, data = [], tmp_path / "file.rec"
    data.write_text("a")

    def run(attempt: int) -> str:
        with pytest.raises(SystemExit) as stopped, job(snakemake(tmp_path, attempt, [data])):
            tried.append(attempt)
            raise error
        assert stopped.value.code == 1
        return (tmp_path / "logs" / "x.log").read_text().splitlines()[-1]

    assert run(1).endswith(f"train: {error}")
    assert run(2).endswith(f"train: {error} (as before; not tried again)") and tried == [1]
    assert run(1).endswith(f"train: {error}") and tried == [1, 1]
    data.write_text("mended")
    assert run(2).endswith(f"train: {error}") and tried == [1, 1, 2]
    assert run(3).endswith("(as before; not tried again)") and tried == [1, 1, 2]
    with job(snakemake(tmp_path, 1, [data])):
        tried.append("well")
    assert tried[-1] == "well" and not list((tmp_path / "logs").glob("*.failed"))


@pytest.mark.parametrize(
    "error", [OSError("Stale file handle"), RuntimeError("CUDA error"), OSError(28, "No space left")]
)
def test_what_may_go_well_is_tried_again(tmp_path, error):
    for attempt in (1, 2):
        with pytest.raises(SystemExit), job(snakemake(tmp_path, attempt)):
            raise error
        assert "not tried again" not in (tmp_path / "logs" / "x.log").read_text()


def test_no_free_gpu_is_tried_again(tmp_path, monkeypatch):
    def busy(count):
        raise InputError("0 of the 2 GPUs of this machine are free")

    monkeypatch.setattr(job_module, "take_gpus", busy)
    with pytest.raises(SystemExit), job(snakemake(tmp_path)):
        pass
    monkeypatch.undo()
    with job(snakemake(tmp_path, 2)):
        pass


def test_a_failure_keeps_its_trace_in_the_log(tmp_path):
    with pytest.raises(SystemExit), job(snakemake(tmp_path)):
        raise ZeroDivisionError("division by zero")
    text = (tmp_path / "logs" / "x.log").read_text()
    assert "Traceback" in text and "ZeroDivisionError" in text


def raised_by_hdf5() -> Exception:
    return OSError(
        "Can't close file (file write failed: errno = 28, error message = 'No space left on device', buf = 0)"
    )


def raised_by_torch() -> Exception:
    try:
        try:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        finally:
            raise RuntimeError("[enforce fail at inline_container.cc:672] . unexpected pos 704 vs 598")
    except RuntimeError as error:
        return error


@pytest.mark.parametrize("raised", [raised_by_hdf5, raised_by_torch])
def test_a_full_disk_is_one_line(tmp_path, raised):
    with pytest.raises(SystemExit) as stopped, job(snakemake(tmp_path)):
        raise raised()
    assert stopped.value.code == 1
    (line,) = (tmp_path / "logs" / "x.log").read_text().splitlines()
    assert line.endswith("train: No space left on device; nothing finished was lost: free space and run again")
