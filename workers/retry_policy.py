"""When the next attempt is made, when the fallback starts, when a person is told. Pure: time and chance are passed in.

All times are microseconds. `waited` runs from the moment the delivery was made.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import TypeVar

import structlog

from reports.escalation.policy import ESCALATION_TIMES
from reports.store.engine.database import DatabaseUnavailable
from runtime.time_units import DAY, HOUR, MINUTE, SECOND

PARK_AFTER = 14 * DAY
MAX_REFUSALS = 3  # within a minute
MAX_REFUSAL_DELAY = 20 * SECOND


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How one priority is tried, handed on and told."""

    first: tuple[int, ...]  # delay after the 1st, 2nd, … failed attempt
    then: int
    later: int  # `then` from the second day on
    jitter: float  # part of the delay, both ways
    fallback: int  # no receipt by then: the next hotline gets it too
    tell: int  # no receipt by then: a person is told
    again: int  # … and again
    heed: int  # the longest Retry-After that is heeded


POLICIES: Mapping[str, RetryPolicy] = {
    "P1": RetryPolicy(
        first=(5 * SECOND, 15 * SECOND, 30 * SECOND, 60 * SECOND),
        then=60 * SECOND,
        later=60 * SECOND,
        jitter=0.1,
        fallback=ESCALATION_TIMES["P1"].fallback,
        tell=ESCALATION_TIMES["P1"].received,
        again=15 * MINUTE,
        heed=60 * SECOND,
    ),
    "P2": RetryPolicy(
        first=(5 * SECOND, 30 * SECOND, 2 * MINUTE, 5 * MINUTE),
        then=5 * MINUTE,
        later=15 * MINUTE,
        jitter=0.2,
        fallback=ESCALATION_TIMES["P2"].fallback,
        tell=ESCALATION_TIMES["P2"].received,
        again=2 * HOUR,
        heed=HOUR,
    ),
    "P3": RetryPolicy(
        first=(30 * SECOND, 2 * MINUTE, 10 * MINUTE, 30 * MINUTE),
        then=HOUR,
        later=HOUR,
        jitter=0.2,
        fallback=ESCALATION_TIMES["P3"].fallback,
        tell=ESCALATION_TIMES["P3"].received,
        again=DAY,
        heed=HOUR,
    ),
    "P4": RetryPolicy(
        first=(MINUTE, 10 * MINUTE, 30 * MINUTE, HOUR),
        then=2 * HOUR,
        later=2 * HOUR,
        jitter=0.2,
        fallback=ESCALATION_TIMES["P4"].fallback,
        tell=ESCALATION_TIMES["P4"].received,
        again=DAY,
        heed=HOUR,
    ),
}


def delay_after_failure(priority: str, attempt: int, waited: int, chance: float, retry_after: int | None = None) -> int:
    """The delay after the `attempt`-th failed attempt (1, 2, …). `chance` is in [-1, 1]; `retry_after` in seconds."""
    pace = POLICIES[priority]
    usual = pace.later if waited >= DAY else pace.then
    delay = pace.first[attempt - 1] if attempt <= len(pace.first) else usual
    delay += round(delay * pace.jitter * chance)
    if retry_after is None:
        return delay
    return max(delay, min(retry_after * SECOND, pace.heed))


def delay_after_own_fault(priority: str) -> int:
    """Return the delay after a fault of our own: the longest that this priority may wait, at most an hour."""
    return POLICIES[priority].heed


def delay_after_refusal(priority: str, attempt: int, chance: float) -> int:
    """The delay before a refused parcel is tried again: all its tries are within a minute."""
    return min(delay_after_failure(priority, attempt, 0, chance), MAX_REFUSAL_DELAY)


def is_fallback_due(priority: str, waited: int) -> bool:
    return waited >= POLICIES[priority].fallback


def parse_retry_after(value: str | None, now: int) -> int | None:
    """Seconds from a Retry-After header, given as seconds or as a date; None where it is missing or nonsense."""
    text = (value or "").strip()
    if text.isascii() and text.isdigit():
        return int(text) if len(text) <= 9 else 999_999_999  # int() raises on thousands of digits
    try:
        moment: datetime = parsedate_to_datetime(text)
    except (TypeError, ValueError, IndexError, OverflowError):
        return None
    return max(0, int(moment.timestamp()) - now // SECOND)


# The chance that the delays of workers/retry_policy.py are passed.


def random_jitter() -> float:
    """In [-1, 1]."""
    return random.SystemRandom().uniform(-1, 1)


# What has happened outside is written down, though the database may be away for a moment.

COMMIT_RETRIES, COMMIT_RETRY_SECONDS = 4, 1.0  # tries more, and between two of them
COMMIT_RETRY_WINDOW = 5.0  # seconds; where each try takes long, no other is begun: all of a job ends within its 40 s

T = TypeVar("T")

log = structlog.get_logger()


def retry_commit(write: Callable[[], T], pause: Callable[[float], object]) -> T:
    """Not known to be marked, it would go again when its lease runs out, and until then it holds one of the few calls
    that a hotline gets at once. Raises DatabaseUnavailable.
    """
    until = time.monotonic() + COMMIT_RETRY_WINDOW
    for _ in range(COMMIT_RETRIES):
        try:
            return write()
        except DatabaseUnavailable:
            if time.monotonic() > until:
                raise
            log.warning("database_unavailable")
            pause(COMMIT_RETRY_SECONDS)
    return write()
