"""The beginning of the ladder in the store: which reports have no clock yet, and the steps of each."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from sqlalchemy import ColumnElement, Connection, Update, and_, bindparam, exists, func, select, update

from reports.clocks import BEGIN, Clock
from reports.state import NOBODY_HAS_IT
from reports.store import tables as t
from reports.store.database import Database
from reports.store.deliveries import THE_REPORT
from reports.store.steps import taken_on


def _given(report_id: Any) -> ColumnElement[bool]:
    d = t.delivery.alias("given").c
    return exists().where(d.report_id == report_id, d.type.in_(THE_REPORT))


def unclocked(database: Database, at_most: int = 200) -> list[tuple[str, str, str]]:
    """(report_id, priority, country) of what nobody has taken on, and no step is due of as urgent as it is now."""
    r, s = t.report.c, t.step.c
    open_ = exists().where(s.report_id == r.report_id, s.priority == r.priority, s.done_at.is_(None), s.step != BEGIN)
    waits = r.state.in_(NOBODY_HAS_IT)
    query = select(r.report_id, r.priority, r.country).where(waits, ~open_, _given(r.report_id))
    query = query.where(~taken_on(r.report_id)).order_by(r.priority).limit(at_most)
    with database.read() as connection:
        return [(row[0], row[1], row[2]) for row in connection.execute(query)]


def raised(connection: Connection, database: Database, report_id: str, priority: str, now: int) -> None:
    """From this moment a more urgent clock runs; the clock makes its steps."""
    connection.execute(database.insert_new(t.step), _row(report_id, priority, BEGIN, now, now))


def begin(database: Database, new: Sequence[tuple[str, str, Clock]]) -> None:
    """Make the steps of the clock of each (report_id, priority, clock), once; a ladder that was stopped goes on where
    it stood. One transaction: with one for each report, callers wait for the clock when many have come at once.
    """
    s, d = t.step.c, t.delivery.c
    clocks = {(report_id, priority): clock for report_id, priority, clock in sorted(new, key=lambda one: one[:2])}
    reports = [report_id for report_id, _ in clocks]
    first = select(d.report_id, func.min(d.created_at)).where(d.report_id.in_(reports), d.type.in_(THE_REPORT))
    began = select(s.report_id, s.priority, s.due_at).where(s.report_id.in_(reports), s.step == BEGIN)
    with database.write() as connection:
        now = database.moment(connection)
        created = {row[0]: int(row[1]) for row in connection.execute(first.group_by(d.report_id))}
        begun = [_row(*which, BEGIN, created.get(which[0], now), now) for which in clocks]
        connection.execute(database.insert_new(t.step), begun)
        starts = {(row[0], row[1]): int(row[2]) for row in connection.execute(began)}
        which = [{"which": report_id, "as": priority, "now": now} for report_id, priority in clocks]
        for change in (_RAISED, _RESUMED):
            connection.execute(change, which)
        rows = [
            _row(*one, name, starts[one] + after, now)
            for one, clock in clocks.items()
            for name, after in clock.steps(one[1])
        ]
        connection.execute(database.insert_new(t.step), rows)
        connection.execute(_BEGUN, which)


def _row(report_id: str, priority: str, step: str, due_at: int, now: int) -> dict[str, object]:
    row = {"report_id": report_id, "priority": priority, "step": step, "round": 0}
    return row | {"due_at": due_at, "not_before": now}


def _changes() -> Iterator[Update]:
    """Of the report `which`, as urgent as `as`: what is less urgent ends; what was stopped goes on; it has begun."""
    s = t.step.c
    now = bindparam("now", type_=s.done_at.type)
    its = s.report_id == bindparam("which")
    mine = and_(its, s.priority == bindparam("as"))
    less = update(t.step).where(its, s.priority > bindparam("as"), s.done_at.is_(None))
    yield less.values(done_at=now, came_to="raised")
    stopped = update(t.step).where(mine, s.came_to == "stopped")
    yield stopped.values(done_at=None, came_to=None, not_before=now)
    yield update(t.step).where(mine, s.step == BEGIN).values(done_at=now, came_to="passed")


_RAISED, _RESUMED, _BEGUN = _changes()
