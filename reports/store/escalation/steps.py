"""The ladder in the store: when each step of a report is due, and that it is done once. What decides is pure.

A step is claimed before anybody is told, so that two clocks tell once; one whose clock was killed is free again after
a while. What gives the report to another hotline is done in the transaction that makes its delivery.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Select,
    Update,
    and_,
    bindparam,
    case,
    exists,
    func,
    or_,
    select,
    update,
)

from reports.case_state import UNACKNOWLEDGED_STATES
from reports.escalation.policy import (
    ESCALATION_STEPS,
    NOTIFY_STEPS,
    STEP_BEGIN,
    STEP_OVERDUE,
    TRANSFER_STEPS,
    EscalationTimes,
)
from reports.escalation.priorities import PRIORITIES
from reports.store import audit_log
from reports.store.deliveries import REPORT_TYPES, is_on_latest_route
from reports.store.engine.database import Database
from reports.store.escalation import fallbacks
from reports.store.schema import tables as t

ACKNOWLEDGED = ("accepted", "in_progress", "closed")  # a person of the route has it: no step is done any more


@dataclass(frozen=True, slots=True)
class EscalationStep:
    report_id: str
    priority: str
    step: str
    round: int
    due_at: int


@dataclass(frozen=True, slots=True)
class RoutedHotline:
    """A hotline that was given the report, and is still on its latest route."""

    hotline: str
    state: str
    handling: str


@dataclass(frozen=True, slots=True)
class EscalationState:
    """How a report waits. `since`: its clock started; `given` in the order given, `left`: fallbacks that may get it."""

    report_id: str
    priority: str
    country: str
    since: int
    given: tuple[RoutedHotline, ...]
    left: tuple[str, ...]


def is_acknowledged(report_id: Any) -> ColumnElement[bool]:
    d = t.delivery.alias("taken").c
    return exists().where(
        d.report_id == report_id, d.type.in_(REPORT_TYPES), d.handling.in_(ACKNOWLEDGED), is_on_latest_route(d)
    )


def stop_acknowledged(database: Database, at_most: int = 200) -> list[str]:
    """Reports that a person has taken on since: nothing of their ladder is done any more."""
    s = t.step.c
    over = and_(s.done_at.is_(None), is_acknowledged(s.report_id))
    with database.read() as connection:
        found = list(connection.execute(select(s.report_id).where(over).distinct().limit(at_most)).scalars())
    if found:
        with database.write() as connection:
            ended = update(t.step).where(s.report_id.in_(found), over)
            connection.execute(ended.values(done_at=database.now_sql(), came_to="stopped"))
    return found


def list_due(
    database: Database,
    which: Collection[str] = ESCALATION_STEPS,
    at_most: int = 50,
    priorities: Collection[str] = PRIORITIES,
) -> list[EscalationStep]:
    """What of `which` is to be done now, the most urgent first, and of those what was not tried yet. An INCOMPLETE
    report goes to no other hotline.
    """
    r, s = t.report.c, t.step.c
    now = database.now_sql()
    query = (
        select(s.report_id, s.priority, s.step, s.round, s.due_at)
        .join_from(t.step, t.report, and_(r.report_id == s.report_id, r.priority == s.priority))
        .where(
            s.done_at.is_(None),
            s.due_at <= now,
            s.not_before <= now,
            s.step != STEP_BEGIN,
            ~is_acknowledged(s.report_id),
        )
        .where(
            s.step.in_(which),
            s.priority.in_(priorities),
            or_(s.step.not_in(TRANSFER_STEPS), r.completeness == "complete"),
        )
        .order_by(s.priority, s.not_before, s.due_at, s.report_id, s.step)
    )
    with database.read() as connection:
        return [EscalationStep(*row) for row in connection.execute(query.limit(at_most))]


def count_overdue(database: Database) -> dict[str, int]:
    """Priority → how many reports nobody has taken on in time."""
    with database.read() as connection:
        return count_overdue_in(connection, database)


def count_overdue_in(connection: Connection, database: Database) -> dict[str, int]:
    r, s = t.report.c, t.step.c
    mine = (s.report_id == r.report_id, s.priority == r.priority, s.step == STEP_OVERDUE)
    passed = exists().where(*mine, s.due_at <= database.now_sql())
    waits = r.state.in_(UNACKNOWLEDGED_STATES)
    query = select(r.priority, func.count()).where(waits, passed, ~is_acknowledged(r.report_id)).group_by(r.priority)
    return {row[0]: row[1] for row in connection.execute(query)}


def count_late(database: Database, age: int) -> int:
    """How many steps have been due for so long and are tried again and again; not those that wait for a morning."""
    with database.read() as connection:
        return count_late_in(connection, database, age)


def count_late_in(connection: Connection, database: Database, age: int) -> int:
    s, now = t.step.c, database.now_sql()
    tried = and_(s.done_at.is_(None), s.due_at <= now - age, s.not_before <= now + age, s.step.in_(NOTIFY_STEPS))
    return int(connection.execute(select(func.count()).where(tried, ~is_acknowledged(s.report_id))).scalar_one())


def database_time(database: Database) -> int:
    """Now, by the clock that steps go by."""
    with database.read() as connection:
        return database.moment(connection)


def load_state(database: Database, report_id: str) -> EscalationState:
    its = {"which": report_id}
    with database.read() as connection:
        report = connection.execute(_WAITS, its).one()
        there = tuple(RoutedHotline(*row) for row in connection.execute(_GIVEN, its))
        left = fallbacks.remaining_fallbacks(connection, report_id)
    return EscalationState(report_id, report.priority, report.country, report.due_at or database.now(), there, left)


def _waits() -> Select[Any]:
    r, s = t.report.c, t.step.c
    began = and_(s.report_id == r.report_id, s.priority == r.priority, s.step == STEP_BEGIN)
    query = select(r.priority, r.country, s.due_at).outerjoin_from(t.report, t.step, began)
    return query.where(r.report_id == bindparam("which")).limit(1)


def _given() -> Select[Any]:
    d = t.delivery.c
    rank = case({"primary": 0, "also": 1}, value=d.role, else_=2)
    its = select(d.hotline, d.state, d.handling).where(d.report_id == bindparam("which"), d.type.in_(REPORT_TYPES))
    return its.where(is_on_latest_route(d)).order_by(d.created_at, rank, d.delivery_id)


_WAITS, _GIVEN = _waits(), _given()


def claim(database: Database, step: EscalationStep, seconds: int) -> bool:
    """For so long nobody else does it. False: somebody is at it, has done it, or a person has taken the report on."""
    now = database.now_sql()
    free = and_(_same(step), t.step.c.not_before <= now, ~is_acknowledged(step.report_id))
    with database.write() as connection:
        held = update(t.step).where(free).values(not_before=now + seconds * 1_000_000)
        return bool(connection.execute(held).rowcount)


def postpone(database: Database, step: EscalationStep, until: int) -> None:
    with database.write() as connection:
        connection.execute(update(t.step).where(_same(step)).values(not_before=until))


def complete(database: Database, step: EscalationStep, came_to: str, again: int | None = None) -> None:
    """`again`: when it is due once more."""
    with database.write() as connection:
        now = database.moment(connection)
        _complete(connection, step, came_to, now)
        if again is not None:
            following = replace(step, round=step.round + 1, due_at=again)
            row = {name: getattr(following, name) for name in EscalationStep.__slots__} | {"not_before": now}
            connection.execute(database.insert_new(t.step).values(row))


def complete_many(database: Database, came_to: Sequence[tuple[EscalationStep, str]]) -> None:
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


def give_to_fallback(database: Database, step: EscalationStep, hotline: str, why: str) -> tuple[str, str] | None:
    """(delivery_id, priority) of the report for one more hotline of its route. None: done already, or it has it."""
    with database.write() as connection:
        now = database.moment(connection)
        taken = connection.execute(select(is_acknowledged(step.report_id))).scalar_one()
        waits = select(t.step.c.step).where(_same(step)).with_for_update()
        if taken or connection.execute(waits).first() is None:
            return None
        made = fallbacks.insert_fallback(connection, database, step.report_id, hotline, why)
        _complete(connection, step, "given" if made else "nobody", now)
        return made


def _complete(connection: Connection, step: EscalationStep, came_to: str, now: int) -> None:
    ended = update(t.step).where(_same(step)).values(done_at=now, came_to=came_to)
    if connection.execute(ended).rowcount and came_to in ("told", "given"):
        act = f"{came_to}:{step.step}"
        audit_log.append(connection, "clock", act, step.report_id, now)


def _same(step: EscalationStep) -> ColumnElement[bool]:
    s = t.step.c
    same = and_(s.report_id == step.report_id, s.priority == step.priority, s.step == step.step)
    return and_(same, s.round == step.round, s.done_at.is_(None))


# The beginning of the ladder in the store: which reports have no clock yet, and the steps of each.


def _has_delivery(report_id: Any) -> ColumnElement[bool]:
    d = t.delivery.alias("given").c
    return exists().where(d.report_id == report_id, d.type.in_(REPORT_TYPES))


def list_unstarted(database: Database, at_most: int = 200) -> list[tuple[str, str, str]]:
    """(report_id, priority, country) of what nobody has taken on, and no step is due of as urgent as it is now."""
    r, s = t.report.c, t.step.c
    open_ = exists().where(
        s.report_id == r.report_id, s.priority == r.priority, s.done_at.is_(None), s.step != STEP_BEGIN
    )
    waits = r.state.in_(UNACKNOWLEDGED_STATES)
    query = select(r.report_id, r.priority, r.country).where(waits, ~open_, _has_delivery(r.report_id))
    query = query.where(~is_acknowledged(r.report_id)).order_by(r.priority).limit(at_most)
    with database.read() as connection:
        return [(row[0], row[1], row[2]) for row in connection.execute(query)]


def start_raised(connection: Connection, database: Database, report_id: str, priority: str, now: int) -> None:
    """From this moment a more urgent clock runs; the clock makes its steps."""
    connection.execute(database.insert_new(t.step), _step_row(report_id, priority, STEP_BEGIN, now, now))


def start_steps(database: Database, new: Sequence[tuple[str, str, EscalationTimes]]) -> None:
    """Make the steps of the clock of each (report_id, priority, clock), once; a ladder that was stopped goes on where
    it stood. One transaction: with one for each report, callers wait for the clock when many have come at once.
    """
    s, d = t.step.c, t.delivery.c
    clocks = {(report_id, priority): clock for report_id, priority, clock in sorted(new, key=lambda one: one[:2])}
    reports = [report_id for report_id, _ in clocks]
    first = select(d.report_id, func.min(d.created_at)).where(d.report_id.in_(reports), d.type.in_(REPORT_TYPES))
    began = select(s.report_id, s.priority, s.due_at).where(s.report_id.in_(reports), s.step == STEP_BEGIN)
    with database.write() as connection:
        now = database.moment(connection)
        created = {row[0]: int(row[1]) for row in connection.execute(first.group_by(d.report_id))}
        begun = [_step_row(*which, STEP_BEGIN, created.get(which[0], now), now) for which in clocks]
        connection.execute(database.insert_new(t.step), begun)
        starts = {(row[0], row[1]): int(row[2]) for row in connection.execute(began)}
        which = [{"which": report_id, "as": priority, "now": now} for report_id, priority in clocks]
        for change in (_RAISED, _RESUMED):
            connection.execute(change, which)
        rows = [
            _step_row(*one, name, starts[one] + after, now)
            for one, clock in clocks.items()
            for name, after in clock.steps(one[1])
        ]
        connection.execute(database.insert_new(t.step), rows)
        connection.execute(_BEGUN, which)


def _step_row(report_id: str, priority: str, step: str, due_at: int, now: int) -> dict[str, object]:
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
    yield update(t.step).where(mine, s.step == STEP_BEGIN).values(done_at=now, came_to="passed")


_RAISED, _RESUMED, _BEGUN = _changes()
