"""Detect wrong host clocks by the times in the database, and repair those times.

`tokaut check`, `tokaut watch` and /readyz report the faults; the scheduler repairs. A wrong clock shows in three ways:
this host's time and the database's differ, a row is further ahead than its own period allows, or a lease names a leader
that does not renew it. Readers of the outbox already treat a row that is too far ahead as due (`is_due`). The repair
handles everything that is counted from a moment: how long a report has waited, when a person was last alerted, when a
step is due.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Connection, Select, Table, and_, delete, func, insert, select, update

from reports.delivery import DeliveryState
from reports.escalation import LEASE_TIME, URGENT, Priority, StepName
from reports.recordings import ARRIVES_WITHIN, UNFINISHED
from reports.store.engine.database import Database
from reports.store.engine.time_expressions import is_too_far, period_by_column
from reports.store.schema import tables as t
from reports.store.sms.messages import SmsState
from reports.time_limits import (
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
from runtime.time_units import HOUR, MINUTE, SECOND

CLOCK_LEASE = "clock"
DOCS_PAGE = "docs/operating/clock-jumped.md"
START_CLOCK = "Start the process clock: systemctl start tokaut-clock (without units: python -m workers.main clock)."


@dataclass(frozen=True, slots=True)
class ClockSkew:
    """The clock skew that times in the database show. Times in microseconds.

    Attributes:
        ahead_of_database: How far this host's clock is ahead of the database's; 0 with SQLite, which has no clock.
        leader_until: When the last lease of a scheduler ends, as time from now; None if no scheduler ever led.
        rows_ahead: How many rows are further ahead than their own period allows.
        newest: How far the newest report is ahead of now; negative if it is not.
    """

    ahead_of_database: int = 0
    leader_until: int | None = None
    rows_ahead: int = 0
    newest: int = 0

    @property
    def has_no_leader(self) -> bool:
        """Return whether no scheduler leads although one did before: its lease has expired, or a clock was wrong."""
        return self.leader_until is not None and not -MINUTE <= self.leader_until <= LEASES[CLOCK_LEASE] + CLOCK_SLACK

    def faults(self) -> Iterator[str]:
        """Yield one sentence for each fault, with its remedy."""
        if abs(self.ahead_of_database) > CLOCK_JUMP:
            side = "ahead of" if self.ahead_of_database > 0 else "behind"
            yield (
                f"This host's clock is {format_duration(self.ahead_of_database)} {side} the database's. "
                f"Compare `date -u` on both with a watch, and set the wrong one: timedatectl set-ntp true. {DOCS_PAGE}"
            )
        if self.leader_until is not None and self.leader_until > LEASES[CLOCK_LEASE] + CLOCK_SLACK:
            yield (
                f"The clock's lease ends in {format_duration(self.leader_until)}: it was taken while a host's "
                f"clock was wrong, and no clock process is the scheduler now. {START_CLOCK} {DOCS_PAGE}"
            )
        if self.rows_ahead:
            yield (
                f"{self.rows_ahead} rows lie further ahead than they may: a host's clock was wrong. They are "
                f"due as soon as `clock` and the workers of this release run; start those that do not. {DOCS_PAGE}"
            )

    def notes(self) -> Iterator[str]:
        """Yield observations that may be harmless: a person has to compare the time with a watch."""
        if self.newest > CLOCK_JUMP:
            yield (
                f"The newest report was stored {format_duration(self.newest)} after this host's time. Compare "
                f"`date -u` with a watch: either this clock is behind, or a clock was ahead when it came. {DOCS_PAGE}"
            )


def measure_skew(database: Database, *, attempts: bool = False) -> ClockSkew:
    """Compare the clocks with the times in the database.

    `attempts`: include the next attempts of deliveries, which web may not read. Raises DatabaseUnavailable.
    """
    p, d = t.pending.c, t.delivery.c
    with database.read() as connection:
        host, now = database.now(), database.moment(connection)
        difference = 0 if database.is_sqlite else host - now
        lease_end = connection.execute(select(t.lease.c.until).where(t.lease.c.name == CLOCK_LEASE)).scalar()
        too_far_ahead = is_too_far(p.due_at, database.now_sql(), period_by_column(PENDING_REVISION, p.kind))
        count = select(func.count()).select_from(t.pending).where(too_far_ahead)
        created_ahead = is_too_far(d.created_at, database.now_sql(), 0)
        created_count = select(func.count()).select_from(t.delivery).where(d.state == DeliveryState.DUE, created_ahead)
        counts = [int(connection.execute(query).scalar_one()) for query in (count, created_count)]
        newest_ahead = _newest(connection, now)
        if attempts:
            counts.append(int(connection.execute(_attempts(database)).scalar_one()))
    return ClockSkew(difference, None if lease_end is None else lease_end - now, sum(counts), newest_ahead)


def _attempts(database: Database) -> Select[Any]:
    d = t.delivery.c
    too_far_ahead = is_too_far(d.next_at, database.now_sql(), period_by_column(DELIVERY_ATTEMPT, d.priority))
    return select(func.count()).select_from(t.delivery).where(d.state == DeliveryState.DUE, too_far_ahead)


def _newest(connection: Connection, now: int) -> int:
    """Return how far the newest report is ahead of now. Report ids hold no time (decision 109)."""
    return (connection.execute(select(func.max(t.report.c.created_at))).scalar() or 0) - now


def format_duration(microseconds: int) -> str:
    """Return a duration in words, such as "2 h 5 min"."""
    size = abs(microseconds)
    hours, minutes = size // HOUR, size % HOUR // MINUTE
    if not hours:
        return f"{minutes} min" if minutes else f"{size // SECOND} s"
    return f"{hours} h {minutes} min" if minutes else f"{hours} h"


class _Repair(NamedTuple):
    table: Table
    where: ColumnElement[bool]
    values: Mapping[str, Any]


def repair_times(database: Database, max_delays: Mapping[Priority, int], *, reconsider: bool = False) -> int:
    """Repair times that are too far ahead, and return how many rows. Raises DatabaseUnavailable.

    Args:
        max_delays: priority → the longest time that a step of its escalation may be ahead, in microseconds.
        reconsider: The clock has jumped. Steps and SMS that wait for the morning or for safe hours become due now,
            because a wrong clock postponed them; the job postpones them again if it is too early.
    """
    changes = list(_changes(database.now_sql(), reconsider=reconsider))
    with database.read() as connection:
        needed = [repair for repair in changes if _has_rows(connection, repair)]
    repaired = 0
    if needed:
        with database.write() as connection:
            for repair in needed:
                repaired += connection.execute(update(repair.table).where(repair.where).values(repair.values)).rowcount
    return repaired + _repair_steps(database, max_delays)


def _has_rows(connection: Connection, repair: _Repair) -> bool:
    key_column = next(iter(repair.table.primary_key.columns))
    return connection.execute(select(key_column).where(repair.where).limit(1)).first() is not None


def _changes(now: ColumnElement[int], *, reconsider: bool) -> Iterator[_Repair]:
    d, o, h, s, n = t.delivery.c, t.outgoing.c, t.hotline_state.c, t.step.c, t.nudge.c
    due, unleased = d.state == DeliveryState.DUE, {"lease_until": None, "lease_by": None}
    longest = period_by_column(DELIVERY_ATTEMPT, d.priority)
    yield _Repair(t.delivery, and_(due, is_too_far(d.next_at, now, longest)), {"next_at": now})
    yield _Repair(t.delivery, and_(due, is_too_far(d.lease_until, now, LEASE_TIME)), unleased)
    yield _Repair(t.delivery, and_(due, d.created_at > now + CLOCK_SLACK), {"created_at": now})
    yield _Repair(t.delivery, and_(d.state != DeliveryState.DELIVERED, d.told_at > now + CLOCK_SLACK), {"told_at": now})
    due = o.state == SmsState.DUE
    yield _Repair(t.outgoing, and_(due, is_too_far(o.next_at, now, SMS_ATTEMPT)), {"next_at": now})
    yield _Repair(t.outgoing, and_(due, is_too_far(o.lease_until, now, LEASE_TIME)), unleased)
    yield _Repair(
        t.outgoing, and_(due, is_too_far(o.expires_at, now, SMS_LIFETIME)), {"expires_at": now + SMS_LIFETIME}
    )
    c = t.recording.c
    is_far = is_too_far(c.next_at, now, ARRIVES_WITHIN)
    yield _Repair(t.recording, and_(c.state.in_(UNFINISHED), is_far), {"next_at": now})
    yield _Repair(t.hotline_state, is_too_far(h.open_until, now, HOTLINE_PAUSE), {"open_until": now})
    is_open = s.done_at.is_(None)
    urgent = and_(is_open, s.priority.in_(URGENT), is_too_far(s.not_before, now, STEP_CLAIM))
    yield _Repair(t.step, urgent, {"not_before": now})
    if reconsider:
        yield _Repair(t.step, and_(is_open, s.not_before > now + STEP_CLAIM), {"not_before": now})
        yield _Repair(t.nudge, and_(n.sent_at.is_(None), n.due_at > now), {"due_at": now})


def _repair_steps(database: Database, longest_by_priority: Mapping[Priority, int]) -> int:
    """Move escalations that began in the future back to now; other steps that are too far ahead become due now."""
    s = t.step.c
    begin_step = t.step.alias("began").c
    is_open = s.done_at.is_(None)
    begin_query = select(begin_step.report_id, begin_step.priority, begin_step.due_at).where(
        begin_step.step == StepName.BEGIN
    )
    repaired = 0
    with database.read() as connection:
        now = database.moment(connection)
        too_far_ahead = [
            and_(is_open, s.priority == priority, s.due_at > now + longest + CLOCK_SLACK)
            for priority, longest in longest_by_priority.items()
        ]
        ahead_rows = connection.execute(begin_query.where(begin_step.due_at > now + CLOCK_SLACK)).all()
        if not ahead_rows and not any(
            connection.execute(select(s.step).where(condition).limit(1)).first() for condition in too_far_ahead
        ):
            return 0
    with database.write() as connection:
        for row in ahead_rows:
            same_escalation = and_(s.report_id == row.report_id, s.priority == row.priority)
            repaired += _move(
                connection, and_(same_escalation, is_open | (s.step == StepName.BEGIN)), by=row.due_at - now
            )
        for condition in too_far_ahead:
            repaired += _move(connection, condition, to=now)
    return repaired


def _move(connection: Connection, condition: ColumnElement[bool], *, by: int = 0, to: int | None = None) -> int:
    """Delete and insert steps with new times: no role has the right to update `due_at`. Returns how many."""
    rows = [dict(row) for row in connection.execute(select(t.step).where(condition).with_for_update()).mappings()]
    moved_rows = [row | {"due_at": row["due_at"] - by if to is None else to} for row in rows]
    if moved_rows:
        connection.execute(delete(t.step).where(condition))
        connection.execute(insert(t.step), moved_rows)
    return len(moved_rows)
