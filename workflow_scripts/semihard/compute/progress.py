"""Progress of long work: a bar with rate and time left on a terminal, a plain line now and then in a log."""

import logging
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

from tqdm import tqdm

log = logging.getLogger("semihard")
SECONDS_BETWEEN_LINES = 15.0


class Advance(Protocol):
    def __call__(self, n: int = 1, said: str = "") -> None:
        """`n` more are done; said: what is told beside rate and time left."""
        ...


@contextmanager
def progress(what: str, total: int, unit: str, initial: int = 0) -> Iterator[Advance]:
    """Yields `advance(n, said)`. `initial` is what an earlier attempt had done already: it counts as done, not as rate."""
    terminal = sys.stderr.isatty() and os.environ.get("RANK", "0") == "0"  # one bar for all processes
    start = last = time.monotonic()
    done = initial
    with tqdm(total=total, initial=initial, desc=what, unit=unit, disable=not terminal, dynamic_ncols=True) as bar:

        def advance(n: int = 1, said: str = "") -> None:
            nonlocal done, last
            done += n
            if said and terminal:
                bar.set_postfix_str(said, refresh=False)
            bar.update(n)
            now = time.monotonic()
            if not terminal and now - last >= SECONDS_BETWEEN_LINES:
                last = now
                rate = (done - initial) / (now - start)
                log.info(
                    "%s: %d of %d %s, %.1f %s/s, %.0f s left%s",
                    what,
                    done,
                    total,
                    unit,
                    rate,
                    unit,
                    (total - done) / rate,
                    f", {said}" if said else "",
                )

        yield advance
    log.info("%s: %d %s in %.1f s", what, done, unit, time.monotonic() - start)


def duration(seconds: float) -> str:
    """Seconds in words."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
