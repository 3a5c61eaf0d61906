"""Where the arithmetic runs: compiled functions fall back, and several processes end as one."""

import logging
import os
import signal
import time
from types import SimpleNamespace

import pytest
import torch
from torch import distributed

from semihard.compute.device import compiled
from semihard.compute.processes import in_processes, launch
from semihard.errors import InputError


def relu_sum(x: torch.Tensor, scale: float = 1.0) -> torch.Tensor:
    return torch.relu(x @ x.T * scale).sum(1)


def test_what_cannot_be_compiled_runs_as_it_is_and_says_so_once(monkeypatch, caplog):
    calls = []

    def broken(function):
        def call(*given, **named):
            calls.append(1)
            raise torch._dynamo.exc.Unsupported("no graph\nof this", case_name="test")

        return call

    monkeypatch.setattr(torch, "compile", broken)
    function, x = compiled(relu_sum), torch.randn(3, 4)
    assert all(torch.equal(function(x, scale=2.0), relu_sum(x, 2.0)) for _ in range(3))
    assert len(calls) == 1 and len(caplog.records) == 1
    assert "torch.compile failed (Unsupported: no graph)" in caplog.text


def test_an_error_of_the_function_itself_is_not_taken_for_a_failed_compilation(monkeypatch):
    monkeypatch.setattr(torch, "compile", lambda function: function)

    def fails(x):
        raise ValueError("not finite")

    with pytest.raises(ValueError, match="not finite"):
        compiled(fails)(torch.zeros(1))


def test_without_a_cpp_compiler(monkeypatch, caplog):
    """The real thing: torch looks for a compiler and finds none."""
    monkeypatch.setattr(torch._inductor.config.cpp, "cxx", (None, "/nonexistent"))
    monkeypatch.setattr(torch._inductor.config, "force_disable_caches", True)
    torch._dynamo.reset()
    function, x = compiled(relu_sum), torch.randn(3, 5)
    assert all(torch.equal(function(x), relu_sum(x)) for _ in range(2))
    assert caplog.text.count("torch.compile failed (InductorError: InvalidCxxCompiler") == 1


def test_compiled_results_agree():
    torch._dynamo.reset()
    layers = torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.SiLU(), torch.nn.Linear(8, 2))
    x = torch.randn(5, 4)
    assert torch.allclose(compiled(layers)(x), layers(x), atol=1e-6)
    assert compiled(layers, wanted=False) is layers


def fail_alone() -> None:
    distributed.init_process_group("gloo")
    if distributed.get_rank() == 1:
        raise InputError("f.h5: record 3 is bad")
    distributed.all_reduce(torch.ones(1))  # waits for the one that failed


def divide_by_zero() -> None:
    raise ZeroDivisionError("that is new")


def stop_the_parent(folder) -> None:
    """Rank 0 asks the parent to stop; each ends in its own time."""
    asked = []
    signal.signal(signal.SIGTERM, lambda *_: asked.append(1))
    (folder / f"ready{os.environ['RANK']}").touch()
    if os.environ["RANK"] == "0":
        while not (folder / "ready1").exists():
            time.sleep(0.01)
        os.kill(os.getppid(), signal.SIGTERM)
    while not asked:
        time.sleep(0.01)
    time.sleep(0.5)  # what is going on is finished
    (folder / f"saved{os.environ['RANK']}").touch()
    raise SystemExit(143)


def test_what_one_process_says_reaches_the_parent_and_ends_the_others():
    with pytest.raises(InputError, match=r"^f\.h5: record 3 is bad$"):
        launch(2, fail_alone)


def test_an_unexpected_failure_keeps_its_trace():
    with pytest.raises(Exception, match=r"(?s)divide_by_zero.*ZeroDivisionError: that is new"):
        launch(2, divide_by_zero)


def test_sigterm_waits_for_the_processes_and_exits_143(tmp_path):
    with pytest.raises(SystemExit) as stopped:
        launch(2, stop_the_parent, tmp_path)
    assert stopped.value.code == 143
    assert {"saved0", "saved1"} <= {path.name for path in tmp_path.iterdir()}


def test_one_process_and_those_that_torchrun_started_are_not_started_again(monkeypatch):
    here = []
    training = in_processes(lambda settings, seed: here.append((settings.processes, seed)))
    training(SimpleNamespace(processes=1), seed=5)
    monkeypatch.setenv("RANK", "0")
    training(SimpleNamespace(processes=4), 6)
    assert here == [(1, 5), (4, 6)]


@pytest.fixture(autouse=True)
def elastic_logs_as_before():
    logger = logging.getLogger("torch.distributed.elastic.multiprocessing")
    level = logger.level
    yield
    logger.setLevel(level)
