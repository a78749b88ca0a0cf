"""By when something has to have happened to a report. Pure; the list and the report's page show the same."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from reports.escalation.policy import ESCALATION_TIMES
from reports.store.cases.case_list import CaseRow
from reports.store.cases.case_status import ACTIVE
from runtime.time_units import MINUTE

RECEIVED, TAKEN = "received", "taken"
# what has to happen → the sentence before the time is over, and the one after it
LEFT: Final[Mapping[str, str]] = {
    RECEIVED: "Must reach a hotline within {time}",
    TAKEN: "Take within {time}",
}
OVER: Final[Mapping[str, str]] = {
    RECEIVED: "OVERDUE by {time}: it has reached no hotline",
    TAKEN: "OVERDUE by {time}: nobody has taken it",
}


@dataclass(frozen=True, slots=True)
class Deadline:
    """`due_at`: microseconds. `minutes`: until then, or since then where it `is_over`; one at least."""

    what: str
    due_at: int
    minutes: int
    is_over: bool

    @property
    def left(self) -> str:
        return LEFT[self.what]

    @property
    def over(self) -> str:
        return OVER[self.what]

    @property
    def sentence(self) -> str:
        return self.over if self.is_over else self.left


def deadlines(row: CaseRow, now: int) -> tuple[Deadline, ...]:
    """Of each clock that runs. There is none for an answer: nobody is told that one is late."""
    return tuple(
        Deadline(what, due_at, max(1, abs(due_at - now) // MINUTE), due_at <= now) for what, due_at in _running(row)
    )


def is_overdue(row: CaseRow, now: int) -> bool:
    return any(one.is_over for one in deadlines(row, now) if one.what == TAKEN)


def _running(row: CaseRow) -> Iterator[tuple[str, int]]:
    if row.state == "queued":
        yield RECEIVED, row.created_at + ESCALATION_TIMES[row.priority].received
    if row.handling == "none" and row.state not in ACTIVE:
        yield TAKEN, row.overdue_at
