"""What an operator orders about deliveries. Each order is one transaction with its audit row."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, and_, or_, select, update

from reports.store import auditing, outbox
from reports.store import tables as t
from reports.store.database import Database
from reports.store.deliveries import THE_REPORT, UNDELIVERED

LISTED = (
    *("delivery_id", "report_id", "hotline", "type", "priority", "state", "handling", "attempt", "next_at"),
    *("last_class", "last_status", "created_at", "told_at"),
)


class NotPossible(Exception):
    """The order does not fit the state of the delivery; says why, in one line."""


def listed(database: Database, states: Sequence[str] = UNDELIVERED, at_most: int = 200) -> list[Any]:
    """Rows of `delivery` in these states, the most urgent and oldest first: ids, times and classes only."""
    d = t.delivery.c
    query = (
        select(*(d[name] for name in LISTED))
        .where(d.state.in_(states))
        .order_by(d.priority, d.created_at)
        .limit(at_most)
    )
    with database.read() as connection:
        return list(connection.execute(query))


def retry(database: Database, delivery_id: str, actor: str) -> None:
    """Send it again, now, with the same key: refused and parked become due; what is due waits no longer."""
    _order(database, delivery_id, "due", UNDELIVERED, act="retried", actor=actor)


def park(database: Database, delivery_id: str, actor: str) -> None:
    """Stop trying, keep it. A person takes it from here."""
    _order(database, delivery_id, "parked", ("due", "refused"), act="parked", actor=actor)


def cancel(database: Database, delivery_id: str, actor: str, reason: str) -> None:
    """`reason` is one word for the audit: mistake, double, handed_over. Never the last one alive of a report."""
    if not (reason.isascii() and reason.replace("_", "").isalpha() and len(reason) <= 12):
        raise NotPossible("give the reason as one word of at most 12 letters")
    _order(database, delivery_id, "cancelled", UNDELIVERED, act=f"cancelled:{reason}", actor=actor)


def note(database: Database, act: str, object_id: str, actor: str) -> None:
    """What was ordered elsewhere, for the audit."""
    with database.write() as connection:
        auditing.note(connection, actor, act, object_id, database.now())


def _order(database: Database, delivery_id: str, to: str, states: Sequence[str], *, act: str, actor: str) -> None:
    d = t.delivery.c
    with database.write() as connection:
        which = select(d.report_id, d.state, d.type).where(d.delivery_id == delivery_id)
        row = connection.execute(which.with_for_update()).first()
        if row is None:
            raise NotPossible("there is no such delivery")
        if row.state not in states:
            raise NotPossible(f"it is {row.state}; that can be done with {', '.join(states)} only")
        if to == "cancelled" and not _another_alive(connection, delivery_id, row.report_id):
            raise NotPossible("it is the last one alive of its report; give the report to somebody else first")
        values = _again(database, row.state) if to == "due" else {"state": to, "lease_by": None, "lease_until": None}
        connection.execute(update(t.delivery).where(d.delivery_id == delivery_id).values(values))
        outbox.moved(connection, delivery_id, row.report_id, act=act, actor=actor, now=database.now())


def _again(database: Database, state: str) -> dict[str, Any]:
    now = database.now_sql()
    if state == "due":
        return {"next_at": now}
    values = {"state": "due", "next_at": now, "attempt": 0, "last_class": None, "told_at": None}
    return values | {"created_at": now} if state == "parked" else values  # or its 14 days would be over at once


def _another_alive(connection: Connection, delivery_id: str, report_id: str) -> bool:
    d = t.delivery.c
    alive = and_(d.report_id == report_id, d.delivery_id != delivery_id, d.state.in_(("due", "delivered")))
    query = select(d.delivery_id).where(alive, d.handling != "rejected", d.type.in_(THE_REPORT))
    return connection.execute(query.limit(1)).first() is not None


def revive(database: Database, hotline: str, actor: str) -> int:
    """The hotline takes reports again: what was refused because it was gone is due. Returns how many."""
    d, h = t.delivery.c, t.hotline_state.c
    lost = and_(d.hotline == hotline, d.state == "refused", or_(d.last_class == "gone", d.last_status == 410))
    with database.write() as connection:
        back = {"dead_since": None, "failures": 0, "open_until": 0, "opened_times": 0}
        connection.execute(update(t.hotline_state).where(h.hotline == hotline).values(back))
        rows = connection.execute(select(d.delivery_id, d.report_id).where(lost)).all()
        for row in rows:
            again = update(t.delivery).where(d.delivery_id == row.delivery_id).values(_again(database, "refused"))
            connection.execute(again)
            outbox.moved(connection, row.delivery_id, row.report_id, act="retried", actor=actor, now=database.now())
    return len(rows)
