"""The rules again, in Python, one report at a time: compared with what SQL finds due."""

from __future__ import annotations

from dataclasses import dataclass

from reports.retention import CLOSED, ERASED, LOCAL_COPY, NEVER_CLOSED, NOT_LIVE, RetentionPolicy
from runtime.time_units import DAY


@dataclass(frozen=True, slots=True)
class Facts:
    """Of one report. `given`: hotlines that have got it and have not handed it back."""

    mode: str
    country: str
    created_at: int
    happened_at: int  # the last thing of any kind
    said_at: int  # what the reporter last wrote by My report; 0: nothing
    closed_at: int | None
    given: tuple[str, ...]
    waits: bool  # something of it is undelivered, parked, refused, not filed yet, or it needs a person
    held: bool
    erased: bool = False  # its reporter has deleted it


def rule_for(facts: Facts, policy: RetentionPolicy, now: int) -> str | None:
    """By which rule the report goes now; None where it stays."""
    if facts.waits or facts.held:
        return None
    if facts.erased:
        return ERASED.name
    if facts.mode != "live":
        return _if(NOT_LIVE.name, facts.created_at + NOT_LIVE.days * DAY <= now)
    periods = policy.of(facts.country)
    if facts.closed_at is None:
        return _if(NEVER_CLOSED.name, facts.happened_at + periods.silent_days * DAY <= now)
    days = max((_days(policy, one, periods.closed_days) for one in facts.given), default=periods.closed_days)
    name = CLOSED.name if days == periods.closed_days else LOCAL_COPY.name
    return _if(name, max(facts.closed_at, facts.said_at) + days * DAY <= now)


def _days(policy: RetentionPolicy, hotline: str, closed: int) -> int:
    if hotline in policy.here:
        return policy.here[hotline]
    return closed if policy.elsewhere is None or hotline in policy.elsewhere else max(LOCAL_COPY.days, closed)


def _if(name: str, holds: bool) -> str | None:
    return name if holds else None
