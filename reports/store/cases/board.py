"""The board of a hotline's lead: counts of waiting reports, of reports by holder, and of those taken in time today.

It reads counts and times, and no sealed row. Reports that the lead is excluded from are in no count (S-26).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, and_, case, exists, func, or_, select

from reports.case_state import ACKNOWLEDGED, ACTIVE, Handling
from reports.escalation import ESCALATION_TIMES, PRIORITIES, URGENT, Priority, StepName
from reports.store.cases.case_list import is_visible, visibility_values
from reports.store.cases.case_status import UNASSIGNED
from reports.store.engine.database import Database
from reports.store.privileges.row_security import read_as
from reports.store.schema import tables as t
from reports.store.staff.accounts import Account

# Acts after which an acknowledged report waits for somebody again: it has become urgent, or its closing was undone
WAITS_AGAIN = ("raised", Handling.NONE)


@dataclass(frozen=True, slots=True)
class Waiting:
    """Reports of one priority that nobody has taken. `oldest_at`: when the first of them came; None: there is none."""

    count: int = 0
    oldest_at: int | None = None
    overdue: int = 0


@dataclass(frozen=True, slots=True)
class Held:
    """The open reports that one person holds.

    `name`: empty for reports that were taken by the hotline's own system or by a duty phone. `urgent`: those of P1
    and P2. `to_accept`: those that were passed to this person, who has not accepted them yet. `overdue_follow_ups`:
    those whose follow-up date has passed.
    """

    name: str
    count: int
    urgent: int
    to_accept: int
    oldest_at: int
    overdue_follow_ups: int


@dataclass(frozen=True, slots=True)
class TakenToday:
    """Reports of one priority that came since the day began: taken in time, or too late or not at all in time.

    Reports that nobody has taken, and whose time is not over, are in neither.
    """

    in_time: int = 0
    late: int = 0

    @property
    def due(self) -> int:
        """Return the number that had to be taken by now."""
        return self.in_time + self.late


@dataclass(frozen=True, slots=True)
class Board:
    """The board at the time `now`, in microseconds."""

    now: int
    waiting: Mapping[Priority, Waiting]
    held: tuple[Held, ...]
    today: Mapping[Priority, TakenToday]


def load_board(database: Database, lead: Account, day_start: int) -> Board:
    """Load the board of the lead's hotline. `day_start`: when the hotline's day began, in microseconds."""
    with read_as(database, lead.hotline) as connection:
        now = database.moment(connection)
        return Board(
            now, _waiting(connection, lead, now), _held(connection, lead, now), _today(connection, lead, day_start, now)
        )


def _cases() -> Select[Any]:
    """Select the hotline's reports once each, with the time by which each must be taken; see `visibility_values`."""
    d, h, step = t.delivery.c, t.holding.c, t.step.c
    escalated = select(func.max(step.due_at)).where(
        step.report_id == d.report_id, step.priority == d.priority, step.step == StepName.OVERDUE
    )
    allowed = case({one: times.acknowledged for one, times in ESCALATION_TIMES.items()}, value=d.priority, else_=0)
    due_at = func.coalesce(escalated.correlate(t.delivery).scalar_subquery(), d.created_at + allowed)
    query = select(
        *(d.delivery_id, d.report_id, d.priority, d.created_at, d.handling, h.holder, h.handed_by),
        due_at.label("due_at"),
        h.follow_up_at,
    )
    query = query.outerjoin_from(t.delivery, t.holding, and_(h.report_id == d.report_id, h.hotline == d.hotline))
    return query.where(is_visible())


def _waiting(connection: Connection, lead: Account, now: int) -> Mapping[Priority, Waiting]:
    d, h = t.delivery.c, t.holding.c
    in_queue = and_(d.handling.in_(ACTIVE), h.handed_by.is_not(None), h.holder == UNASSIGNED)
    rows = _cases().where(or_(d.handling == Handling.NONE, in_queue)).subquery().c
    overdue = func.count(func.distinct(case((rows.due_at < now, rows.report_id))))
    query = select(rows.priority, func.count(func.distinct(rows.report_id)), func.min(rows.created_at), overdue)
    waiting = {
        priority: Waiting(*counts)
        for priority, *counts in connection.execute(query.group_by(rows.priority), visibility_values(lead))
    }
    return {priority: waiting.get(priority, Waiting()) for priority in PRIORITIES}


def _held(connection: Connection, lead: Account, now: int) -> tuple[Held, ...]:
    d, h = t.delivery.c, t.holding.c
    rows = _cases().where(d.handling.in_(ACTIVE), func.coalesce(h.holder, "?") != UNASSIGNED).subquery().c
    name = func.coalesce(rows.holder, "").label("name")

    def number(condition: ColumnElement[bool]) -> ColumnElement[int]:
        return func.count(func.distinct(case((condition, rows.report_id))))

    query = select(
        name,
        func.count(func.distinct(rows.report_id)),
        number(rows.priority.in_(URGENT)),
        number(rows.handed_by.is_not(None)),
        func.min(rows.created_at),
        number(rows.follow_up_at < now),
    )
    held = [Held(*row) for row in connection.execute(query.group_by(name), visibility_values(lead))]
    return tuple(sorted(held, key=lambda one: (-one.count, one.name)))


def _today(connection: Connection, lead: Account, day_start: int, now: int) -> Mapping[Priority, TakenToday]:
    a, d = t.audit.c, t.delivery.c
    rows = _cases().where(d.created_at >= day_start).subquery().c
    again = t.audit.alias("again").c
    waits_again = exists().where(again.object_id == a.object_id, again.act.in_(WAITS_AGAIN), again.at > a.at)
    is_taken = (a.object_id == rows.delivery_id, a.act.in_(ACKNOWLEDGED), ~waits_again)
    taken_at = select(func.min(a.at)).where(*is_taken).scalar_subquery()
    today = select(rows.report_id, rows.priority, rows.due_at, taken_at.label("taken_at")).subquery().c
    in_time = today.taken_at <= today.due_at
    late = or_(today.taken_at > today.due_at, and_(today.taken_at.is_(None), today.due_at < now))
    query = select(
        today.priority, *(func.count(func.distinct(case((one, today.report_id)))) for one in (in_time, late))
    )
    taken = {
        priority: TakenToday(*counts)
        for priority, *counts in connection.execute(query.group_by(today.priority), visibility_values(lead))
    }
    return {priority: taken.get(priority, TakenToday()) for priority in PRIORITIES}
