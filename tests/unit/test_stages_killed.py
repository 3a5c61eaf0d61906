"""Import of faces and verification, SIGKILL and a full disk: wherever they strike, the next run ends with the same bytes.

One process imports and prepares all there is, then forks a child per run; a child kills itself at its n-th step on the
way: before or after a photograph is read, a block of the network, a write, a rename, a removal.
"""

import functools
import os
import shutil
import sys
from pathlib import Path

import pytest

from tests.unit.killing import attempt, output_of, strike_everywhere

MOMENTS = 20
STAGES = ["import_faces", "verify"]
LIMITS = (0.3, 0.6, 0.99)  # of the output's size
PEOPLE, EACH = 6, 4


@pytest.mark.parametrize("stage", STAGES)
def test_neither_sigkill_nor_a_full_disk_changes_a_byte(tmp_path, stage):
    assert output_of(__file__, tmp_path, stage) == ["same"] * (MOMENTS + len(LIMITS))


def import_photographs(folder: Path) -> None:
    from semihard.sources.importing import import_faces
    from semihard.sources.settings import FolderFaces
    from semihard.storage.provenance import Provenance

    settings = FolderFaces(source="folder", path=str(folder.parent / "photos"), align="none")
    import_faces(settings, folder / "output.h5", Provenance("import_faces"))


def verify(folder: Path) -> None:
    from semihard.storage.faceset import FaceSet
    from semihard.verification.model import verify_faces

    FaceSet.blocks = lambda self: (slice(i, i + EACH) for i in range(0, len(self), EACH))
    inputs = [folder.parent / name for name in ("faces.h5", "pairs.h5", "model.safetensors")]
    verify_faces(*inputs, folder / "output.h5")


def prepare(folder: Path) -> None:
    """Photographs and a benchmark of toy faces."""
    import numpy as np
    from PIL import Image

    from semihard.storage import schemas
    from semihard.storage.artifacts import write_artifact
    from tests.unit.toy_generator import toy_embedder, toy_faces, toy_images

    for number, pixels in enumerate(toy_images(PEOPLE * EACH)):
        path = folder / "photos" / f"person{number // EACH}" / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(path)
    toy_faces(folder / "faces.h5", PEOPLE, EACH)
    toy_embedder(folder / "model.safetensors")
    random = np.random.default_rng(0)
    first, second = random.integers(0, PEOPLE * EACH, (2, 2000))
    pairs = {"first": first, "second": second, "same": first // EACH == second // EACH, "fold": np.arange(2000) % 2}
    write_artifact(folder / "pairs.h5", schemas.BENCHMARK, pairs)


def main(folder: Path, stage: str) -> None:
    import h5py
    import torch

    from semihard.recognizer import model_file  # noqa: F401 (what a fork would import again and again)
    from semihard.similarity.embedders import Embedder
    from semihard.storage import faceset

    torch.set_num_threads(1)  # a forked child must not wait for threads that stayed behind
    prepare(folder)
    work = {"import_faces": import_photographs, "verify": verify}[stage]
    places = [(Embedder, "embed"), (faceset.FaceSetWriter, "add"), (h5py.Dataset, "__setitem__")]
    places += [(h5py.Group, "create_dataset"), (h5py.AttributeManager, "__setitem__")]
    places += [(os, name) for name in ("replace", "rename", "unlink", "rmdir")]

    def run(made: Path, moment: int | None = None, limit: int | None = None) -> tuple[bool, int]:
        return attempt(functools.partial(work, made), folder / "steps", places, moment, limit)

    _, steps = run(folder / "whole")
    whole = (folder / "whole/output.h5").read_bytes()

    def resumed(made: Path) -> None:
        if (made / "output.h5").exists() and (made / "output.h5").read_bytes() != whole:
            raise SystemExit(f"{made.name}: half a file under its name")
        run(made)
        print("same" if (made / "output.h5").read_bytes() == whole else f"{made.name} differs")
        shutil.rmtree(made)

    limits = {share: int(share * len(whole)) for share in LIMITS}
    strike_everywhere(run, resumed, folder, steps, MOMENTS, limits)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
