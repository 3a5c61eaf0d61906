"""Trainings and SIGKILL: wherever it strikes, and however often, the last run ends with the same bytes.

One process imports and prepares all there is, then forks a child per run; a child saves a checkpoint after every second step
and kills itself at its n-th moment: around a loss, half-way through the bytes of a checkpoint, around a rename or a removal.
"""

import functools
import itertools
import os
import random
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.unit.killing import kill_at, output_of

KILLS = 20
STEPS, WINDOW = 6, 2
TRAININGS = ["generator", "recognizer"]


@pytest.mark.parametrize("what", TRAININGS)
def test_twenty_kills_change_no_byte(tmp_path, what):
    kills, resumed = np.array([line.split() for line in output_of(__file__, tmp_path, what)], int).T
    assert sum(kills) >= KILLS and max(kills) > 1 and sum(resumed) > 0


def kill_in_training(moment: int | None, report: Path) -> None:
    """Kill this process at number `moment` of its moments, half-way through the bytes of a checkpoint among them."""
    import io

    import torch

    from semihard.generator.methods.cemiface.objective import CemiFaceObjective
    from semihard.recognizer.training import Recognition

    places = [(os, name) for name in ("replace", "rename", "unlink", "rmdir")]
    step = kill_at(moment, report, [(CemiFaceObjective, "losses"), (Recognition, "forward"), *places])
    save = torch.save

    def save_in_halves(state, file):
        whole = io.BytesIO()
        save(state, whole)
        half = whole.tell() // 2
        file.write(whole.getvalue()[:half])
        file.flush()
        step()
        file.write(whole.getvalue()[half:])

    torch.save = save_in_halves


def train(what: str, folder: Path, inputs: Path) -> None:
    """Six steps in three epochs, the second of which is kept."""
    from semihard.compute.training_run import TrainingFiles
    from semihard.generator import training as of_generators
    from semihard.generator.methods.cemiface.settings import CemiFaceGenerator
    from semihard.recognizer import training as of_recognizers
    from semihard.recognizer.settings import Recognizer
    from semihard.storage.provenance import Provenance

    files = TrainingFiles(folder / "model.safetensors", folder / "history.h5", folder / "epochs")
    given = {"image_size": 16, "batch": 2, "epochs": STEPS / 2, "precision": "fp32", "keep_every": 2, "compile": False}
    if what == "generator":
        settings = CemiFaceGenerator(trained_on="f", embedder="e", network="tiny", learning_rate=1e-3, **given)
        of_generators.train_generator(
            settings, inputs / "faces.h5", files, Provenance(), inputs / "embedder.safetensors"
        )
    else:
        settings = Recognizer(backbone="tiny", embedding_dim=8, milestones=(), **given | {"epochs": STEPS // 2})
        of_recognizers.train_recognizer(settings, inputs / "faces.h5", files, 0, Provenance())


def run(what: str, folder: Path, moment: int | None = None) -> tuple[bool, int]:
    """Train into `folder` in a child that is killed at its moment number `moment`: whether it ended well, and its moments."""
    from semihard.compute import engine, training_run

    folder.mkdir(exist_ok=True)
    report = folder.parent / "moments"
    child = os.fork()
    if child == 0:
        kill_in_training(moment, report)
        engine.SECONDS_BETWEEN_CHECKPOINTS = 0.0
        training_run.train = functools.partial(engine.train, window=WINDOW)
        train(what, folder, folder.parent)
        os._exit(0)
    status = os.waitpid(child, 0)[1]
    if status and (moment is None or not os.WIFSIGNALED(status)):
        raise SystemExit(f"a run ended with status {status}")
    return status == 0, int(report.read_bytes())


def main(folder: Path, what: str) -> None:
    """Print, for one training after another, how often it was killed before it came to the right end, and whether its
    last run went on from a checkpoint."""
    import torch

    from semihard.generator import training as of_generators  # noqa: F401 (what every fork would import again)
    from semihard.recognizer import training as of_recognizers  # noqa: F401
    from tests.unit.toy_generator import toy_embedder, toy_faces

    torch.set_num_threads(1)  # a forked child must not wait for threads that stayed behind
    toy_faces(folder / "faces.h5", 4, 1)
    toy_embedder(folder / "embedder.safetensors")
    _, moments = run(what, folder / "whole")
    files = [path for path in (folder / "whole").rglob("*") if path.is_file()]
    whole = {str(path.relative_to(folder / "whole")): path.read_bytes() for path in files}
    kept = {f"epochs/epoch{epoch:04}.safetensors" for epoch in range(2, STEPS // 2 + 1, 2)}
    if set(whole) != {"model.safetensors", "history.h5"} | kept:
        raise SystemExit(f"left beside the outputs: {sorted(whole)}")

    drawn, total = random.Random(0), 0
    strikes = iter(lambda: drawn.randint(1, 2 * moments // 3), None)
    while total < KILLS:
        made, kills, resumed = folder / f"killed{total}", 0, False
        near_end = [moments - drawn.randint(1, 8)] if total else []  # around the outputs and the checkpoint's removal
        for moment in itertools.chain(near_end, strikes):
            resumed = (made / "model.safetensors.resume" / "state.pt").exists()
            if run(what, made, moment)[0]:
                break
            kills += 1
            for name, content in whole.items():
                if (made / name).exists() and (made / name).read_bytes() != content:
                    raise SystemExit(f"half of {name} under its name after {kills} kills")
        if differing := [name for name, content in whole.items() if (made / name).read_bytes() != content]:
            raise SystemExit(f"{differing} differ after {kills} kills")
        shutil.rmtree(made)
        print(kills, int(resumed))
        total += kills


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
