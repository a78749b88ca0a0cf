"""Poll for a condition instead of sleeping for a fixed time."""

from __future__ import annotations

import time
from collections.abc import Callable


def until(true: Callable[[], bool], otherwise: str, seconds: float = 60) -> None:
    """Return as soon as `true()` holds; fail the test with `otherwise` if it does not hold after `seconds`."""
    end = time.monotonic() + seconds
    while not true():
        if time.monotonic() > end:
            raise AssertionError(otherwise)
        time.sleep(0.01)
