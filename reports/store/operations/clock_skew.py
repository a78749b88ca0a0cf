"""What the times in the database say about the clocks of its hosts, for `tokaut check`, `tokaut watch` and /readyz.

A clock that is wrong shows in three ways: this host's time and the database's differ, a row lies further ahead than its
own period, or a lease claims a leader that does not renew it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import ColumnElement, Connection, Select, Table, and_, delete, func, insert, select, update

from reports.escalation.policy import LEASE_TIME, STEP_BEGIN
from reports.escalation.priorities import URGENT
from reports.escalation.time_limits import (
    CLOCK_JUMP,
    CLOCK_SLACK,
    DELIVERY_ATTEMPT,
    HOTLINE_PAUSE,
    LEASES,
    PENDING_REVISION,
    SMS_ATTEMPT,
    SMS_LIFETIME,
    STEP_CLAIM,
)
from reports.store.engine.database import Database
from reports.store.engine.time_expressions import is_too_far, period_by_column
from reports.store.schema import tables as t
from runtime.time_units import HOUR, MINUTE, SECOND

CLOCK_LEASE = "clock"
DOCS_PAGE = "docs/operating/clock-jumped.md"


@dataclass(frozen=True, slots=True)
class ClockSkew:
    """Microseconds.

    Attributes:
        differs: How far this host's clock is ahead of the database's; 0 with SQLite, which has none of its own.
        led_until: When the last lease of a clock ends, as time from now; None where no clock has ever led.
        too_far: How many rows lie further ahead than their own period.
        newest: How far the newest report lies ahead of now; below 0 where it does not.
    """

    ahead_of_database: int = 0
    led_until: int | None = None
    rows_ahead: int = 0
    newest: int = 0

    @property
    def has_no_leader(self) -> bool:
        """Whether there was a clock, and its lease has run out or was written by a wrong clock."""
        return self.led_until is not None and not -MINUTE <= self.led_until <= LEASES[CLOCK_LEASE] + CLOCK_SLACK

    def faults(self) -> Iterator[str]:
        """Yield a sentence for each thing that is wrong now, and what to do."""
        if abs(self.ahead_of_database) > CLOCK_JUMP:
            side = "ahead of" if self.ahead_of_database > 0 else "behind"
            yield (
                f"This host's clock is {format_duration(self.ahead_of_database)} {side} the database's. "
                f"Compare `date -u` on both with "
                f"a watch, and set the wrong one: timedatectl set-ntp true. {DOCS_PAGE}"
            )
        if self.led_until is not None and self.led_until > LEASES[CLOCK_LEASE] + CLOCK_SLACK:
            yield (
                f"The clock's lease ends in {format_duration(self.led_until)}: it was taken while a host's "
                f"clock was wrong, and "
                f"no clock leads now. Start it: python -m workers.main clock. {DOCS_PAGE}"
            )
        if self.rows_ahead:
            yield (
                f"{self.rows_ahead} rows lie further ahead than they may: a host's clock was wrong. They are "
                f"due as soon "
                f"as `clock` and the workers of this release run; start those that do not. {DOCS_PAGE}"
            )

    def notes(self) -> Iterator[str]:
        """Yield what may be harmless: a person has to compare the time with a watch."""
        if self.newest > CLOCK_JUMP:
            yield (
                f"The newest report was stored {format_duration(self.newest)} after this host's time. Compare "
                f"`date -u` with a "
                f"watch: either this clock is behind, or a clock was ahead when it came. {DOCS_PAGE}"
            )


def measure_skew(database: Database, *, attempts: bool = False) -> ClockSkew:
    """Return what the database says now. `attempts`: those of deliveries, too, which web may not read.

    Raises DatabaseUnavailable.
    """
    p, d = t.pending.c, t.delivery.c
    with database.read() as connection:
        host, now = database.now(), database.moment(connection)
        differs = 0 if database.is_sqlite else host - now
        until = connection.execute(select(t.lease.c.until).where(t.lease.c.name == CLOCK_LEASE)).scalar()
        far = is_too_far(p.due_at, database.now_sql(), period_by_column(PENDING_REVISION, p.kind))
        count = select(func.count()).select_from(t.pending).where(far)
        late = is_too_far(d.created_at, database.now_sql(), 0)
        made = select(func.count()).select_from(t.delivery).where(d.state == "due", late)
        too_far = [int(connection.execute(one).scalar_one()) for one in (count, made)]
        newest = _newest(connection, now)
        if attempts:
            too_far.append(int(connection.execute(_attempts(database)).scalar_one()))
    return ClockSkew(differs, None if until is None else until - now, sum(too_far), newest)


def _attempts(database: Database) -> Select[Any]:
    d = t.delivery.c
    far = is_too_far(d.next_at, database.now_sql(), period_by_column(DELIVERY_ATTEMPT, d.priority))
    return select(func.count()).select_from(t.delivery).where(d.state == "due", far)


def _newest(connection: Connection, now: int) -> int:
    """By the id, which begins with the hour in which its conversation began."""
    newest = connection.execute(select(func.max(t.report.c.report_id))).scalar()
    return (UUID(newest).int >> 80) * 1000 - now if newest else -now


def format_duration(microseconds: int) -> str:
    """Return a length of time in words, such as "2 h 5 min"."""
    size = abs(microseconds)
    hours, minutes = size // HOUR, size % HOUR // MINUTE
    if not hours:
        return f"{minutes} min" if minutes else f"{size // SECOND} s"
    return f"{hours} h {minutes} min" if minutes else f"{hours} h"


# Sets right the times that a wrong clock has left ahead of now. The clock's work.
#
# Readers of the outbox already count a row that lies too far ahead as due (`due`). What is mended here is everything
# that is counted from a moment: how long a report has waited, when a person was last told, when a step is due.


class _Repair(NamedTuple):
    table: Table
    where: ColumnElement[bool]
    values: Mapping[str, Any]


def repair_times(database: Database, furthest: Mapping[str, int], *, reconsider: bool = False) -> int:
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
    return mended + _repair_steps(database, furthest)


def _any(connection: Connection, one: _Repair) -> bool:
    first = next(iter(one.table.primary_key.columns))
    return connection.execute(select(first).where(one.where).limit(1)).first() is not None


def _changes(now: ColumnElement[int], *, reconsider: bool) -> Iterator[_Repair]:
    d, o, h, s, n = t.delivery.c, t.outgoing.c, t.hotline_state.c, t.step.c, t.nudge.c
    due, free = d.state == "due", {"lease_until": None, "lease_by": None}
    longest = period_by_column(DELIVERY_ATTEMPT, d.priority)
    yield _Repair(t.delivery, and_(due, is_too_far(d.next_at, now, longest)), {"next_at": now})
    yield _Repair(t.delivery, and_(due, is_too_far(d.lease_until, now, LEASE_TIME)), free)
    yield _Repair(t.delivery, and_(due, d.created_at > now + CLOCK_SLACK), {"created_at": now})
    yield _Repair(t.delivery, and_(d.state != "delivered", d.told_at > now + CLOCK_SLACK), {"told_at": now})
    due = o.state == "due"
    yield _Repair(t.outgoing, and_(due, is_too_far(o.next_at, now, SMS_ATTEMPT)), {"next_at": now})
    yield _Repair(t.outgoing, and_(due, is_too_far(o.lease_until, now, LEASE_TIME)), free)
    yield _Repair(
        t.outgoing, and_(due, is_too_far(o.expires_at, now, SMS_LIFETIME)), {"expires_at": now + SMS_LIFETIME}
    )
    yield _Repair(t.hotline_state, is_too_far(h.open_until, now, HOTLINE_PAUSE), {"open_until": now})
    waits = s.done_at.is_(None)
    urgent = and_(waits, s.priority.in_(URGENT), is_too_far(s.not_before, now, STEP_CLAIM))
    yield _Repair(t.step, urgent, {"not_before": now})
    if reconsider:
        yield _Repair(t.step, and_(waits, s.not_before > now + STEP_CLAIM), {"not_before": now})
        yield _Repair(t.nudge, and_(n.sent_at.is_(None), n.due_at > now), {"due_at": now})


def _repair_steps(database: Database, furthest: Mapping[str, int]) -> int:
    """Steps of a clock that began in the future move back with its beginning; one that repeats is due now."""
    s = t.step.c
    began = t.step.alias("began").c
    waits = s.done_at.is_(None)
    ahead = select(began.report_id, began.priority, began.due_at).where(began.step == STEP_BEGIN)
    mended = 0
    with database.read() as connection:
        now = database.moment(connection)
        far = [
            and_(waits, s.priority == one, s.due_at > now + longest + CLOCK_SLACK) for one, longest in furthest.items()
        ]
        early = connection.execute(ahead.where(began.due_at > now + CLOCK_SLACK)).all()
        if not early and not any(connection.execute(select(s.step).where(one).limit(1)).first() for one in far):
            return 0
    with database.write() as connection:
        for row in early:
            its = and_(s.report_id == row.report_id, s.priority == row.priority)
            mended += _move(connection, and_(its, waits | (s.step == STEP_BEGIN)), by=row.due_at - now)
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
