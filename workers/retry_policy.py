"""The retry schedule: when to try again, start the fallback and notify a person.

The schedule is pure: time and jitter are passed in. Times are microseconds, except where a name or docstring says
seconds. `waited` counts from the creation of the delivery.
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

from reports.escalation import ESCALATION_TIMES, Priority
from reports.store.engine.database import DatabaseUnavailable
from runtime.time_units import DAY, HOUR, MINUTE, SECOND

PARK_AFTER = 14 * DAY
MAX_REFUSALS = 3  # all within a minute
MAX_REFUSAL_DELAY = 20 * SECOND


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """When deliveries of one priority are retried, get a fallback and are reported to a person."""

    first: tuple[int, ...]  # delay after the 1st, 2nd, … failed attempt
    then: int  # delay after each further attempt on the first day
    later: int  # the same, from the second day on
    jitter: float  # fraction of the delay, added or subtracted
    fallback: int  # without a receipt for so long: the next hotline gets the report too
    tell: int  # without a receipt for so long: a person is notified
    again: int  # interval of further notifications
    heed: int  # the longest Retry-After that is respected


POLICIES: Mapping[Priority, RetryPolicy] = {
    Priority.P1: RetryPolicy(
        first=(5 * SECOND, 15 * SECOND, 30 * SECOND, 60 * SECOND),
        then=60 * SECOND,
        later=60 * SECOND,
        jitter=0.1,
        fallback=ESCALATION_TIMES[Priority.P1].fallback,
        tell=ESCALATION_TIMES[Priority.P1].received,
        again=15 * MINUTE,
        heed=60 * SECOND,
    ),
    Priority.P2: RetryPolicy(
        first=(5 * SECOND, 30 * SECOND, 2 * MINUTE, 5 * MINUTE),
        then=5 * MINUTE,
        later=15 * MINUTE,
        jitter=0.2,
        fallback=ESCALATION_TIMES[Priority.P2].fallback,
        tell=ESCALATION_TIMES[Priority.P2].received,
        again=2 * HOUR,
        heed=HOUR,
    ),
    Priority.P3: RetryPolicy(
        first=(30 * SECOND, 2 * MINUTE, 10 * MINUTE, 30 * MINUTE),
        then=HOUR,
        later=HOUR,
        jitter=0.2,
        fallback=ESCALATION_TIMES[Priority.P3].fallback,
        tell=ESCALATION_TIMES[Priority.P3].received,
        again=DAY,
        heed=HOUR,
    ),
    Priority.P4: RetryPolicy(
        first=(MINUTE, 10 * MINUTE, 30 * MINUTE, HOUR),
        then=2 * HOUR,
        later=2 * HOUR,
        jitter=0.2,
        fallback=ESCALATION_TIMES[Priority.P4].fallback,
        tell=ESCALATION_TIMES[Priority.P4].received,
        again=DAY,
        heed=HOUR,
    ),
}


def delay_after_failure(
    priority: Priority, attempt: int, waited: int, chance: float, retry_after: int | None = None
) -> int:
    """Return the delay after the `attempt`-th failed attempt (1, 2, …).

    `chance`: jitter in [-1, 1]. `retry_after`: seconds.
    """
    policy = POLICIES[priority]
    usual = policy.later if waited >= DAY else policy.then
    delay = policy.first[attempt - 1] if attempt <= len(policy.first) else usual
    delay += round(delay * policy.jitter * chance)
    if retry_after is None:
        return delay
    return max(delay, min(retry_after * SECOND, policy.heed))


def delay_after_own_fault(priority: Priority) -> int:
    """Return the delay after a fault of this worker: the longest of this priority, at most an hour."""
    return POLICIES[priority].heed


def delay_after_refusal(priority: Priority, attempt: int, chance: float) -> int:
    """Return the delay before the next attempt after a refusal: all of them are made within a minute."""
    return min(delay_after_failure(priority, attempt, 0, chance), MAX_REFUSAL_DELAY)


def is_fallback_due(priority: Priority, waited: int) -> bool:
    """Return whether the next hotline gets the report too."""
    return waited >= POLICIES[priority].fallback


def parse_retry_after(value: str | None, now: int) -> int | None:
    """Return the seconds of a Retry-After header, in seconds or as a date; None if it is missing or not valid.

    `now`: Unix time in microseconds.
    """
    text = (value or "").strip()
    if text.isascii() and text.isdigit():
        return int(text) if len(text) <= 9 else 999_999_999  # int() raises on thousands of digits
    try:
        moment: datetime = parsedate_to_datetime(text)
    except (TypeError, ValueError, IndexError, OverflowError):
        return None
    return max(0, int(moment.timestamp()) - now // SECOND)


def random_jitter() -> float:
    """Return a random number in [-1, 1]."""
    return random.SystemRandom().uniform(-1, 1)


COMMIT_RETRIES, COMMIT_RETRY_SECONDS = 4, 1.0  # further attempts to commit, and the pause before each
COMMIT_RETRY_WINDOW = 5.0  # seconds; no attempt starts after this, so that a job ends within its 40 s

T = TypeVar("T")

log = structlog.get_logger()


def retry_commit(write: Callable[[], T], pause: Callable[[float], object]) -> T:
    """Commit the outcome of a call, and retry while the database is unavailable for a moment.

    An outcome that is not committed would be repeated when its lease expires. Until then the lease also holds one of
    the few concurrent calls that a hotline gets. Raises DatabaseUnavailable after the last attempt.
    """
    deadline = time.monotonic() + COMMIT_RETRY_WINDOW
    for _ in range(COMMIT_RETRIES):
        try:
            return write()
        except DatabaseUnavailable:
            if time.monotonic() > deadline:
                raise
            log.warning("database_unavailable")
            pause(COMMIT_RETRY_SECONDS)
    return write()
