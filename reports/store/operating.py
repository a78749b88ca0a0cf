"""How the sending is going, for the operator's people: counts, ages and hotlines. No report is in it, and no word.

The console asks for the hotlines that it knows. PostgreSQL shows its account the rows of these and no others, so what
was given to a hotline that is in no country file any more is not counted here; `tokaut watch` has it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, case, func, select

from reports.escalation.priorities import PRIORITIES
from reports.store import steps
from reports.store import tables as t
from reports.store.asking import looking_as
from reports.store.database import Database
from reports.store.deliveries import UNDELIVERED


@dataclass(frozen=True, slots=True)
class Waiting:
    """What is not delivered. `oldest`: its age in microseconds. `stuck`: of these, how many a person has to send on."""

    count: int = 0
    oldest: int = 0
    stuck: int = 0


@dataclass(frozen=True, slots=True)
class Line:
    """The way to one hotline. Times in microseconds; None where it is not so."""

    hotline: str
    waiting: Waiting
    failures: int  # in a row
    rests_until: int | None
    dead_since: int | None


@dataclass(frozen=True, slots=True)
class Standing:
    now: int  # by the database's clock
    by_priority: Mapping[str, Waiting]
    overdue: Mapping[str, int]  # reports that nobody has taken on in time
    late: int  # steps of the ladder that nobody could be told of in time
    lines: Sequence[Line]
    signed_at: int | None  # the audit


def standing(database: Database, hotlines: Sequence[str], late_after: int) -> Standing:
    with looking_as(database, *hotlines) as connection:
        now = database.moment(connection)
        overdue = steps.overdue_in(connection, database)
        return Standing(
            now,
            {one: _by(connection, hotlines, now, "priority").get(one, Waiting()) for one in PRIORITIES},
            {one: overdue.get(one, 0) for one in PRIORITIES},
            steps.late_in(connection, database, late_after),
            _lines(connection, hotlines, now),
            connection.execute(select(func.max(t.checkpoint.c.at))).scalar(),
        )


def _by(connection: Connection, hotlines: Sequence[str], now: int, column: str) -> Mapping[str, Waiting]:
    d = t.delivery.c
    stuck = func.sum(case((d.state == "due", 0), else_=1))
    query = select(d[column], func.count(), now - func.min(d.created_at), stuck)
    query = query.where(d.state.in_(UNDELIVERED), d.hotline.in_(hotlines)).group_by(d[column])
    return {key: Waiting(count, max(0, age), parked) for key, count, age, parked in connection.execute(query)}


def _lines(connection: Connection, hotlines: Sequence[str], now: int) -> list[Line]:
    waiting = _by(connection, hotlines, now, "hotline")
    h = t.hotline_state.c
    query = select(h.hotline, h.failures, h.open_until, h.dead_since).where(h.hotline.in_(hotlines))
    states = {row.hotline: row for row in connection.execute(query)}
    found = []
    for one in hotlines:
        state = states.get(one)
        rests = state.open_until if state and state.open_until > now else None
        known = (state.failures, rests, state.dead_since) if state else (0, None, None)
        found.append(Line(one, waiting.get(one, Waiting()), *known))
    return found
