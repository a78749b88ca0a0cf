"""Deadlines of a report, the same in the list and on the report's page. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from reports.case_state import ACTIVE, Handling, ReportState
from reports.escalation import default_times
from reports.store.cases.case_list import CaseRow
from runtime.time_units import MINUTE

RECEIVED, TAKEN, FOLLOW_UP = "received", "taken", "follow_up"
# event → the sentence while there is time (LEFT), and after that (OVER)
LEFT: Final[Mapping[str, str]] = {
    RECEIVED: "Must reach a hotline within {time}",
    TAKEN: "Take within {time}",
    FOLLOW_UP: "Look again in {time}",
}
OVER: Final[Mapping[str, str]] = {
    RECEIVED: "OVERDUE by {time}: it has reached no hotline",
    TAKEN: "OVERDUE by {time}: nobody has taken it",
    FOLLOW_UP: "Follow-up due since {time}: look again now",
}


@dataclass(frozen=True, slots=True)
class Deadline:
    """A time by which something must happen to a report.

    `event`: what must happen, RECEIVED, TAKEN or FOLLOW_UP. `due_at`: microseconds. `minutes`: until then, or since
    then if it is over; at least 1.
    """

    event: str
    due_at: int
    minutes: int
    is_over: bool

    @property
    def left(self) -> str:
        """Return the sentence for a deadline that is not over."""
        return LEFT[self.event]

    @property
    def over(self) -> str:
        """Return the sentence for a deadline that is over."""
        return OVER[self.event]

    @property
    def sentence(self) -> str:
        """Return the sentence that applies now."""
        return self.over if self.is_over else self.left


def deadlines(row: CaseRow, now: int) -> tuple[Deadline, ...]:
    """Return the deadlines that a report has not met yet, overdue ones included.

    Answers have none: nobody is notified of a late answer.
    """
    return tuple(
        Deadline(event, due_at, max(1, abs(due_at - now) // MINUTE), due_at <= now) for event, due_at in _running(row)
    )


def is_overdue(row: CaseRow, now: int) -> bool:
    """Return whether nobody has acknowledged the report in time."""
    return any(deadline.is_over for deadline in deadlines(row, now) if deadline.event == TAKEN)


def _running(row: CaseRow) -> Iterator[tuple[str, int]]:
    if row.state == ReportState.QUEUED:
        yield RECEIVED, row.created_at + default_times(row.priority).received
    if row.handling == Handling.NONE and row.state not in (ReportState.ACCEPTED, ReportState.IN_PROGRESS):
        yield TAKEN, row.overdue_at
    if row.handling in ACTIVE and row.follow_up_at is not None:
        yield FOLLOW_UP, row.follow_up_at
