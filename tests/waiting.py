"""Waiting for what another process does."""

import time
from collections.abc import Callable


def wait_for(reached: Callable[[], object], what: str, seconds: float = 120) -> None:
    """Until `reached()` is true. Raises TimeoutError."""
    end = time.monotonic() + seconds
    while not reached():
        if time.monotonic() > end:
            raise TimeoutError(f"no {what} within {seconds:.0f} s")
        time.sleep(0.1)
