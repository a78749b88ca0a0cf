"""Show operators the state of all deliveries: counts, ages and hotlines, without any content of a report.

The console names the hotlines that it knows. PostgreSQL shows its account only rows of these, so deliveries to a
hotline that is in no country file any more are not counted; `tokaut watch` shows them.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from sqlalchemy import Connection, case, func, select

from reports.case_state import UNACKNOWLEDGED_STATES, Handling
from reports.delivery import REPORT_TYPES, UNDELIVERED, DeliveryState
from reports.escalation import PRIORITIES, TRANSFER_STEPS, Priority, StepName
from reports.facts import Completeness
from reports.store.engine.database import Database
from reports.store.escalation import steps
from reports.store.privileges.row_security import read_as
from reports.store.schema import tables as t


@dataclass(frozen=True, slots=True)
class Backlog:
    """Undelivered deliveries. `oldest`: age of the oldest in microseconds. `stuck`: how many need a person's action."""

    count: int = 0
    oldest: int = 0
    stuck: int = 0


@dataclass(frozen=True, slots=True)
class HotlineStatus:
    """The state of deliveries to one hotline. Times in microseconds; None if it is not paused, or not gone (410)."""

    hotline: str
    waiting: Backlog
    failures: int  # consecutive failures
    paused_until: int | None
    dead_since: int | None


@dataclass(frozen=True, slots=True)
class OperatorOverview:
    """The overview of the console's operator page. Times in microseconds."""

    now: int  # time by the database's clock
    by_priority: Mapping[str, Backlog]
    overdue: Mapping[str, int]  # reports that nobody has acknowledged in time
    late: int  # escalation steps that notified nobody in time
    lines: Sequence[HotlineStatus]
    signed_at: int | None  # the last checkpoint of the audit log


def load_overview(database: Database, hotlines: Sequence[str], late_after: int) -> OperatorOverview:
    """Load the overview of these hotlines. `late_after`: microseconds after which a due step counts as late."""
    with read_as(database, *hotlines) as connection:
        now = database.moment(connection)
        overdue = steps.count_overdue_in(connection, database)
        backlogs = _backlogs_by(connection, hotlines, now, "priority")
        return OperatorOverview(
            now,
            {priority: backlogs.get(priority, Backlog()) for priority in PRIORITIES},
            {priority: overdue.get(priority, 0) for priority in PRIORITIES},
            steps.count_late_in(connection, database, late_after),
            _hotlines(connection, hotlines, now),
            connection.execute(select(func.max(t.checkpoint.c.at))).scalar(),
        )


def _backlogs_by(connection: Connection, hotlines: Sequence[str], now: int, column: str) -> Mapping[str, Backlog]:
    """Return the undelivered deliveries to these hotlines, by the value of a column of `delivery`."""
    d = t.delivery.c
    parked_count = func.sum(case((d.state == DeliveryState.DUE, 0), else_=1))
    query = select(d[column], func.count(), now - func.min(d.created_at), parked_count)
    query = query.where(d.state.in_(UNDELIVERED), d.hotline.in_(hotlines)).group_by(d[column])
    return {key: Backlog(count, max(0, age), parked) for key, count, age, parked in connection.execute(query)}


def _hotlines(connection: Connection, hotlines: Sequence[str], now: int) -> list[HotlineStatus]:
    backlogs = _backlogs_by(connection, hotlines, now, "hotline")
    h = t.hotline_state.c
    query = select(h.hotline, h.failures, h.open_until, h.dead_since).where(h.hotline.in_(hotlines))
    states = {row.hotline: row for row in connection.execute(query)}
    results = []
    for hotline in hotlines:
        state = states.get(hotline)
        pause_end = state.open_until if state and state.open_until > now else None
        breaker = (state.failures, pause_end, state.dead_since) if state else (0, None, None)
        results.append(HotlineStatus(hotline, backlogs.get(hotline, Backlog()), *breaker))
    return results


# Unacknowledged reports, for `tokaut watch`: without any content of a report


@dataclass(frozen=True, slots=True)
class WatchedDelivery:
    """A delivery of an unacknowledged report."""

    hotline: str
    state: DeliveryState
    handling: Handling
    why: str  # class of the last failure, or ""


@dataclass(frozen=True, slots=True)
class UnacknowledgedReport:
    """A report that nobody has acknowledged. Times in microseconds; None if its escalation has not begun.

    `since`: when its escalation began, else when the report was created.
    """

    report_id: str
    priority: Priority
    complete: bool
    since: int
    acknowledge_by: int | None
    step: StepName | Literal[""]  # the next one, "" where none is known
    next_step_at: int | None
    deliveries: tuple[WatchedDelivery, ...]


def list_unacknowledged(database: Database, at_most: int = 200) -> tuple[list[UnacknowledgedReport], int]:
    """Return unacknowledged reports, the most urgent and oldest first, and their total number."""
    r = t.report.c
    conditions = (r.state.in_(UNACKNOWLEDGED_STATES), ~steps.is_acknowledged(r.report_id))
    query = select(r.report_id, r.priority, r.completeness, r.created_at).where(*conditions)
    with database.read() as connection:
        count = int(connection.execute(select(func.count()).select_from(t.report).where(*conditions)).scalar_one())
        rows = connection.execute(query.order_by(r.priority, r.created_at).limit(at_most)).all()
        ids = [row.report_id for row in rows]
        steps_of_reports, recipients = _steps(connection, ids), _deliveries(connection, ids)
    reports = [
        UnacknowledgedReport(
            row.report_id,
            row.priority,
            row.completeness == Completeness.COMPLETE,
            *_times(steps_of_reports.get((row.report_id, row.priority), []), row),
            tuple(recipients[row.report_id]),
        )
        for row in rows
    ]
    return sorted(reports, key=lambda report: (report.priority, report.since)), count


_Steps = Mapping[tuple[str, str], list[tuple[StepName, int, bool]]]


def _steps(connection: Connection, ids: list[str]) -> _Steps:
    """Return (report id, priority) → (step, due time, whether it is open), ordered by due time."""
    s = t.step.c
    results: dict[tuple[str, str], list[tuple[StepName, int, bool]]] = defaultdict(list)
    query = select(s.report_id, s.priority, s.step, s.due_at, s.done_at).where(s.report_id.in_(ids))
    for row in connection.execute(query.order_by(s.due_at)):
        results[row.report_id, row.priority].append((row.step, row.due_at, row.done_at is None))
    return results


def _times(
    own_steps: list[tuple[StepName, int, bool]], report: Any
) -> tuple[int, int | None, StepName | Literal[""], int | None]:
    """Return the start of the escalation, when to acknowledge by, and the next step with its due time."""
    due_times = {step: due_at for step, due_at, _ in own_steps}
    skipped = {StepName.BEGIN, StepName.OVERDUE}
    skipped |= set() if report.completeness == Completeness.COMPLETE else set(TRANSFER_STEPS)
    open_steps = ((step, due_at) for step, due_at, is_open in own_steps if is_open and step not in skipped)
    began_at = due_times.get(StepName.BEGIN, report.created_at)
    return began_at, due_times.get(StepName.OVERDUE), *next(open_steps, ("", None))


def _deliveries(connection: Connection, ids: list[str]) -> Mapping[str, list[WatchedDelivery]]:
    d = t.delivery.c
    results: dict[str, list[WatchedDelivery]] = defaultdict(list)
    query = select(d.report_id, d.hotline, d.state, d.handling, func.coalesce(d.last_class, ""))
    query = query.where(d.report_id.in_(ids), d.type.in_(REPORT_TYPES)).order_by(d.created_at, d.delivery_id)
    for row in connection.execute(query):
        results[row[0]].append(WatchedDelivery(row[1], row[2], row[3], row[4].split(" ")[0]))
    return results
