"""Waiting for something that will be true, looked at often, instead of sleeping and hoping."""

from __future__ import annotations

import time
from collections.abc import Callable


def until(true: Callable[[], bool], otherwise: str, seconds: float = 60) -> None:
    """Returns as soon as `true()` holds; fails the test with `otherwise` when it still does not after `seconds`."""
    end = time.monotonic() + seconds
    while not true():
        if time.monotonic() > end:
            raise AssertionError(otherwise)
        time.sleep(0.01)
