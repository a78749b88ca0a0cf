"""The ladder in the store: when each step of a report is due, and that it is done once. What decides is pure.

A step is claimed before anybody is told, so that two clocks tell once; one whose clock was killed is free again after
a while. What gives the report to another hotline is done in the transaction that makes its delivery.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, and_, bindparam, case, exists, func, or_, select, update

from reports.clocks import BEGIN, GIVES, OVERDUE, PRIORITIES, STEPS, TELLS
from reports.state import NOBODY_HAS_IT
from reports.store import auditing, chains
from reports.store import tables as t
from reports.store.database import Database
from reports.store.deliveries import THE_REPORT
from reports.store.routed import counts

TAKEN_ON = ("accepted", "in_progress", "closed")  # a person of the route has it: no step is done any more


@dataclass(frozen=True, slots=True)
class Step:
    report_id: str
    priority: str
    step: str
    round: int
    due_at: int


@dataclass(frozen=True, slots=True)
class Given:
    """A hotline that was given the report, and is still on its latest route."""

    hotline: str
    state: str
    handling: str


@dataclass(frozen=True, slots=True)
class Waiting:
    """How a report waits. `since`: its clock started; `given` in the order given, `left`: fallbacks that may get it."""

    report_id: str
    priority: str
    country: str
    since: int
    given: tuple[Given, ...]
    left: tuple[str, ...]


_TAKEN = t.delivery.alias("taken").c


def taken_on(report_id: Any) -> ColumnElement[bool]:
    d = _TAKEN
    return exists().where(d.report_id == report_id, d.type.in_(THE_REPORT), d.handling.in_(TAKEN_ON), counts(d))


def stop(database: Database, at_most: int = 200) -> list[str]:
    """Reports that a person has taken on since: nothing of their ladder is done any more."""
    s = t.step.c
    over = and_(s.done_at.is_(None), taken_on(s.report_id))
    with database.read() as connection:
        found = list(connection.execute(select(s.report_id).where(over).distinct().limit(at_most)).scalars())
    if found:
        with database.write() as connection:
            ended = update(t.step).where(s.report_id.in_(found), over)
            connection.execute(ended.values(done_at=database.now_sql(), came_to="stopped"))
    return found


def due(
    database: Database, which: Collection[str] = STEPS, at_most: int = 50, priorities: Collection[str] = PRIORITIES
) -> list[Step]:
    """What of `which` is to be done now, the most urgent first, and of those what was not tried yet. An INCOMPLETE
    report goes to no other hotline.
    """
    r, s = t.report.c, t.step.c
    now = database.now_sql()
    query = (
        select(s.report_id, s.priority, s.step, s.round, s.due_at)
        .join_from(t.step, t.report, and_(r.report_id == s.report_id, r.priority == s.priority))
        .where(s.done_at.is_(None), s.due_at <= now, s.not_before <= now, s.step != BEGIN, ~taken_on(s.report_id))
        .where(s.step.in_(which), s.priority.in_(priorities), or_(s.step.not_in(GIVES), r.completeness == "complete"))
        .order_by(s.priority, s.not_before, s.due_at, s.report_id, s.step)
    )
    with database.read() as connection:
        return [Step(*row) for row in connection.execute(query.limit(at_most))]


def overdue(database: Database) -> dict[str, int]:
    """Priority → how many reports nobody has taken on in time."""
    with database.read() as connection:
        return overdue_in(connection, database)


def overdue_in(connection: Connection, database: Database) -> dict[str, int]:
    r, s = t.report.c, t.step.c
    mine = (s.report_id == r.report_id, s.priority == r.priority, s.step == OVERDUE)
    passed = exists().where(*mine, s.due_at <= database.now_sql())
    waits = r.state.in_(NOBODY_HAS_IT)
    query = select(r.priority, func.count()).where(waits, passed, ~taken_on(r.report_id)).group_by(r.priority)
    return {row[0]: row[1] for row in connection.execute(query)}


def late(database: Database, age: int) -> int:
    """How many steps have been due for so long and are tried again and again; not those that wait for a morning."""
    with database.read() as connection:
        return late_in(connection, database, age)


def late_in(connection: Connection, database: Database, age: int) -> int:
    s, now = t.step.c, database.now_sql()
    tried = and_(s.done_at.is_(None), s.due_at <= now - age, s.not_before <= now + age, s.step.in_(TELLS))
    return int(connection.execute(select(func.count()).where(tried, ~taken_on(s.report_id))).scalar_one())


def moment(database: Database) -> int:
    """Now, by the clock that steps go by."""
    with database.read() as connection:
        return database.moment(connection)


def waiting(database: Database, report_id: str) -> Waiting:
    its = {"which": report_id}
    with database.read() as connection:
        report = connection.execute(_WAITS, its).one()
        there = tuple(Given(*row) for row in connection.execute(_GIVEN, its))
        left = chains.left(connection, report_id)
    return Waiting(report_id, report.priority, report.country, report.due_at or database.now(), there, left)


def _waits() -> Select[Any]:
    r, s = t.report.c, t.step.c
    began = and_(s.report_id == r.report_id, s.priority == r.priority, s.step == BEGIN)
    query = select(r.priority, r.country, s.due_at).outerjoin_from(t.report, t.step, began)
    return query.where(r.report_id == bindparam("which")).limit(1)


def _given() -> Select[Any]:
    d = t.delivery.c
    rank = case({"primary": 0, "also": 1}, value=d.role, else_=2)
    its = select(d.hotline, d.state, d.handling).where(d.report_id == bindparam("which"), d.type.in_(THE_REPORT))
    return its.where(counts(d)).order_by(d.created_at, rank, d.delivery_id)


_WAITS, _GIVEN = _waits(), _given()


def claim(database: Database, step: Step, seconds: int) -> bool:
    """For so long nobody else does it. False: somebody is at it, has done it, or a person has taken the report on."""
    now = database.now_sql()
    free = and_(_same(step), t.step.c.not_before <= now, ~taken_on(step.report_id))
    with database.write() as connection:
        held = update(t.step).where(free).values(not_before=now + seconds * 1_000_000)
        return bool(connection.execute(held).rowcount)


def put_off(database: Database, step: Step, until: int) -> None:
    with database.write() as connection:
        connection.execute(update(t.step).where(_same(step)).values(not_before=until))


def done(database: Database, step: Step, came_to: str, again: int | None = None) -> None:
    """`again`: when it is due once more."""
    with database.write() as connection:
        now = database.moment(connection)
        _done(connection, step, came_to, now)
        if again is not None:
            following = replace(step, round=step.round + 1, due_at=again)
            row = {name: getattr(following, name) for name in Step.__slots__} | {"not_before": now}
            connection.execute(database.insert_new(t.step).values(row))


def pass_over(database: Database, came_to: Sequence[tuple[Step, str]]) -> None:
    """Steps that were due and gave nobody anything to do, all at once."""
    s = t.step.c
    names = ("report_id", "priority", "step", "round")
    same = and_(*(s[name] == bindparam(f"its_{name}") for name in names), s.done_at.is_(None))
    with database.write() as connection:
        now = database.moment(connection)
        rows = [
            {f"its_{name}": getattr(step, name) for name in names} | {"done_at": now, "came_to": words}
            for step, words in sorted(came_to, key=lambda one: one[0].report_id)  # in the order of who begins them
        ]
        connection.execute(update(t.step).where(same), rows)


def give(database: Database, step: Step, hotline: str, why: str) -> tuple[str, str] | None:
    """(delivery_id, priority) of the report for one more hotline of its route. None: done already, or it has it."""
    with database.write() as connection:
        now = database.moment(connection)
        taken = connection.execute(select(taken_on(step.report_id))).scalar_one()
        waits = select(t.step.c.step).where(_same(step)).with_for_update()
        if taken or connection.execute(waits).first() is None:
            return None
        made = chains.give(connection, database, step.report_id, hotline, why)
        _done(connection, step, "given" if made else "nobody", now)
        return made


def _done(connection: Connection, step: Step, came_to: str, now: int) -> None:
    ended = update(t.step).where(_same(step)).values(done_at=now, came_to=came_to)
    if connection.execute(ended).rowcount and came_to in ("told", "given"):
        act = f"{came_to}:{step.step}"
        auditing.note(connection, "clock", act, step.report_id, now)


def _same(step: Step) -> ColumnElement[bool]:
    s = t.step.c
    same = and_(s.report_id == step.report_id, s.priority == step.priority, s.step == step.step)
    return and_(same, s.round == step.round, s.done_at.is_(None))
