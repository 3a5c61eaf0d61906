"""Progress of long work: a bar with rate and time left on a terminal, a plain line now and then in a log."""

import logging
import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from tqdm import tqdm

log = logging.getLogger("semihard")
SECONDS_BETWEEN_LINES = 15.0


@contextmanager
def progress(what: str, total: int, unit: str, initial: int = 0) -> Iterator[Callable[[int], None]]:
    """Yields `advance(n)`. `initial` is what an earlier attempt had done already: it counts as done, not as rate."""
    terminal = sys.stderr.isatty() and os.environ.get("RANK", "0") == "0"  # one bar for all processes
    start = last = time.monotonic()
    done = initial
    with tqdm(total=total, initial=initial, desc=what, unit=unit, disable=not terminal, dynamic_ncols=True) as bar:

        def advance(n: int = 1) -> None:
            nonlocal done, last
            done += n
            bar.update(n)
            now = time.monotonic()
            if not terminal and now - last >= SECONDS_BETWEEN_LINES:
                last = now
                rate = (done - initial) / (now - start)
                log.info(
                    "%s: %d of %d %s, %.1f %s/s, %.0f s left",
                    what,
                    done,
                    total,
                    unit,
                    rate,
                    unit,
                    (total - done) / rate,
                )

        yield advance
    log.info("%s: %d %s in %.1f s", what, done, unit, time.monotonic() - start)
