"""When the next attempt is made, when the fallback starts, when a person is told. Pure: time and chance are passed in.

All times are microseconds. `waited` runs from the moment the delivery was made.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from email.utils import parsedate_to_datetime

from reports.escalation.policy import ESCALATION_TIMES
from runtime.time_units import DAY, HOUR, MINUTE, SECOND

PARK_AFTER = 14 * DAY
REFUSED_TRIES = 3  # within a minute
REFUSED_DELAY = 20 * SECOND


@dataclass(frozen=True, slots=True)
class Pace:
    """How one priority is tried, handed on and told."""

    first: tuple[int, ...]  # delay after the 1st, 2nd, … failed attempt
    then: int
    later: int  # `then` from the second day on
    jitter: float  # part of the delay, both ways
    fallback: int  # no receipt by then: the next hotline gets it too
    tell: int  # no receipt by then: a person is told
    again: int  # … and again
    heed: int  # the longest Retry-After that is heeded


PACES: Mapping[str, Pace] = {
    "P1": Pace(
        first=(5 * SECOND, 15 * SECOND, 30 * SECOND, 60 * SECOND),
        then=60 * SECOND,
        later=60 * SECOND,
        jitter=0.1,
        fallback=ESCALATION_TIMES["P1"].fallback,
        tell=ESCALATION_TIMES["P1"].received,
        again=15 * MINUTE,
        heed=60 * SECOND,
    ),
    "P2": Pace(
        first=(5 * SECOND, 30 * SECOND, 2 * MINUTE, 5 * MINUTE),
        then=5 * MINUTE,
        later=15 * MINUTE,
        jitter=0.2,
        fallback=ESCALATION_TIMES["P2"].fallback,
        tell=ESCALATION_TIMES["P2"].received,
        again=2 * HOUR,
        heed=HOUR,
    ),
    "P3": Pace(
        first=(30 * SECOND, 2 * MINUTE, 10 * MINUTE, 30 * MINUTE),
        then=HOUR,
        later=HOUR,
        jitter=0.2,
        fallback=ESCALATION_TIMES["P3"].fallback,
        tell=ESCALATION_TIMES["P3"].received,
        again=DAY,
        heed=HOUR,
    ),
    "P4": Pace(
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


def after_failure(priority: str, attempt: int, waited: int, chance: float, retry_after: int | None = None) -> int:
    """The delay after the `attempt`-th failed attempt (1, 2, …). `chance` is in [-1, 1]; `retry_after` in seconds."""
    pace = PACES[priority]
    usual = pace.later if waited >= DAY else pace.then
    delay = pace.first[attempt - 1] if attempt <= len(pace.first) else usual
    delay += round(delay * pace.jitter * chance)
    if retry_after is None:
        return delay
    return max(delay, min(retry_after * SECOND, pace.heed))


def after_poison(priority: str) -> int:
    """Return the delay after a fault of our own: the longest that this priority may wait, at most an hour."""
    return PACES[priority].heed


def after_refusal(priority: str, attempt: int, chance: float) -> int:
    """The delay before a refused parcel is tried again: all its tries are within a minute."""
    return min(after_failure(priority, attempt, 0, chance), REFUSED_DELAY)


def fallback_due(priority: str, waited: int) -> bool:
    return waited >= PACES[priority].fallback


def read_retry_after(value: str | None, now: int) -> int | None:
    """Seconds from a Retry-After header, given as seconds or as a date; None where it is missing or nonsense."""
    text = (value or "").strip()
    if text.isascii() and text.isdigit():
        return int(text) if len(text) <= 9 else 999_999_999  # int() raises on thousands of digits
    try:
        moment: datetime = parsedate_to_datetime(text)
    except (TypeError, ValueError, IndexError, OverflowError):
        return None
    return max(0, int(moment.timestamp()) - now // SECOND)
