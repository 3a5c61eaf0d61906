"""Import of faces and verification, SIGKILL and a full disk: wherever they strike, the next run ends with the same bytes.

One process imports and prepares all there is, then forks a child per run; a child kills itself at its n-th step on the
way: before or after a photograph is read, a block of the network, a write, a rename, a removal.
"""

import functools
import sys
from pathlib import Path

import pytest

from tests.unit.killing import attempt, output_of, same_again, strike_everywhere

MOMENTS = 20
LIMITS = (0.3, 0.6, 0.99)  # of the output's size


@pytest.mark.parametrize("stage", ["import of faces", "verification"])
def test_neither_sigkill_nor_a_full_disk_changes_a_byte(tmp_path, stage):
    assert output_of(__file__, tmp_path, stage) == ["same"] * (MOMENTS + len(LIMITS))


def main(folder: Path, name: str) -> None:
    from tests.unit import toy_stages

    toy_stages.prepare(folder / "inputs")
    stage = toy_stages.STAGES[name]

    def run(made: Path, moment: int | None = None, limit: int | None = None) -> tuple[bool, int]:
        work = functools.partial(stage.run, folder / "inputs", made)
        return attempt(work, folder / "steps", stage.places, moment, limit)

    _, steps = run(folder / "whole")
    whole = (folder / "whole" / stage.output).read_bytes()
    limits = {share: int(share * len(whole)) for share in LIMITS}
    strike_everywhere(run, same_again(run, stage.output, whole), folder, steps, MOMENTS, limits)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
