"""What the clock looks for in the database, and what it tidies. Each function is one short transaction or one read."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import and_, func, select, update

from reports.store import outbox
from reports.store import tables as t
from reports.store.database import Database
from reports.store.deliveries import UNDELIVERED


def due(database: Database, priorities: Sequence[str], at_most: int = 500) -> list[tuple[str, str]]:
    """(delivery_id, priority) of what could be sent now, the most urgent first."""
    d = t.delivery.c
    query = select(d.delivery_id, d.priority).where(d.priority.in_(priorities))
    query = query.where(outbox.may_be_taken(database.now_sql())).order_by(d.priority, d.next_at).limit(at_most)
    with database.read() as connection:
        return [(row[0], row[1]) for row in connection.execute(query)]


def refuse_for_the_dead(database: Database, at_most: int = 500) -> list[str]:
    """What is due to a hotline that answered 410 is refused, so that its fallback starts and a person is told."""
    d, h = t.delivery.c, t.hotline_state.c
    query = select(d.delivery_id, d.report_id).join_from(t.delivery, t.hotline_state, h.hotline == d.hotline)
    query = query.where(d.state == "due", h.dead_since.is_not(None)).limit(at_most)
    with database.read() as connection:
        rows = connection.execute(query).all()
    return [row.delivery_id for row in rows if _end(database, row, "refused", "gone", d.state == "due")]


def park(database: Database, older_than: int, at_most: int = 500) -> list[str]:
    """After so many microseconds: a loss of hope, not of data. Nothing parked is ever purged."""
    d = t.delivery.c
    old = and_(d.state == "due", d.created_at <= database.now_sql() - older_than)
    with database.read() as connection:
        rows = connection.execute(select(d.delivery_id, d.report_id).where(old).limit(at_most)).all()
    return [row.delivery_id for row in rows if _end(database, row, "parked", "parked", old)]


def _end(database: Database, row: Any, state: str, why: str, still: Any) -> bool:
    values = {"state": state, "last_class": why, "told_at": None, "lease_by": None, "lease_until": None}
    with database.write() as connection:
        ended = update(t.delivery).where(t.delivery.c.delivery_id == row.delivery_id, still).values(values)
        if not connection.execute(ended).rowcount:
            return False
        now = database.moment(connection)
        outbox.moved(connection, row.delivery_id, row.report_id, act=state, actor="clock", now=now)
    return True


def oldest(database: Database) -> dict[str, int]:
    """Priority → age in microseconds of its oldest undelivered delivery, refused and parked ones too."""
    d = t.delivery.c
    age = database.now_sql() - func.min(d.created_at)
    with database.read() as connection:
        rows = connection.execute(select(d.priority, age).where(d.state.in_(UNDELIVERED)).group_by(d.priority))
        return {row[0]: row[1] for row in rows}


def undelivered(database: Database) -> dict[tuple[str, str], int]:
    """(state, priority) → how many deliveries. What was delivered is not looked at."""
    d = t.delivery.c
    query = select(d.state, d.priority, func.count()).where(d.state.in_(UNDELIVERED)).group_by(d.state, d.priority)
    with database.read() as connection:
        return {(row[0], row[1]): row[2] for row in connection.execute(query)}
