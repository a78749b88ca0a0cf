"""A reference implementation of the rules in Python, one report at a time, compared with the SQL query."""

from __future__ import annotations

from dataclasses import dataclass

from reports.retention import CLOSED, ERASED, LOCAL_COPY, NEVER_CLOSED, NOT_LIVE, RetentionPolicy
from runtime.time_units import DAY


@dataclass(frozen=True, slots=True)
class Facts:
    """The facts of one report. `given`: hotlines that have received it and have not rejected it."""

    mode: str
    country: str
    created_at: int
    happened_at: int  # the last event of any kind
    said_at: int  # the reporter's last message by My report; 0: none
    closed_at: int | None
    given: tuple[str, ...]
    waits: bool  # it needs a person, or a part is undelivered, parked, refused or not yet submitted
    held: bool
    erased: bool = False  # deleted by its reporter


def rule_for(facts: Facts, policy: RetentionPolicy, now: int) -> str | None:
    """Return the rule by which the report is purged now; None if it stays."""
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
