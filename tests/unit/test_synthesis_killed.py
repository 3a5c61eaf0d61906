"""Synthesis, SIGKILL and a full disk: wherever they strike, the next run ends with the same bytes.

One process imports and prepares all there is, then forks a child per run; a child kills itself at its n-th step on the
way: before or after a call of the network, a write, a rename, a removal. A full disk is a limit on the size of a file:
the HDF5 library meets a real failure of a write, and may take the process down with it.
"""

import os
import sys
from pathlib import Path

from tests.unit.killing import attempt, output_of, same_again, strike_everywhere

MOMENTS = 20
LIMITS = (0.05, 0.4, 0.8, 0.99)  # of the shard's size


def test_neither_sigkill_nor_a_full_disk_changes_a_byte(tmp_path):
    assert output_of(__file__, tmp_path) == ["same"] * (MOMENTS + 1 + len(LIMITS))


def places() -> list[tuple[object, str]]:
    """Where this process may be killed."""
    import h5py

    from semihard.generator.methods.cemiface.network import SimilarityUNet

    writes = [(SimilarityUNet, "predict"), (h5py.Dataset, "__setitem__"), (h5py.Group, "create_dataset")]
    return writes + [(os, name) for name in ("replace", "rename", "unlink", "rmdir")]


def run(folder: Path, moment: int | None = None, limit: int | None = None) -> tuple[bool, int]:
    """Synthesize into `folder` in a child that is killed at step `moment`, or may write no file longer than `limit` bytes:
    whether it ended well, and how many steps it made."""
    from semihard.generator.sampling import synthesize
    from semihard.generator.settings import SyntheticFaces
    from semihard.storage.provenance import Provenance

    folder.mkdir(exist_ok=True)
    inputs = folder.parent
    given = {"identities": 3, "per_identity": 2, "batch": 2, "steps": 2, "codec": "png", "precision": "fp32"}
    settings = SyntheticFaces(source="synthesis", generator="g", inquiries="i", **given)
    paths = [inputs / name for name in ("embedder.safetensors", "inquiries.h5")]

    def work() -> None:
        synthesize(settings, 0, inputs / "generator.safetensors", folder / "shard.h5", Provenance(), *paths)

    return attempt(work, inputs / "steps", places(), moment, limit)


def main(folder: Path) -> None:
    import torch

    from tests.unit.toy_generator import toy_embedder, toy_generator, toy_inquiries

    torch.set_num_threads(1)  # a forked child must not wait for threads that stayed behind
    embedder = toy_embedder(folder / "embedder.safetensors")
    toy_generator(folder / "generator.safetensors", embedder)
    toy_inquiries(folder / "inquiries.h5", 3)
    _, steps = run(folder / "whole")
    whole = (folder / "whole" / "shard.h5").read_bytes()
    limits = {share: int(share * len(whole)) for share in LIMITS}
    strike_everywhere(run, same_again(run, "shard.h5", whole), folder, steps, MOMENTS, limits, least_kills=3)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
