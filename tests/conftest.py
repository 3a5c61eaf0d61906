"""What several tests share: small face sets, and the real faces where the machine has them."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

os.environ.setdefault(
    "GOMP_SPINCOUNT", "0"
)  # before torch: idle threads that spin slow small tensors down on a busy machine

import numpy as np
import pytest
import torch
from xdist.scheduler import LoadScopeScheduling

from semihard.storage.faceset import FaceSetWriter
from tests.warm_python import warm_python

signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored in what a script runs with &, and in its children

torch.set_num_threads(1 if "PYTEST_XDIST_WORKER" in os.environ else 2)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> LoadScopeScheduling | None:
    """With `--dist loadscope`, what shares a study that is run to its end runs in one process."""
    return ByStudy(config, log) if config.getvalue("dist") == "loadscope" else None


class ByStudy(LoadScopeScheduling):
    def _split_scope(self, nodeid: str) -> str:
        file = nodeid.split("::")[0]
        if file.startswith("tests/studies/"):
            return nodeid  # each is a study of its own
        return file.replace("test_reruns.py", "test_study.py")  # `finished`


@pytest.fixture(scope="session")
def real_faces() -> Path:
    """The folder of real faces named by SEMIHARD_FACES; the test is skipped where there is none."""
    folder = os.environ.get("SEMIHARD_FACES")
    if not folder:
        pytest.skip("SEMIHARD_FACES is not set: no real faces on this machine")
    return Path(folder)


@pytest.fixture(scope="session")
def warm(tmp_path_factory) -> Iterator[Path]:
    """A Python whose jobs need not import torch."""
    with warm_python(tmp_path_factory.mktemp("python")) as program:
        yield program


@pytest.fixture
def small_faceset(tmp_path: Path) -> Path:
    """40 images of 16 × 16 pixels, 8 identities of 5, in PNG, with columns similarity and source_key."""
    path = tmp_path / "small.h5"
    random = np.random.default_rng(0)
    with FaceSetWriter(path, (16, 16), "png") as writer:
        for k in range(8):
            base = random.integers(0, 256, (1, 16, 16, 3))
            images = np.clip(base + random.integers(-20, 21, (5, 16, 16, 3)), 0, 255).astype(np.uint8)
            keys = [f"{k}/{i}.png" for i in range(5)]
            writer.add(images, [f"person {k}"] * 5, {"similarity": random.random(5), "source_key": keys})
    return path
