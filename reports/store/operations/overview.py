"""How the sending is going, for the operator's people: counts, ages and hotlines. No report is in it, and no word.

The console asks for the hotlines that it knows. PostgreSQL shows its account the rows of these and no others, so what
was given to a hotline that is in no country file any more is not counted here; `tokaut watch` has it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, case, exists, func, select

from reports.case_state import UNACKNOWLEDGED_STATES
from reports.escalation.policy import STEP_BEGIN, STEP_OVERDUE, TRANSFER_STEPS
from reports.escalation.priorities import PRIORITIES
from reports.store.deliveries import REPORT_TYPES, UNDELIVERED
from reports.store.engine.database import Database
from reports.store.escalation import steps
from reports.store.escalation.steps import ACKNOWLEDGED
from reports.store.privileges.row_security import read_as
from reports.store.schema import tables as t


@dataclass(frozen=True, slots=True)
class Backlog:
    """What is not delivered. `oldest`: its age in microseconds. `stuck`: of these, how many a person has to send on."""

    count: int = 0
    oldest: int = 0
    stuck: int = 0


@dataclass(frozen=True, slots=True)
class HotlineStatus:
    """The way to one hotline. Times in microseconds; None where it is not so."""

    hotline: str
    waiting: Backlog
    failures: int  # in a row
    paused_until: int | None
    dead_since: int | None


@dataclass(frozen=True, slots=True)
class OperatorOverview:
    now: int  # by the database's clock
    by_priority: Mapping[str, Backlog]
    overdue: Mapping[str, int]  # reports that nobody has taken on in time
    late: int  # steps of the ladder that nobody could be told of in time
    lines: Sequence[HotlineStatus]
    signed_at: int | None  # the audit


def load_overview(database: Database, hotlines: Sequence[str], late_after: int) -> OperatorOverview:
    with read_as(database, *hotlines) as connection:
        now = database.moment(connection)
        overdue = steps.count_overdue_in(connection, database)
        return OperatorOverview(
            now,
            {one: _by(connection, hotlines, now, "priority").get(one, Backlog()) for one in PRIORITIES},
            {one: overdue.get(one, 0) for one in PRIORITIES},
            steps.count_late_in(connection, database, late_after),
            _hotlines(connection, hotlines, now),
            connection.execute(select(func.max(t.checkpoint.c.at))).scalar(),
        )


def _by(connection: Connection, hotlines: Sequence[str], now: int, column: str) -> Mapping[str, Backlog]:
    d = t.delivery.c
    stuck = func.sum(case((d.state == "due", 0), else_=1))
    query = select(d[column], func.count(), now - func.min(d.created_at), stuck)
    query = query.where(d.state.in_(UNDELIVERED), d.hotline.in_(hotlines)).group_by(d[column])
    return {key: Backlog(count, max(0, age), parked) for key, count, age, parked in connection.execute(query)}


def _hotlines(connection: Connection, hotlines: Sequence[str], now: int) -> list[HotlineStatus]:
    waiting = _by(connection, hotlines, now, "hotline")
    h = t.hotline_state.c
    query = select(h.hotline, h.failures, h.open_until, h.dead_since).where(h.hotline.in_(hotlines))
    states = {row.hotline: row for row in connection.execute(query)}
    found = []
    for one in hotlines:
        state = states.get(one)
        rests = state.open_until if state and state.open_until > now else None
        known = (state.failures, rests, state.dead_since) if state else (0, None, None)
        found.append(HotlineStatus(one, waiting.get(one, Backlog()), *known))
    return found


# What waits for a person, for `tokaut watch`: heads alone, and no word of a report.


@dataclass(frozen=True, slots=True)
class WatchedDelivery:
    hotline: str
    state: str
    handling: str
    why: str  # class of the last failure, or ""


@dataclass(frozen=True, slots=True)
class UnacknowledgedReport:
    """A report that nobody has taken on. Times in microseconds; None where no clock of it has begun."""

    report_id: str
    priority: str
    complete: bool
    since: int
    acknowledge_by: int | None
    step: str  # the next one, "" where none is known
    next_step_at: int | None
    sendings: tuple[WatchedDelivery, ...]


def list_unacknowledged(database: Database, at_most: int = 200) -> tuple[list[UnacknowledgedReport], int]:
    """The most urgent first, the oldest of them first; and how many there are in all."""
    r, d = t.report.c, t.delivery.alias("taken").c
    taken = exists().where(d.report_id == r.report_id, d.type.in_(REPORT_TYPES), d.handling.in_(ACKNOWLEDGED))
    waits = (r.state.in_(UNACKNOWLEDGED_STATES), ~taken)
    query = select(r.report_id, r.priority, r.completeness, r.created_at).where(*waits)
    with database.read() as connection:
        count = int(connection.execute(select(func.count()).select_from(t.report).where(*waits)).scalar_one())
        rows = connection.execute(query.order_by(r.priority, r.created_at).limit(at_most)).all()
        ids = [row.report_id for row in rows]
        steps, sendings = _steps(connection, ids), _deliveries(connection, ids)
    found = []
    for row in rows:
        since, by, (step, step_at) = _next_step(
            steps, row.report_id, row.priority, complete=row.completeness == "complete"
        )
        begun = row.created_at if since is None else since
        complete = row.completeness == "complete"
        found.append(
            UnacknowledgedReport(
                row.report_id, row.priority, complete, begun, by, step, step_at, tuple(sendings[row.report_id])
            )
        )
    return sorted(found, key=lambda one: (one.priority, one.since)), count


_Steps = Mapping[tuple[str, str], list[tuple[str, int, bool]]]


def _steps(connection: Connection, ids: list[str]) -> _Steps:
    """(report, priority) → (step, due, whether it is open) in the order in which they are due."""
    s = t.step.c
    found: dict[tuple[str, str], list[tuple[str, int, bool]]] = defaultdict(list)
    query = select(s.report_id, s.priority, s.step, s.due_at, s.done_at).where(s.report_id.in_(ids))
    for row in connection.execute(query.order_by(s.due_at)):
        found[row.report_id, row.priority].append((row.step, row.due_at, row.done_at is None))
    return found


def _next_step(
    steps: _Steps, report_id: str, priority: str, *, complete: bool
) -> tuple[int | None, int | None, tuple[str, int | None]]:
    """(since, to be taken on by, the next step and when)."""
    mine = steps.get((report_id, priority), [])
    due = {step: at for step, at, _ in mine}
    following = _following(mine, complete=complete)
    return due.get(STEP_BEGIN), due.get(STEP_OVERDUE), next(following, ("", None))


def _following(mine: list[tuple[str, int, bool]], *, complete: bool) -> Iterator[tuple[str, int]]:
    silent = {STEP_BEGIN, STEP_OVERDUE} | (set() if complete else set(TRANSFER_STEPS))
    return ((step, at) for step, at, is_open in mine if is_open and step not in silent)


def _deliveries(connection: Connection, ids: list[str]) -> Mapping[str, list[WatchedDelivery]]:
    d = t.delivery.c
    found: dict[str, list[WatchedDelivery]] = defaultdict(list)
    query = select(d.report_id, d.hotline, d.state, d.handling, func.coalesce(d.last_class, ""))
    query = query.where(d.report_id.in_(ids), d.type.in_(REPORT_TYPES)).order_by(d.created_at, d.delivery_id)
    for row in connection.execute(query):
        found[row[0]].append(WatchedDelivery(row[1], row[2], row[3], row[4].split(" ")[0]))
    return found
