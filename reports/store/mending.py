"""Sets right the times that a wrong clock has left ahead of now. The clock's work.

Readers of the outbox already count a row that lies too far ahead as due (`due`). What is mended here is everything
that is counted from a moment: how long a report has waited, when a person was last told, when a step is due.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Connection, Table, and_, delete, insert, select, update

from reports.clocks import BEGIN, LEASE
from reports.escalation.priorities import URGENT
from reports.periods import ATTEMPT, REST, SLACK, STEP_HELD, TEXT_ATTEMPT, TEXT_LIVES
from reports.store import tables as t
from reports.store.database import Database
from reports.store.due import is_too_far, longest_of


class _Change(NamedTuple):
    table: Table
    where: ColumnElement[bool]
    values: Mapping[str, Any]


def mend(database: Database, furthest: Mapping[str, int], *, reconsider: bool = False) -> int:
    """Set right what lies too far ahead, and return how many rows that were. Raises DatabaseUnavailable.

    Args:
        furthest: priority → the longest that a step of its escalation may lie ahead, in microseconds.
        reconsider: After a jump. What waits for a morning, or for a reporter's safe hours, is looked at again now: it
            was put off by a clock that was wrong, and whoever looks puts it off again where it is too early.
    """
    changes = list(_changes(database.now_sql(), reconsider=reconsider))
    with database.read() as connection:
        wanted = [one for one in changes if _any(connection, one)]
    mended = 0
    if wanted:
        with database.write() as connection:
            for one in wanted:
                mended += connection.execute(update(one.table).where(one.where).values(one.values)).rowcount
    return mended + _mend_steps(database, furthest)


def _any(connection: Connection, one: _Change) -> bool:
    first = next(iter(one.table.primary_key.columns))
    return connection.execute(select(first).where(one.where).limit(1)).first() is not None


def _changes(now: ColumnElement[int], *, reconsider: bool) -> Iterator[_Change]:
    d, o, h, s, n = t.delivery.c, t.outgoing.c, t.hotline_state.c, t.step.c, t.nudge.c
    due, free = d.state == "due", {"lease_until": None, "lease_by": None}
    longest = longest_of(ATTEMPT, d.priority)
    yield _Change(t.delivery, and_(due, is_too_far(d.next_at, now, longest)), {"next_at": now})
    yield _Change(t.delivery, and_(due, is_too_far(d.lease_until, now, LEASE)), free)
    yield _Change(t.delivery, and_(due, d.created_at > now + SLACK), {"created_at": now})
    yield _Change(t.delivery, and_(d.state != "delivered", d.told_at > now + SLACK), {"told_at": now})
    due = o.state == "due"
    yield _Change(t.outgoing, and_(due, is_too_far(o.next_at, now, TEXT_ATTEMPT)), {"next_at": now})
    yield _Change(t.outgoing, and_(due, is_too_far(o.lease_until, now, LEASE)), free)
    yield _Change(t.outgoing, and_(due, is_too_far(o.expires_at, now, TEXT_LIVES)), {"expires_at": now + TEXT_LIVES})
    yield _Change(t.hotline_state, is_too_far(h.open_until, now, REST), {"open_until": now})
    waits = s.done_at.is_(None)
    urgent = and_(waits, s.priority.in_(URGENT), is_too_far(s.not_before, now, STEP_HELD))
    yield _Change(t.step, urgent, {"not_before": now})
    if reconsider:
        yield _Change(t.step, and_(waits, s.not_before > now + STEP_HELD), {"not_before": now})
        yield _Change(t.nudge, and_(n.sent_at.is_(None), n.due_at > now), {"due_at": now})


def _mend_steps(database: Database, furthest: Mapping[str, int]) -> int:
    """Steps of a clock that began in the future move back with its beginning; one that repeats is due now."""
    s = t.step.c
    began = t.step.alias("began").c
    waits = s.done_at.is_(None)
    ahead = select(began.report_id, began.priority, began.due_at).where(began.step == BEGIN)
    mended = 0
    with database.read() as connection:
        now = database.moment(connection)
        far = [and_(waits, s.priority == one, s.due_at > now + longest + SLACK) for one, longest in furthest.items()]
        early = connection.execute(ahead.where(began.due_at > now + SLACK)).all()
        if not early and not any(connection.execute(select(s.step).where(one).limit(1)).first() for one in far):
            return 0
    with database.write() as connection:
        for row in early:
            its = and_(s.report_id == row.report_id, s.priority == row.priority)
            mended += _move(connection, and_(its, waits | (s.step == BEGIN)), by=row.due_at - now)
        for one in far:
            mended += _move(connection, one, to=now)
    return mended


def _move(connection: Connection, which: ColumnElement[bool], *, by: int = 0, to: int | None = None) -> int:
    """Written anew: nobody has the right to change when a step is due."""
    rows = [dict(row) for row in connection.execute(select(t.step).where(which).with_for_update()).mappings()]
    moved = [row | {"due_at": row["due_at"] - by if to is None else to} for row in rows]
    if moved:
        connection.execute(delete(t.step).where(which))
        connection.execute(insert(t.step), moved)
    return len(moved)
