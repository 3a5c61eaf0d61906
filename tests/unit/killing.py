"""Kill a process at a moment of its own: between and inside the calls that compute, write and remove."""

import os
import signal
from collections.abc import Callable, Iterable
from pathlib import Path


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
