"""The retry schedule: when to try again, start the fallback and notify a person.

The schedule is pure: time and jitter are passed in. Times are microseconds, except where a name or docstring says
seconds. `waited` counts from the creation of the delivery.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TypeVar

import structlog

from reports.escalation import ESCALATION_TIMES, Priority
from reports.store.engine.database import DatabaseUnavailable
from runtime.time_units import DAY, HOUR, MINUTE, SECOND

PARK_AFTER = 14 * DAY
MAX_REFUSALS = 3  # all attempts are made within a minute
MAX_REFUSAL_DELAY = 20 * SECOND


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """The times after which deliveries of one priority are retried, get a fallback, and are reported to a person."""

    first_delays: tuple[int, ...]  # delay after the 1st, 2nd, … failed attempt
    same_day_delay: int  # delay after each further attempt on the first day
    later_delay: int  # the same, from the second day on
    jitter: float  # fraction of the delay, added or subtracted
    fallback_after: int  # time without a receipt until the next hotline gets the report too
    notify_after: int  # time without a receipt until a person is notified
    notify_interval: int  # interval of further notifications
    max_retry_after: int  # the longest Retry-After that is respected


POLICIES: Mapping[Priority, RetryPolicy] = {
    Priority.P1: RetryPolicy(
        first_delays=(5 * SECOND, 15 * SECOND, 30 * SECOND, 60 * SECOND),
        same_day_delay=60 * SECOND,
        later_delay=60 * SECOND,
        jitter=0.1,
        fallback_after=ESCALATION_TIMES[Priority.P1].fallback,
        notify_after=ESCALATION_TIMES[Priority.P1].received,
        notify_interval=15 * MINUTE,
        max_retry_after=60 * SECOND,
    ),
    Priority.P2: RetryPolicy(
        first_delays=(5 * SECOND, 30 * SECOND, 2 * MINUTE, 5 * MINUTE),
        same_day_delay=5 * MINUTE,
        later_delay=15 * MINUTE,
        jitter=0.2,
        fallback_after=ESCALATION_TIMES[Priority.P2].fallback,
        notify_after=ESCALATION_TIMES[Priority.P2].received,
        notify_interval=2 * HOUR,
        max_retry_after=HOUR,
    ),
    Priority.P3: RetryPolicy(
        first_delays=(30 * SECOND, 2 * MINUTE, 10 * MINUTE, 30 * MINUTE),
        same_day_delay=HOUR,
        later_delay=HOUR,
        jitter=0.2,
        fallback_after=ESCALATION_TIMES[Priority.P3].fallback,
        notify_after=ESCALATION_TIMES[Priority.P3].received,
        notify_interval=DAY,
        max_retry_after=HOUR,
    ),
    Priority.P4: RetryPolicy(
        first_delays=(MINUTE, 10 * MINUTE, 30 * MINUTE, HOUR),
        same_day_delay=2 * HOUR,
        later_delay=2 * HOUR,
        jitter=0.2,
        fallback_after=ESCALATION_TIMES[Priority.P4].fallback,
        notify_after=ESCALATION_TIMES[Priority.P4].received,
        notify_interval=DAY,
        max_retry_after=HOUR,
    ),
}


def delay_after_failure(
    priority: Priority, attempt: int, waited: int, chance: float, retry_after: int | None = None
) -> int:
    """Return the delay after the `attempt`-th failed attempt (1, 2, …).

    `chance`: jitter in [-1, 1]. `retry_after`: seconds.
    """
    policy = POLICIES[priority]
    usual = policy.later_delay if waited >= DAY else policy.same_day_delay
    delay = policy.first_delays[attempt - 1] if attempt <= len(policy.first_delays) else usual
    delay += round(delay * policy.jitter * chance)
    if retry_after is None:
        return delay
    return max(delay, min(retry_after * SECOND, policy.max_retry_after))


def delay_after_own_fault(priority: Priority) -> int:
    """Return the delay after a fault of this worker: the longest of this priority, at most an hour."""
    return POLICIES[priority].max_retry_after


def delay_after_refusal(priority: Priority, attempt: int, chance: float) -> int:
    """Return the delay before the next attempt after a refusal: all of them are made within a minute."""
    return min(delay_after_failure(priority, attempt, 0, chance), MAX_REFUSAL_DELAY)


def is_fallback_due(priority: Priority, waited: int) -> bool:
    """Return whether the next hotline gets the report too."""
    return waited >= POLICIES[priority].fallback_after


def parse_retry_after(value: str | None, now: int) -> int | None:
    """Return the seconds of a Retry-After header, in seconds or as a date; None if it is missing or not valid.

    `now`: Unix time in microseconds.
    """
    text = (value or "").strip()
    if text.isascii() and text.isdigit():
        return int(text) if len(text) <= 9 else 999_999_999  # int() raises on thousands of digits
    moment = parse_http_date(text)
    return None if moment is None else max(0, moment - now // SECOND)


def parse_http_date(text: str) -> int | None:
    """Return the Unix time in seconds of a date of HTTP; None if it is not valid. Without a zone it is UTC."""
    try:
        moment: datetime = parsedate_to_datetime(text)
        return int(moment.replace(tzinfo=moment.tzinfo or UTC).astimezone(UTC).timestamp())
    except (TypeError, ValueError, IndexError, OverflowError):
        return None


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
