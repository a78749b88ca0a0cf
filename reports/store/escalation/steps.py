"""Escalation steps of reports: when each is due, and that each is carried out once.

A step is claimed before anybody is notified, so only one of two schedulers notifies. The claim of a process that was
killed expires. A step that gives the report to another hotline is completed in the transaction that makes the delivery.
The times themselves are in reports/escalation.py.
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

from reports.case_state import ACKNOWLEDGED, UNACKNOWLEDGED_STATES, Handling
from reports.delivery import REPORT_TYPES, DeliveryState, RecipientRole
from reports.escalation import (
    ESCALATION_STEPS,
    NOTIFY_STEPS,
    PRIORITIES,
    TRANSFER_STEPS,
    EscalationTimes,
    Priority,
    StepName,
    StepOutcome,
)
from reports.facts import Completeness
from reports.store import audit_log
from reports.store.deliveries import is_on_latest_route, lock_report
from reports.store.engine.database import Database
from reports.store.escalation import fallbacks
from reports.store.schema import tables as t


@dataclass(frozen=True, slots=True)
class EscalationStep:
    """A step of a report's escalation. `round`: 0, 1, … of a repeated step. `due_at`: microseconds."""

    report_id: str
    priority: Priority
    step: StepName
    round: int
    due_at: int


@dataclass(frozen=True, slots=True)
class RoutedHotline:
    """A hotline that was given the report and is on its latest route."""

    hotline: str
    state: DeliveryState
    handling: Handling


@dataclass(frozen=True, slots=True)
class EscalationState:
    """A report that nobody has acknowledged.

    `since`: when its escalation started, in microseconds. `recipients`: hotlines in the order of their deliveries.
    `remaining`: fallbacks that were not given the report.
    """

    report_id: str
    priority: Priority
    country: str
    since: int
    recipients: tuple[RoutedHotline, ...]
    remaining: tuple[str, ...]


_TAKEN = t.delivery.alias("taken").c  # cached, because building it is slow


def is_acknowledged(report_id: Any) -> ColumnElement[bool]:
    """Match reports that a hotline of their latest route has acknowledged."""
    d = _TAKEN
    return exists().where(
        d.report_id == report_id, d.type.in_(REPORT_TYPES), d.handling.in_(ACKNOWLEDGED), is_on_latest_route(d)
    )


def stop_acknowledged(database: Database, at_most: int = 200) -> list[str]:
    """End the open steps of reports that somebody has acknowledged, and return the ids of these reports."""
    s = t.step.c
    is_over, query = database.once(_acknowledged, at_most)
    with database.read() as connection:
        report_ids = list(connection.execute(query).scalars())
    if report_ids:
        with database.write() as connection:
            statement = update(t.step).where(s.report_id.in_(report_ids), is_over)
            connection.execute(statement.values(done_at=database.now_sql(), came_to=StepOutcome.STOPPED))
    return report_ids


def _acknowledged(_: Database, at_most: int) -> tuple[ColumnElement[bool], Select[Any]]:
    s = t.step.c
    is_over = and_(s.done_at.is_(None), is_acknowledged(s.report_id))
    return is_over, select(s.report_id).where(is_over).distinct().limit(at_most)


def list_due(
    database: Database,
    which: Collection[StepName] = ESCALATION_STEPS,
    at_most: int = 50,
    priorities: Collection[Priority] = PRIORITIES,
) -> list[EscalationStep]:
    """Return the steps among `which` that are due now: the most urgent first, and of those the untried first.

    Steps that would transfer an incomplete report are left out: it is given to no other hotline.
    """
    query = database.once(_due, frozenset(which), frozenset(priorities), at_most)
    with database.read() as connection:
        return [EscalationStep(*row) for row in connection.execute(query)]


def _due(database: Database, which: frozenset[StepName], priorities: frozenset[Priority], at_most: int) -> Select[Any]:
    r, s = t.report.c, t.step.c
    now = database.now_sql()
    return (
        select(s.report_id, s.priority, s.step, s.round, s.due_at)
        .join_from(t.step, t.report, and_(r.report_id == s.report_id, r.priority == s.priority))
        .where(
            s.done_at.is_(None),
            s.due_at <= now,
            s.not_before <= now,
            s.step != StepName.BEGIN,
            ~is_acknowledged(s.report_id),
        )
        .where(
            s.step.in_(which),
            s.priority.in_(priorities),
            or_(s.step.not_in(TRANSFER_STEPS), r.completeness == Completeness.COMPLETE),
        )
        .order_by(s.priority, s.not_before, s.due_at, s.report_id, s.step)
        .limit(at_most)
    )


def count_overdue(database: Database) -> dict[Priority, int]:
    """Return, by priority, the number of reports that were not acknowledged in time."""
    with database.read() as connection:
        return count_overdue_in(connection, database)


def count_overdue_in(connection: Connection, database: Database) -> dict[Priority, int]:
    """Return the same as `count_overdue`, on an open connection."""
    r, s = t.report.c, t.step.c
    same_escalation = (s.report_id == r.report_id, s.priority == r.priority, s.step == StepName.OVERDUE)
    is_overdue = exists().where(*same_escalation, s.due_at <= database.now_sql())
    is_waiting = r.state.in_(UNACKNOWLEDGED_STATES)
    query = (
        select(r.priority, func.count())
        .where(is_waiting, is_overdue, ~is_acknowledged(r.report_id))
        .group_by(r.priority)
    )
    return {row[0]: row[1] for row in connection.execute(query)}


def count_late(database: Database, age: int) -> int:
    """Return the number of notifications that have been due for `age` microseconds and are retried.

    Steps that are postponed until the morning are not counted.
    """
    with database.read() as connection:
        return count_late_in(connection, database, age)


def count_late_in(connection: Connection, database: Database, age: int) -> int:
    """Return the same as `count_late`, on an open connection."""
    s, now = t.step.c, database.now_sql()
    is_late = and_(s.done_at.is_(None), s.due_at <= now - age, s.not_before <= now + age, s.step.in_(NOTIFY_STEPS))
    return int(connection.execute(select(func.count()).where(is_late, ~is_acknowledged(s.report_id))).scalar_one())


def database_time(database: Database) -> int:
    """Return the time in microseconds by the clock that decides which steps are due, the database's."""
    with database.read() as connection:
        return database.moment(connection)


def load_state(database: Database, report_id: str) -> EscalationState:
    """Load the state of a report's escalation."""
    of_report = {"which": report_id}
    with database.read() as connection:
        report = connection.execute(_REPORT, of_report).one()
        hotlines = tuple(RoutedHotline(*row) for row in connection.execute(_HOTLINES, of_report))
        fallback_hotlines = fallbacks.remaining_fallbacks(connection, report_id)
    return EscalationState(
        report_id, report.priority, report.country, report.due_at or database.now(), hotlines, fallback_hotlines
    )


def _report_query() -> Select[Any]:
    r, s = t.report.c, t.step.c
    begin_step = and_(s.report_id == r.report_id, s.priority == r.priority, s.step == StepName.BEGIN)
    query = select(r.priority, r.country, s.due_at).outerjoin_from(t.report, t.step, begin_step)
    return query.where(r.report_id == bindparam("which")).limit(1)


def _hotlines_query() -> Select[Any]:
    d = t.delivery.c
    rank = case({RecipientRole.PRIMARY: 0, RecipientRole.ALSO: 1}, value=d.role, else_=2)
    of_report = select(d.hotline, d.state, d.handling).where(
        d.report_id == bindparam("which"), d.type.in_(REPORT_TYPES)
    )
    return of_report.where(is_on_latest_route(d)).order_by(d.created_at, rank, d.delivery_id)


_REPORT, _HOTLINES = _report_query(), _hotlines_query()


def claim(database: Database, step: EscalationStep, seconds: int) -> bool:
    """Claim a step for `seconds`.

    Return False if it is claimed or done, or if somebody has acknowledged the report.
    """
    now = database.now_sql()
    is_free = and_(_is_same_step(step), t.step.c.not_before <= now, ~is_acknowledged(step.report_id))
    with database.write() as connection:
        claiming = update(t.step).where(is_free).values(not_before=now + seconds * 1_000_000)
        return bool(connection.execute(claiming).rowcount)


def postpone(database: Database, step: EscalationStep, until: int) -> None:
    """Postpone a step until `until`, in microseconds."""
    with database.write() as connection:
        connection.execute(update(t.step).where(_is_same_step(step)).values(not_before=until))


def complete(database: Database, step: EscalationStep, outcome: StepOutcome, again: int | None = None) -> None:
    """Record the outcome of a step.

    `again`: when the next round is due, in microseconds; None if there is no next round.
    """
    with database.write() as connection:
        now = database.moment(connection)
        _complete(connection, step, outcome, now)
        if again is not None:
            next_round = replace(step, round=step.round + 1, due_at=again)
            row = {name: getattr(next_round, name) for name in EscalationStep.__slots__} | {"not_before": now}
            connection.execute(database.insert_or_ignore(t.step).values(row))


def complete_many(database: Database, outcomes: Sequence[tuple[EscalationStep, StepOutcome]]) -> None:
    """Record the outcomes of steps that were due and required no action, in one transaction."""
    s = t.step.c
    names = ("report_id", "priority", "step", "round")
    is_open_step = and_(*(s[name] == bindparam(f"its_{name}") for name in names), s.done_at.is_(None))
    with database.write() as connection:
        now = database.moment(connection)
        # Sorted, so that rows are locked in the same order as by `start_steps`.
        rows = [
            {f"its_{name}": getattr(step, name) for name in names} | {"done_at": now, "came_to": outcome}
            for step, outcome in sorted(outcomes, key=lambda pair: pair[0].report_id)
        ]
        connection.execute(update(t.step).where(is_open_step), rows)


def give_to_fallback(database: Database, step: EscalationStep, hotline: str, why: str) -> tuple[str, Priority] | None:
    """Give the report to one more hotline of its route, and complete the step; return (delivery_id, priority).

    None if the step is done, if somebody has acknowledged the report, or if the hotline cannot be given it.
    """
    with database.write() as connection:
        lock_report(connection, step.report_id)
        now = database.moment(connection)
        already_acknowledged = connection.execute(select(is_acknowledged(step.report_id))).scalar_one()
        step_query = select(t.step.c.step).where(_is_same_step(step)).with_for_update()
        if already_acknowledged or connection.execute(step_query).first() is None:
            return None
        delivery = fallbacks.insert_fallback(connection, database, step.report_id, hotline, why)
        _complete(connection, step, StepOutcome.GIVEN if delivery else StepOutcome.NOBODY, now)
        return delivery


def _complete(connection: Connection, step: EscalationStep, outcome: StepOutcome, now: int) -> None:
    statement = update(t.step).where(_is_same_step(step)).values(done_at=now, came_to=outcome)
    if connection.execute(statement).rowcount and outcome in (StepOutcome.NOTIFIED, StepOutcome.GIVEN):
        act = f"{outcome}:{step.step}"
        audit_log.append(connection, "clock", act, step.report_id, now)


def _is_same_step(step: EscalationStep) -> ColumnElement[bool]:
    s = t.step.c
    same_escalation = and_(s.report_id == step.report_id, s.priority == step.priority, s.step == step.step)
    return and_(same_escalation, s.round == step.round, s.done_at.is_(None))


# Start of an escalation


def _has_delivery(report_id: Any) -> ColumnElement[bool]:
    d = t.delivery.alias("given").c
    return exists().where(d.report_id == report_id, d.type.in_(REPORT_TYPES))


def list_unstarted(database: Database, at_most: int = 200) -> list[tuple[str, Priority, str]]:
    """Return (report_id, priority, country) of reports that need an escalation.

    Nobody has acknowledged them, and they have no open step of their present priority.
    """
    with database.read() as connection:
        return [(row[0], row[1], row[2]) for row in connection.execute(database.once(_unstarted, at_most))]


def _unstarted(_: Database, at_most: int) -> Select[Any]:
    r, s = t.report.c, t.step.c
    has_open_step = exists().where(
        s.report_id == r.report_id, s.priority == r.priority, s.done_at.is_(None), s.step != StepName.BEGIN
    )
    is_waiting = r.state.in_(UNACKNOWLEDGED_STATES)
    query = select(r.report_id, r.priority, r.country).where(is_waiting, ~has_open_step, _has_delivery(r.report_id))
    return query.where(~is_acknowledged(r.report_id)).order_by(r.priority).limit(at_most)


def start_raised(connection: Connection, database: Database, report_id: str, priority: Priority, now: int) -> None:
    """Start the escalation of a report that has become more urgent, at `now` in microseconds.

    The scheduler makes the other steps.
    """
    connection.execute(database.insert_or_ignore(t.step), _step_row(report_id, priority, StepName.BEGIN, now, now))


def start_steps(database: Database, new: Sequence[tuple[str, Priority, EscalationTimes]]) -> None:
    """Make the steps of each (report_id, priority, times), once; resume stopped escalations.

    It is one transaction: with one for each report, new submissions would wait for the scheduler when many reports have
    come at once.
    """
    s, d = t.step.c, t.delivery.c
    escalations = {
        (report_id, priority): times for report_id, priority, times in sorted(new, key=lambda entry: entry[:2])
    }
    reports = [report_id for report_id, _ in escalations]
    first_query = select(d.report_id, func.min(d.created_at)).where(d.report_id.in_(reports), d.type.in_(REPORT_TYPES))
    begin_step = select(s.report_id, s.priority, s.due_at).where(s.report_id.in_(reports), s.step == StepName.BEGIN)
    with database.write() as connection:
        now = database.moment(connection)
        created = {row[0]: int(row[1]) for row in connection.execute(first_query.group_by(d.report_id))}
        begin_rows = [
            _step_row(*escalation, StepName.BEGIN, created.get(escalation[0], now), now) for escalation in escalations
        ]
        connection.execute(database.insert_or_ignore(t.step), begin_rows)
        begin_times = {(row[0], row[1]): int(row[2]) for row in connection.execute(begin_step)}
        parameters = [{"which": report_id, "as": priority, "now": now} for report_id, priority in escalations]
        for change in (_RAISED, _RESUMED):
            connection.execute(change, parameters)
        rows = [
            _step_row(*escalation, name, begin_times[escalation] + after, now)
            for escalation, times in escalations.items()
            for name, after in times.steps(escalation[1])
        ]
        connection.execute(database.insert_or_ignore(t.step), rows)
        connection.execute(_BEGUN, parameters)


def _step_row(report_id: str, priority: Priority, step: StepName, due_at: int, now: int) -> dict[str, object]:
    row = {"report_id": report_id, "priority": priority, "step": step, "round": 0}
    return row | {"due_at": due_at, "not_before": now}


def _start_changes() -> Iterator[Update]:
    """Yield three updates for the report `which` with the priority `as`.

    They end the steps of lower priorities, resume stopped steps, and mark the escalation as started.
    """
    s = t.step.c
    now = bindparam("now", type_=s.done_at.type)
    of_report = s.report_id == bindparam("which")
    same_escalation = and_(of_report, s.priority == bindparam("as"))
    less_urgent = update(t.step).where(of_report, s.priority > bindparam("as"), s.done_at.is_(None))
    yield less_urgent.values(done_at=now, came_to=StepOutcome.RAISED)
    stopped_steps = update(t.step).where(same_escalation, s.came_to == StepOutcome.STOPPED)
    yield stopped_steps.values(done_at=None, came_to=None, not_before=now)
    yield (
        update(t.step).where(same_escalation, s.step == StepName.BEGIN).values(done_at=now, came_to=StepOutcome.PASSED)
    )


_RAISED, _RESUMED, _BEGUN = _start_changes()
