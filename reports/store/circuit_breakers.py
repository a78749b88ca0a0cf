"""Pause deliveries to a hotline that fails, and spread its backlog when it answers again: a circuit breaker.

P1 never waits for it. Each function except `list_states` runs within the caller's transaction. Times in microseconds.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, Update, bindparam, case, exists, or_, select, update

from reports.delivery import DeliveryState
from reports.escalation import Priority
from reports.store.engine.database import Database
from reports.store.engine.time_expressions import is_ahead, is_due
from reports.store.schema import tables as t
from reports.time_limits import CLOCK_SLACK, HOTLINE_PAUSE
from runtime.time_units import SECOND

FAILURE_THRESHOLD = 5  # failures in a row
FIRST_OPEN_PERIOD = 30 * SECOND
MAX_OPEN_PERIOD = HOTLINE_PAUSE
PROBE_PERIOD = 60 * SECOND  # how long other deliveries wait for the result of a probe
BACKLOG_SPREAD = 60 * SECOND  # time over which the backlog of a recovered hotline is sent


def allows_delivery(now: ColumnElement[int]) -> ColumnElement[bool]:
    """Return whether the breaker lets a row of `delivery` through: P1 always, unless the hotline answered 410."""
    h, d = t.hotline_state.c, t.delivery.c
    is_paused = exists().where(h.hotline == d.hotline, is_ahead(h.open_until, now, HOTLINE_PAUSE))
    is_gone = exists().where(h.hotline == d.hotline, h.dead_since.is_not(None))
    return or_(d.priority == Priority.P1, ~is_paused) & ~is_gone


def has_failed(hotline: ColumnElement[str]) -> ColumnElement[bool]:
    """Return whether the last request to the hotline failed."""
    h = t.hotline_state.c
    return exists().where(h.hotline == hotline, h.failures > 0)


def start_probe(connection: Connection, hotline: str, now: int) -> None:
    """Let other deliveries wait while the first one after a pause probes the hotline. Does nothing without a pause."""
    connection.execute(_START_PROBE, {"whose": hotline, "now": now, "until": now + PROBE_PERIOD})


def count_failure(connection: Connection, database: Database, hotline: str, now: int, probe: bool) -> None:
    """Count a failed attempt, and open the breaker after `FAILURE_THRESHOLD` of them in a row.

    `probe`: the attempt was made after a pause, so a failure begins the next one. Without it an open breaker does
    not change.
    """
    row = _state(connection, database, hotline)
    failures = row.failures + 1
    values: dict[str, Any] = {"failures": failures}
    if failures >= FAILURE_THRESHOLD and (probe or not now < row.open_until <= now + HOTLINE_PAUSE + CLOCK_SLACK):
        pause = min(MAX_OPEN_PERIOD, FIRST_OPEN_PERIOD << min(row.opened_times, 8))
        values |= {"open_until": now + pause, "opened_times": row.opened_times + 1}
    connection.execute(update(t.hotline_state).where(t.hotline_state.c.hotline == hotline).values(values))


def close(connection: Connection, hotline: str, now: int) -> None:
    """Close the breaker after a 2xx. If it was open, the backlog goes out within a minute, and P1 at once."""
    row = connection.execute(_FAILED, {"whose": hotline}).first()
    if row is None:
        return
    state_update = update(t.hotline_state).where(t.hotline_state.c.hotline == hotline)
    connection.execute(state_update.values(failures=0, open_until=0, opened_times=0))
    if row.failures >= FAILURE_THRESHOLD:
        _spread_backlog(connection, hotline, now)


def _spread_backlog(connection: Connection, hotline: str, now: int) -> None:
    """Make what waits for the hotline due; rows that another process has locked are under way and are passed over.

    To wait for them here would be the wrong order of `deliveries.lock_report`: the hotline's state is locked.
    """
    d = t.delivery.c
    is_waiting = (d.hotline == hotline) & (d.state == DeliveryState.DUE)
    waiting = select(d.delivery_id).where(is_waiting).order_by(d.priority, d.created_at).limit(5000)
    waiting = waiting.with_for_update(skip_locked=True)
    is_late = (d.priority == Priority.P1) & (d.next_at > now)
    urgent_ids = connection.execute(waiting.where(is_late)).scalars().all()
    connection.execute(update(t.delivery).where(d.delivery_id.in_(urgent_ids)).values(next_at=now))
    ids = connection.execute(waiting.where(d.priority != Priority.P1)).scalars()
    ranks = {delivery_id: rank for rank, delivery_id in enumerate(ids)}
    for delivery_id, rank in ranks.items():
        next_at = now + BACKLOG_SPREAD * rank // len(ranks)
        connection.execute(update(t.delivery).where(d.delivery_id == delivery_id).values(next_at=next_at))


def mark_gone(connection: Connection, database: Database, hotline: str, now: int) -> None:
    """Stop all deliveries to a hotline that answered 410, until an operator revives it."""
    _state(connection, database, hotline)
    gone_since = case((t.hotline_state.c.dead_since.is_(None), now), else_=t.hotline_state.c.dead_since)
    connection.execute(
        update(t.hotline_state).where(t.hotline_state.c.hotline == hotline).values(dead_since=gone_since)
    )


def list_states(database: Database) -> dict[str, bool]:
    """Return hotline → whether its breaker is open, also between two pauses. Contains hotlines that ever failed."""
    h = t.hotline_state.c
    is_open = or_(h.failures >= FAILURE_THRESHOLD, h.dead_since.is_not(None))
    with database.read() as connection:
        return {row[0]: bool(row[1]) for row in connection.execute(select(h.hotline, is_open))}


def _state(connection: Connection, database: Database, hotline: str) -> Any:
    row = {"hotline": hotline, "failures": 0, "open_until": 0, "opened_times": 0, "dead_since": None}
    connection.execute(database.insert_or_ignore(t.hotline_state).values(row))
    query = select(t.hotline_state).where(t.hotline_state.c.hotline == hotline)
    return connection.execute(query.with_for_update()).one()


def _start_probe_query() -> Update:
    h = t.hotline_state.c
    now = bindparam("now", type_=h.open_until.type)
    has_paused = (
        h.hotline == bindparam("whose"),
        h.failures >= FAILURE_THRESHOLD,
        is_due(h.open_until, now, HOTLINE_PAUSE),
    )
    return update(t.hotline_state).where(*has_paused).values(open_until=bindparam("until"))


def _failed_query() -> Select[Any]:
    h = t.hotline_state.c
    return select(t.hotline_state).where(h.hotline == bindparam("whose"), h.failures > 0)


_START_PROBE, _FAILED = _start_probe_query(), _failed_query()
