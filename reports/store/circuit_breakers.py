"""The circuit breaker of each hotline: a hotline that is down is asked seldom, and not drowned when it is back.

P1 never waits for it. Each function but `states` works within the caller's transaction.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, Update, bindparam, case, exists, or_, select, update

from reports.escalation.time_limits import CLOCK_SLACK, HOTLINE_PAUSE
from reports.store.engine.database import Database
from reports.store.engine.time_expressions import is_ahead, is_due
from reports.store.schema import tables as t
from runtime.time_units import SECOND

FAILURE_THRESHOLD = 5  # failures in a row
FIRST_OPEN_PERIOD = 30 * SECOND
MAX_OPEN_PERIOD = HOTLINE_PAUSE
PROBE_PERIOD = 60 * SECOND  # how long the others wait for one that tries
BACKLOG_SPREAD = 60 * SECOND  # over which the backlog of a hotline that is back goes out


def allows_delivery(now: ColumnElement[int]) -> ColumnElement[bool]:
    """For rows of `delivery`: the hotline is not given up, and rests only where the row can wait."""
    h, d = t.hotline_state.c, t.delivery.c
    rests = exists().where(h.hotline == d.hotline, is_ahead(h.open_until, now, HOTLINE_PAUSE))
    dead = exists().where(h.hotline == d.hotline, h.dead_since.is_not(None))
    return or_(d.priority == "P1", ~rests) & ~dead


def start_probe(connection: Connection, hotline: str, now: int) -> None:
    """One row was leased for a hotline that has rested: let the others wait until it is known how that went."""
    connection.execute(_PROBED, {"whose": hotline, "now": now, "until": now + PROBE_PERIOD})


def count_failure(connection: Connection, database: Database, hotline: str, now: int, probe: bool) -> None:
    """`probe`: this attempt could only be made because the hotline had rested; else an open breaker stays as it is."""
    row = _state(connection, database, hotline)
    failures = row.failures + 1
    values: dict[str, Any] = {"failures": failures}
    if failures >= FAILURE_THRESHOLD and (probe or not now < row.open_until <= now + HOTLINE_PAUSE + CLOCK_SLACK):
        rest = min(MAX_OPEN_PERIOD, FIRST_OPEN_PERIOD << min(row.opened_times, 8))
        values |= {"open_until": now + rest, "opened_times": row.opened_times + 1}
    connection.execute(update(t.hotline_state).where(t.hotline_state.c.hotline == hotline).values(values))


def close(connection: Connection, hotline: str, now: int) -> None:
    """It answered 2xx. Where it had rested, what waits goes out within the next minute: P1 first and at once."""
    row = connection.execute(_FAILED, {"whose": hotline}).first()
    if row is None:
        return
    shut = update(t.hotline_state).where(t.hotline_state.c.hotline == hotline)
    connection.execute(shut.values(failures=0, open_until=0, opened_times=0))
    if row.failures >= FAILURE_THRESHOLD:
        _spread(connection, hotline, now)


def _spread(connection: Connection, hotline: str, now: int) -> None:
    d = t.delivery.c
    waiting = (d.hotline == hotline) & (d.state == "due")
    ids = connection.execute(
        select(d.delivery_id).where(waiting, d.priority != "P1").order_by(d.priority, d.created_at).limit(5000)
    ).scalars()
    places = {delivery_id: place for place, delivery_id in enumerate(ids)}
    connection.execute(update(t.delivery).where(waiting, d.priority == "P1", d.next_at > now).values(next_at=now))
    for delivery_id, place in places.items():
        next_at = now + BACKLOG_SPREAD * place // len(places)
        connection.execute(update(t.delivery).where(d.delivery_id == delivery_id).values(next_at=next_at))


def mark_gone(connection: Connection, database: Database, hotline: str, now: int) -> None:
    """It answered 410: nothing more is tried there until somebody revives it."""
    _state(connection, database, hotline)
    since = case((t.hotline_state.c.dead_since.is_(None), now), else_=t.hotline_state.c.dead_since)
    connection.execute(update(t.hotline_state).where(t.hotline_state.c.hotline == hotline).values(dead_since=since))


def list_states(database: Database) -> dict[str, bool]:
    """Hotline → whether it is open, between two rests too; those alone that ever failed."""
    h = t.hotline_state.c
    is_open = or_(h.failures >= FAILURE_THRESHOLD, h.dead_since.is_not(None))
    with database.read() as connection:
        return {row[0]: bool(row[1]) for row in connection.execute(select(h.hotline, is_open))}


def _state(connection: Connection, database: Database, hotline: str) -> Any:
    row = {"hotline": hotline, "failures": 0, "open_until": 0, "opened_times": 0, "dead_since": None}
    connection.execute(database.insert_new(t.hotline_state).values(row))
    query = select(t.hotline_state).where(t.hotline_state.c.hotline == hotline)
    return connection.execute(query.with_for_update()).one()


def _probed() -> Update:
    h = t.hotline_state.c
    now = bindparam("now", type_=h.open_until.type)
    rested = (
        h.hotline == bindparam("whose"),
        h.failures >= FAILURE_THRESHOLD,
        is_due(h.open_until, now, HOTLINE_PAUSE),
    )
    return update(t.hotline_state).where(*rested).values(open_until=bindparam("until"))


def _failed() -> Select[Any]:
    h = t.hotline_state.c
    return select(t.hotline_state).where(h.hotline == bindparam("whose"), h.failures > 0)


_PROBED, _FAILED = _probed(), _failed()
