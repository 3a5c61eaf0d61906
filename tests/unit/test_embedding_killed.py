"""Embedding a face set, SIGKILL and a full disk: wherever they strike, the next run ends with the same bytes.

One process imports and prepares all there is, then forks a child per run; a child kills itself at its n-th step on the
way: before or after a block of the network, a write, a rename, a removal. A full disk is a limit on the size of a file,
which cuts a block in the middle.
"""

import os
import resource
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np

from tests.unit.killing import kill_at, strike_everywhere

ROOT = Path(__file__).parents[2]
MOMENTS = 7
LIMITS = (0.1, 0.5, 0.99)  # of the embeddings' size
IMAGES, BLOCK, SIDE = 60, 8, 16


def test_neither_sigkill_nor_a_full_disk_changes_a_byte(tmp_path):
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": f"{ROOT / 'workflow_scripts'}:{ROOT}"}
    command = [sys.executable, __file__, str(tmp_path)]
    done = subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    resumed = np.array([line.split() for line in done.stdout.splitlines()], int)
    assert len(resumed) == MOMENTS + len(LIMITS) + 1
    assert (
        resumed.min() == 0 and resumed.max() >= IMAGES // BLOCK
    )  # blocks found finished, from none to all but the last


def run(folder: Path, moment: int | None = None, limit: int | None = None) -> tuple[bool, int]:
    """Embed into `folder` in a child that is killed at step `moment`, or may write no file longer than `limit` bytes:
    whether it ended well, and how many steps it made."""
    import h5py

    from semihard.similarity.embedders import Embedder
    from semihard.similarity.embedding import embed_faces
    from semihard.storage.faceset import FaceSet

    report, inputs = folder.parent / "steps", folder.parent
    child = os.fork()
    if child == 0:
        FaceSet.blocks = lambda self: (slice(i, min(i + BLOCK, len(self))) for i in range(0, len(self), BLOCK))
        places = [(Embedder, "embed"), (h5py.Dataset, "__setitem__"), (h5py.Group, "create_dataset")]
        kill_at(moment, report, places + [(os, name) for name in ("fsync", "replace", "rename", "unlink", "rmdir")])
        if limit:
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
        embed_faces(inputs / "faces.h5", inputs / "model.safetensors", folder / "embeddings.h5")
        os._exit(0)
    status = os.waitpid(child, 0)[1]
    if moment is None and limit is None and status:
        raise SystemExit(f"a run that nobody killed ended with status {status}")
    return os.WIFEXITED(status) and os.WEXITSTATUS(status) == 0, int(report.read_bytes())


def main(folder: Path) -> None:
    import torch

    from semihard.recognizer.backbone import build_backbone
    from semihard.recognizer.model_file import EmbedderSpec, save_model
    from semihard.storage.faceset import FaceSetWriter

    torch.set_num_threads(1)  # a forked child must not wait for threads that stayed behind
    torch.manual_seed(0)
    save_model(
        folder / "model.safetensors", build_backbone("tiny", (SIDE, SIDE), 64), EmbedderSpec("tiny", (SIDE, SIDE), 64)
    )
    with FaceSetWriter(folder / "faces.h5", (SIDE, SIDE), "raw") as writer:
        images = np.random.default_rng(0).integers(0, 256, (IMAGES, SIDE, SIDE, 3), np.uint8)
        writer.add(images, ["somebody"] * IMAGES)
    _, steps = run(folder / "whole")
    whole = (folder / "whole" / "embeddings.h5").read_bytes()

    def resumed(made: Path) -> None:
        output, kept = made / "embeddings.h5", made / "embeddings.h5.resume" / "features"
        if output.exists() and output.read_bytes() != whole:
            raise SystemExit(f"{made.name}: half a file under its name")
        finished = kept.stat().st_size // (BLOCK * 64 * 4) if kept.exists() else 0
        run(made)
        if output.read_bytes() != whole or list(made.glob("*.resume")):
            raise SystemExit(f"{made.name} differs")
        print(finished)

    limits = {share: int(share * len(whole)) for share in LIMITS}
    strike_everywhere(run, resumed, folder, steps, MOMENTS, limits, least_kills=2)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
