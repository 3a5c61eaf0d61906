"""Kill a process at a moment of its own: between and inside the calls that compute, write and remove."""

import os
import random
import resource
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


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


def kill_at(
    moment: int | None, report: Path, places: Iterable[tuple[object, str]], number: int = signal.SIGKILL
) -> Callable[[], None]:
    """Count this process's moments in `report`, and send it the signal `number` at number `moment`.

    places: (owner, name) of functions; there is a moment before and after every call of one. Returns what
    makes a further moment.
    """
    count = 0

    def step():
        nonlocal count
        count += 1
        report.write_bytes(b"%d" % count)
        if count == moment:
            os.kill(os.getpid(), number)

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


def attempt(
    work: Callable[[], None],
    report: Path,
    places: Iterable[tuple[object, str]],
    moment: int | None = None,
    limit: int | None = None,
) -> tuple[bool, int]:
    """Do `work` in a fork that is killed at number `moment` of its moments (`kill_at`), or may write no file longer than
    `limit` bytes: whether it ended well, and how many moments it had."""
    child = os.fork()
    if child == 0:
        kill_at(moment, report, places)
        if limit:
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
        work()
        os._exit(0)
    status = os.waitpid(child, 0)[1]
    if moment is None and limit is None and status:
        raise SystemExit(f"a run that nobody killed ended with status {status}")
    return os.WIFEXITED(status) and os.WEXITSTATUS(status) == 0, int(report.read_bytes())


def output_of(file: str, *arguments: object, before: Sequence[str] = ()) -> list[str]:
    """The lines that the program `file` prints, a process of its own that imports once and then forks, by the command
    `before` where there is one. It must end well."""
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": f"{ROOT / 'workflow_scripts'}:{ROOT}"}
    command = [*before, sys.executable, file, *map(str, arguments)]
    done = subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, text=True, timeout=900)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def same_again(run: Callable[..., tuple[bool, int]], output: str, whole: bytes) -> Callable[[Path], None]:
    """What goes on where `run` was stopped, prints whether it made the same file `output`, and removes its folder. It raises
    SystemExit where half of the file was under its name."""

    def resumed(made: Path) -> None:
        file = made / output
        if file.exists() and file.read_bytes() != whole:
            raise SystemExit(f"{made.name}: half a file under its name")
        run(made)
        print("same" if file.read_bytes() == whole else f"{made.name} differs")
        shutil.rmtree(made)

    return resumed


def strike_everywhere(
    run: Callable[..., tuple[bool, int]],
    resumed: Callable[[Path], None],
    folder: Path,
    steps: int,
    moments: int,
    limits: dict[float, int],
    least_kills: int = 0,
) -> None:
    """Kill a job at `moments` moments of its `steps`, let disks fill up, and, where it gets further each time (`least_kills`),
    kill one job again and again.

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
    if not least_kills:
        return
    drawn, kills = random.Random(0), 0  # one job, killed again and again
    while not run(folder / "often", moment=drawn.randint(steps // 6, steps // 2))[0]:
        kills += 1
    if kills < least_kills:
        raise SystemExit(f"only {kills} kills in {steps} steps")
    resumed(folder / "often")
