"""The training loop: the same weights whether undisturbed, stopped, or killed; bad losses stop it with the place named."""

import errno
import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import distributed

from semihard.compute import engine
from semihard.compute.engine import batch_indices, train
from semihard.compute.processes import launch
from semihard.errors import InputError, NonFiniteLossError
from semihard.storage.checkpoint import Resume
from semihard.storage.provenance import Provenance

STEPS = 90


def run(
    folder: Path, interfere=lambda i: None, settings: dict | None = None, width: int = 8
) -> tuple[torch.Tensor, dict]:
    torch.manual_seed(0)
    model = torch.nn.Sequential(torch.nn.Linear(4, width), torch.nn.Dropout(0.3), torch.nn.Linear(width, 1))
    optimizer = torch.optim.AdamW(model.parameters(), 0.01)
    data = torch.arange(40.0).reshape(10, 4) / 40

    def batch_of(i: int) -> np.ndarray:
        return batch_indices(i, 6, len(data), seed=3)

    def step(i: int) -> dict[str, torch.Tensor]:
        loss = (model(data[torch.from_numpy(batch_of(i))]) + torch.randn(6, 1) - 1).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        interfere(i)
        return {"loss": loss.detach()}

    resume = Resume(folder / "out", Provenance("rule", settings or {"lr": 0.01}, "code"), [])
    history = train("test", step, STEPS, {"model": model, "optimizer": optimizer}, resume, 3, batch_of, window=10)
    return torch.cat([p.detach().flatten() for p in model.parameters()]), history


def test_sigint_saves_as_sigterm_does(tmp_path):
    with pytest.raises(SystemExit) as stopped:
        run(tmp_path, lambda i: os.kill(os.getpid(), signal.SIGINT) if i == 12 else None)
    assert stopped.value.code == 130 and (tmp_path / "out.resume/state.pt").exists()


@pytest.mark.parametrize("at", [0, 9, 10, 37, 88, 89])
def test_sigterm_saves_exits_143_and_resumes_bit_identically(tmp_path, at):
    whole, whole_history = run(tmp_path / "a")

    def ask(i: int) -> None:
        if i == at:
            os.kill(os.getpid(), signal.SIGTERM)

    with pytest.raises(SystemExit) as stopped:
        run(tmp_path / "b", ask)
    assert stopped.value.code == 143
    resumed, history = run(tmp_path / "b")
    assert torch.equal(whole, resumed)
    assert history["loss"][-1] == whole_history["loss"][-1]


def test_failure_at_any_step_resumes_bit_identically(tmp_path, monkeypatch):
    monkeypatch.setattr(engine, "SECONDS_BETWEEN_CHECKPOINTS", 0.0)
    whole, _ = run(tmp_path / "a")
    for at in (3, 11, 25, 26, 70):

        def fail(i: int, at: int = at) -> None:
            if i == at:
                raise RuntimeError("power cut")

        with pytest.raises(RuntimeError, match="power cut"):
            run(tmp_path / "b", fail)
    resumed, history = run(tmp_path / "b")
    assert torch.equal(whole, resumed)
    assert history["step"].tolist() == list(range(10, STEPS + 1, 10))


def test_sigkill_loses_no_checkpoint(tmp_path):
    script = textwrap.dedent(f"""
        import os, signal, sys
        sys.path[:0] = {[str(Path(engine.__file__).parents[2]), str(Path(__file__).parent)]!r}
        from pathlib import Path
        from semihard.compute import engine
        engine.SECONDS_BETWEEN_CHECKPOINTS = 0.0
        from test_engine import run
        def kill(i):
            if i == 45:
                os.kill(os.getpid(), signal.SIGKILL)
        run(Path({str(tmp_path)!r}) / "b", kill)
    """)
    assert subprocess.run([sys.executable, "-c", script]).returncode == -signal.SIGKILL
    assert (tmp_path / "b" / "out.resume" / "state.pt").exists()
    assert torch.equal(run(tmp_path / "b")[0], run(tmp_path / "a")[0])


def test_checkpoint_of_other_settings_is_put_aside_and_can_be_gone_on_with(tmp_path, caplog):
    with pytest.raises(SystemExit):
        run(tmp_path, lambda i: os.kill(os.getpid(), signal.SIGTERM))
    saved = (tmp_path / "out.resume/state.pt").read_bytes()
    fresh, _ = run(tmp_path, settings={"lr": 0.02})
    assert "out.resume: checkpoint of other settings.lr (0.01 → 0.02): put aside as out.resume.aside1" in caplog.text
    assert torch.equal(fresh, run(tmp_path / "a")[0])
    assert (tmp_path / "out.resume.aside1/state.pt").read_bytes() == saved

    (line,) = [message for message in caplog.messages if "put aside" in message]
    subprocess.run(line.partition("stop this run, then: ")[2], shell=True, check=True)  # what it advises
    resume = Resume(tmp_path / "out", Provenance("rule", {"lr": 0.02}, "other code"), [])
    assert resume.load()["step"] > 0 and not (resume.directory / "go_on_anyway").exists()
    assert Resume(tmp_path / "out", Provenance("rule", {"lr": 0.02}, "other code"), []).exists()


def test_a_checkpoint_of_another_network_cannot_be_gone_on_with(tmp_path):
    with pytest.raises(SystemExit):
        run(tmp_path, lambda i: os.kill(os.getpid(), signal.SIGTERM))
    (tmp_path / "out.resume/go_on_anyway").touch()
    for _ in range(2):
        with pytest.raises(InputError, match="test: the checkpoint is of another network or optimizer") as error:
            run(tmp_path, settings={"width": 9}, width=9)
    subprocess.run(str(error.value).partition("start over with: ")[2], shell=True, check=True)
    run(tmp_path, settings={"width": 9}, width=9)


def test_what_differs_is_said_part_by_part(tmp_path, caplog):
    (given := tmp_path / "faces.h5").write_text("x")
    resume = Resume(tmp_path / "out", Provenance("rule", {"a": 1, "b": {"c": 2}}, "code", 3), [given])
    resume.save({"step": 1})
    given.write_text("xx")
    Resume(tmp_path / "out", Provenance("rule", {"a": 1, "b": {"c": 4}}, "later", 3), [given])
    assert f"code (code → later); settings.b ({{'c': 2}} → {{'c': 4}}); input {given}: put aside" in caplog.text
    Resume(tmp_path / "out", Provenance(), [])
    assert not (tmp_path / "out.resume.aside2").exists()  # nothing was finished


def test_a_flipped_bit_in_a_checkpoint_is_seen(tmp_path, caplog):
    resume = Resume(tmp_path / "out", Provenance(), [])
    resume.save({"weight": torch.zeros(1000)})
    state = resume.directory / "state.pt"
    blob = bytearray(state.read_bytes())
    blob[len(blob) // 2] ^= 1
    state.write_bytes(blob)
    assert resume.load() is None
    assert "checkpoint cannot be read (its bytes have changed since they were written): starting over" in caplog.text


def test_non_finite_loss_names_step_batch_and_checkpoint(tmp_path):
    def step(i: int) -> dict[str, torch.Tensor]:
        return {"loss": torch.tensor(float("nan") if i >= 7 else 1.0)}

    resume = Resume(tmp_path / "out", Provenance(), [])
    with pytest.raises(NonFiniteLossError) as caught:
        train("train it", step, 20, {}, resume, 0, lambda i: np.array([i, i + 1]))
    message = str(caught.value)
    assert "not finite at step 7" in message and "images [7, 8]" in message and "none yet" in message


@given(batch=st.integers(1, 9), count=st.integers(1, 12), seed=st.integers(0, 5))
def test_batches_are_epochs_of_permutations(batch, count, seed):
    steps = -(-3 * count // batch)
    flat = np.concatenate([batch_indices(i, batch, count, seed) for i in range(steps)])[: 3 * count]
    for epoch in flat.reshape(3, count):
        assert sorted(epoch) == list(range(count))


def test_a_damaged_checkpoint_is_said_so_and_training_starts_over(tmp_path, caplog):
    with pytest.raises(SystemExit):
        run(tmp_path, lambda i: os.kill(os.getpid(), signal.SIGTERM) if i == 40 else None)
    state = tmp_path / "out.resume" / "state.pt"
    state.write_bytes(state.read_bytes()[: state.stat().st_size // 2])
    fresh, _ = run(tmp_path)
    assert "checkpoint cannot be read" in caplog.text and "starting over" in caplog.text
    assert torch.equal(fresh, run(tmp_path / "a")[0])


def test_a_failure_while_the_key_is_written_costs_no_finished_work(tmp_path, monkeypatch):
    """Every start is struck at each call that writes; what had been finished is there at the next."""

    def start() -> Resume:
        return Resume(tmp_path / "out", Provenance("rule", {"a": 1}, "code"), [])

    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    for name in ("write_text", "replace"):
        with monkeypatch.context() as patch:
            patch.setattr(Path, name, full)
            with pytest.raises(OSError, match="No space left"):
                start()
        assert not (tmp_path / "out.resume" / "key").exists()
    start().save({"step": 3})
    with monkeypatch.context() as patch:
        for name in ("write_text", "write_bytes", "replace", "rename", "unlink"):
            patch.setattr(Path, name, full)
        assert start().load() == {"step": 3}  # a start that goes on writes nothing


def test_a_full_disk_keeps_the_checkpoint_before(tmp_path, monkeypatch):
    resume = Resume(tmp_path / "out", Provenance(), [])
    resume.save({"step": 3})

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(OSError, match="No space left"):
            resume.save({"step": 4})
    assert resume.load() == {"step": 3}
    assert sorted(path.name for path in resume.directory.iterdir()) == ["key", "state.pt", "state.sha256"]


def nan_in_one_process(folder: Path) -> None:
    distributed.init_process_group("gloo")
    rank = distributed.get_rank()

    def step(i: int) -> dict[str, torch.Tensor]:
        return {"loss": torch.tensor(float("nan") if i == 7 and rank == 1 else 1.0)}

    resume = Resume(folder / "out", Provenance(), [], alone=rank == 0)
    try:
        train("train it", step, 20, {}, resume, 0, lambda i: np.array([i, i + 1]), window=5)
    except NonFiniteLossError:
        (folder / f"told{rank}").touch()
        distributed.barrier()  # the launcher ends the others when one fails: here each is to find it out itself
        raise


def test_a_loss_that_is_not_finite_in_one_process_ends_both(tmp_path):
    (tmp_path / "out.resume").mkdir()
    Resume(tmp_path / "out", Provenance(), []).save({"step": 5, "history": [{"step": 5, "loss": 1.0}], "rows": []})
    with pytest.raises(NonFiniteLossError) as caught:
        launch(2, nan_in_one_process, tmp_path)
    message = str(caught.value)
    assert "not finite at step 7" in message and "images [7, 8]" in message
    assert f"last good checkpoint: {tmp_path / 'out.resume'}" in message
    assert (tmp_path / "told0").exists() and (tmp_path / "told1").exists()
