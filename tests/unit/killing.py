"""Kill a process at a moment of its own: between and inside the calls that compute, write and remove."""

import os
import random
import signal
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest


def terminate_at(call: int, patch: pytest.MonkeyPatch, owner: object, name: str) -> list[int]:
    """SIGTERM to this process when the function `name` of `owner` is called for the `call`-th time; returns a list that grows
    with every call."""
    calls, function = [], getattr(owner, name)

    def counting(*given, **further):
        calls.append(1)
        if len(calls) == call:
            os.kill(os.getpid(), signal.SIGTERM)
        return function(*given, **further)

    patch.setattr(owner, name, counting)
    return calls


def kill_at(moment: int | None, report: Path, places: Iterable[tuple[object, str]]) -> Callable[[], None]:
    """Count this process's moments in `report`, and kill it at number `moment`.

    places: (owner, name) of functions; there is a moment before and after every call of one. Returns what
    makes a further moment.
    """
    count = 0

    def step():
        nonlocal count
        count += 1
        report.write_bytes(b"%d" % count)
        if count == moment:
            os.kill(os.getpid(), signal.SIGKILL)

    def stepping(owner, name):
        function = getattr(owner, name)

        def around(*given, **further):
            step()
            result = function(*given, **further)
            step()
            return result

        setattr(owner, name, around)

    for owner, name in places:
        stepping(owner, name)
    return step


def strike_everywhere(
    run: Callable[..., tuple[bool, int]],
    resumed: Callable[[Path], None],
    folder: Path,
    steps: int,
    moments: int,
    limits: dict[float, int],
    least_kills: int,
) -> None:
    """Kill a job at `moments` moments of its `steps`, let disks fill up, and kill one job again and again.

    run(folder, moment, limit): one attempt, killed at `moment` or stopped by a file size limit; whether it came to its end,
    and at which step; resumed(folder): go on, and raise SystemExit unless all is as if nothing had happened; limits:
    file size limits in bytes by what to call them. Raises SystemExit where something went unnoticed.
    """
    for k in range(moments):
        ended, at = run(folder / f"killed{k}", moment=1 + k * (steps - 1) // (moments - 1))
        if ended:
            raise SystemExit(f"not killed at step {at} of {steps}")
        resumed(folder / f"killed{k}")
    for share, limit in limits.items():
        if run(folder / f"full{share}", limit=limit)[0]:
            raise SystemExit(f"a disk full at {share} of the output went unnoticed")
        resumed(folder / f"full{share}")
    drawn, kills = random.Random(0), 0  # one job, killed again and again
    while not run(folder / "often", moment=drawn.randint(steps // 6, steps // 2))[0]:
        kills += 1
    if kills < least_kills:
        raise SystemExit(f"only {kills} kills in {steps} steps")
    resumed(folder / "often")
