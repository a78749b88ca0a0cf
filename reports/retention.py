"""Retention periods: how long each kind of data is stored, and why.

`reports/store/operations/retention.py` has the same rules in SQL; a test compares it with Python.

Data that is undelivered, parked or waits for a person is never purged, in any mode; nor is a report under a legal hold.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from pydantic import Field
from pydantic.dataclasses import dataclass as checked

WARN_DAYS: Final = 30  # days before the purge of a report that nobody closed: the operator is notified
HOLD_WARN_DAYS: Final = 14  # days before a legal hold ends: the operator is notified
MAX_HOLD_DAYS: Final = 731
LOCAL_KINDS: Final = frozenset({"console", "email", "sms_alert"})  # kinds whose staff read the copy stored here


class RetentionRule(NamedTuple):
    """One rule, in the words that the documentation prints.

    `data`: the data that is purged, `days` days after the event `counted_from`; `reason`: the reason.
    """

    name: str
    data: str
    days: int
    counted_from: str
    reason: str


ERASED = RetentionRule(
    "erased",
    "a report that its reporter deleted under My report: everything",
    0,
    "the last of its deliveries ended, including the deletion request",
    "the reporter wants it gone; a hotline that has its own copy decides by its law",
)
CLOSED = RetentionRule(
    "closed",
    "a report that was closed: bodies, answers, additions, mailbox, code and PIN",
    90,
    "it was closed, or the reporter last wrote",
    "the hotline has its own copy; the reporter can still read the answer and write again for a while",
)
LOCAL_COPY = RetentionRule(
    "here",
    "the same, if the hotline's staff read here and this is the only copy (kinds console, email, sms_alert)",
    365,
    "it was closed, or the reporter last wrote",
    "the hotline's own rule for its files: `retention_days` of its partner card, else this period",
)
NEVER_CLOSED = RetentionRule(
    "silent",
    "a report that nobody ever closed",
    400,
    "its last event",
    "somebody has over a year to close it; the operator is notified 30 days before",
)
NOT_LIVE = RetentionRule("rehearsed", "training and demo, everything", 7, "it was created", "no real child is in it")
RECEIPT = RetentionRule(
    "receipt",
    "the receipt of a delivery by a hotline: ids, times, status, SHA-256",
    400,
    "the delivery, and at least until the report is purged",
    "evidence if a hotline says that it never got the report",
)
AUDIT = RetentionRule(
    "audit", "a line of the audit", 1095, "it was written", "three years in which misconduct may be discovered"
)
RETENTION_RULES: Final = (ERASED, CLOSED, LOCAL_COPY, NEVER_CLOSED, NOT_LIVE, RECEIPT, AUDIT)


@checked(frozen=True, slots=True, kw_only=True, config={"extra": "forbid"})
class RetentionPeriods:
    """A country's own retention periods, where its law differs from `RETENTION_RULES`. `law` names that law."""

    closed_days: int = Field(default=CLOSED.days, ge=1, le=3660)
    silent_days: int = Field(default=NEVER_CLOSED.days, ge=31, le=3660)
    law: str = ""

    def problems(self) -> Iterator[str]:
        """Yield the faults of the periods, a sentence each."""
        if (self.closed_days, self.silent_days) != (CLOSED.days, NEVER_CLOSED.days) and not self.law:
            yield "retention.law: it is missing; name the law that sets other days, or take the days out."
        if self.silent_days < self.closed_days:
            yield "retention: silent_days is less than closed_days; what nobody closed would go first."


@dataclass(frozen=True, slots=True)
class RetentionPolicy:
    """The retention periods of an installation.

    `periods`: those of each country, by ISO code. `here`: hotline → days, for hotlines whose staff read the copy stored
    here. `elsewhere`: hotlines that have a copy of their own; None: all others. A hotline that is in no country file
    any more may have read here, and the copy here may be the only one.
    """

    periods: Mapping[str, RetentionPeriods] = field(default_factory=dict)
    here: Mapping[str, int] = field(default_factory=dict)
    elsewhere: frozenset[str] | None = None

    def of(self, country: str) -> RetentionPeriods:
        """Return the periods of a country; those of the rules if it sets none."""
        return self.periods.get(country, RetentionPeriods())
