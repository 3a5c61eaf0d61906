"""What several unit tests share."""

import logging
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from tests.unit.toy_people import write_people


@pytest.fixture(autouse=True)
def own_signals() -> Iterator[None]:
    """A job that runs in this process leaves its handlers, and ignores SIGTERM once it was told to stop: what is forked
    later would, too."""
    handlers = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    yield
    for number, handler in handlers.items():
        signal.signal(number, handler)


@pytest.fixture
def one_thread() -> Iterator[None]:
    """Networks as small as a test's only wait for each other's threads."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture
def own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """An empty folder to work in, and logging as before: a job that runs in this process adds its handlers."""
    monkeypatch.chdir(tmp_path)
    handlers = logging.getLogger().handlers[:]
    yield
    logging.getLogger().handlers[:] = handlers


@pytest.fixture
def people(tmp_path: Path) -> Path:
    """Eight people, ten images of each."""
    write_people(tmp_path / "people.h5", 8)
    return tmp_path / "people.h5"
