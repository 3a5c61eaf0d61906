"""Embedding a face set, SIGKILL and a full disk: wherever they strike, the next run ends with the same bytes.

One process imports and prepares all there is, then forks a child per run; a child kills itself at its n-th step on the
way: before or after a block of the network, a write, a rename, a removal. A full disk is a limit on the size of a file,
which cuts a block in the middle.
"""

import os
import sys
from pathlib import Path

import numpy as np

from tests.unit.killing import attempt, output_of, strike_everywhere

MOMENTS = 20
LIMITS = (0.1, 0.5, 0.99)  # of the embeddings' size
IMAGES, BLOCK, SIDE = 60, 8, 16


def test_neither_sigkill_nor_a_full_disk_changes_a_byte(tmp_path):
    resumed = np.array([line.split() for line in output_of(__file__, tmp_path)], int)
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

    inputs = folder.parent

    def work() -> None:
        FaceSet.blocks = lambda self: (slice(i, min(i + BLOCK, len(self))) for i in range(0, len(self), BLOCK))
        embed_faces(inputs / "faces.h5", inputs / "model.safetensors", folder / "embeddings.h5")

    places = [(Embedder, "embed"), (h5py.Dataset, "__setitem__"), (h5py.Group, "create_dataset")]
    places += [(os, name) for name in ("fsync", "replace", "rename", "unlink", "rmdir")]
    return attempt(work, inputs / "steps", places, moment, limit)


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
