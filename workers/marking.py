"""What has happened outside is written down, though the database may be away for a moment."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

import structlog

from reports.store.engine.database import DatabaseUnavailable

MARKS, MARK_SECONDS = 4, 1.0  # tries more, and between two of them
WITHIN = 5.0  # seconds; where each try takes long, no other is begun: all of a job ends within its 40 s

T = TypeVar("T")

log = structlog.get_logger()


def mark(write: Callable[[], T], pause: Callable[[float], object]) -> T:
    """Not known to be marked, it would go again when its lease runs out, and until then it holds one of the few calls
    that a hotline gets at once. Raises DatabaseUnavailable.
    """
    until = time.monotonic() + WITHIN
    for _ in range(MARKS):
        try:
            return write()
        except DatabaseUnavailable:
            if time.monotonic() > until:
                raise
            log.warning("database_away")
            pause(MARK_SECONDS)
    return write()
