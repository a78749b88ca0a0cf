"""The fallbacks of a report: who got it, who is next. What decides is pure and lives with the clock."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Connection, and_, exists, func, insert, or_, select

from reports.store import outbox
from reports.store import tables as t
from reports.store.database import Database
from reports.store.maturing import new_delivery


@dataclass(frozen=True, slots=True)
class Tried:
    """One hotline of the chain (primary, then fallbacks) that was given the report; `waited` in microseconds."""

    hotline: str
    state: str
    handling: str
    last_class: str
    gone: bool
    waited: int


@dataclass(frozen=True, slots=True)
class Chain:
    """`tried` in the order made; `left`: the fallbacks that have not been given it, in order."""

    report_id: str
    priority: str
    tried: tuple[Tried, ...]
    left: tuple[str, ...]


def stuck(database: Database, waits: Mapping[str, int], at_most: int = 200) -> list[str]:
    """Reports that may need a fallback: nobody of the chain has got it, and there is somebody left to ask.

    `waits`: priority → microseconds without a receipt.
    """
    d, r = t.delivery.c, t.route.c
    other = t.delivery.alias("other").c
    given = exists().where(other.report_id == d.report_id, other.hotline == r.hotline, other.type == "created")
    left = exists().where(r.report_id == d.report_id, r.role == "fallback", ~given)
    trouble = or_(d.state.in_(("refused", "parked")), d.last_class.like("refused%"), d.handling == "rejected")
    now = database.now_sql()
    late = or_(*(and_(d.priority == priority, d.created_at <= now - wait) for priority, wait in waits.items()))
    in_chain = and_(d.type == "created", d.role.in_(("primary", "fallback")))
    has_it = exists().where(other.report_id == d.report_id, other.type == "created", other.role != "also", *_has(other))
    query = select(d.report_id).where(in_chain, or_(trouble, late), left, ~has_it)
    with database.read() as connection:
        return list(connection.execute(query.distinct().limit(at_most)).scalars())


def _has(c: Any) -> tuple[ColumnElement[bool], ...]:
    return c.state == "delivered", c.handling != "rejected"


def chain(database: Database, report_id: str) -> Chain:
    with database.read() as connection:
        return _chain(connection, database, report_id)


def _chain(connection: Connection, database: Database, report_id: str) -> Chain:
    d, r, h = t.delivery.c, t.route.c, t.hotline_state.c
    priority = connection.execute(select(t.report.c.priority).where(t.report.c.report_id == report_id)).scalar_one()
    waited = database.now_sql() - d.created_at
    last_class, gone = func.coalesce(d.last_class, ""), h.dead_since.is_not(None)
    rows = connection.execute(
        select(d.hotline, d.state, d.handling, last_class, gone, waited, d.role)
        .outerjoin_from(t.delivery, t.hotline_state, h.hotline == d.hotline)
        .where(d.report_id == report_id, d.type == "created")
        .order_by(d.created_at, d.delivery_id)
    ).all()
    tried = tuple(Tried(*row[:6]) for row in rows if row[6] != "also")
    given = {row[0] for row in rows}
    latest = select(func.max(r.revision)).where(r.report_id == report_id).scalar_subquery()
    legs = select(r.hotline).where(r.report_id == report_id, r.revision == latest, r.role == "fallback")
    left = [hotline for hotline in connection.execute(legs.order_by(r.rank)).scalars() if hotline not in given]
    return Chain(report_id, priority, tried, tuple(left))


def add_fallback(database: Database, report_id: str, hotline: str, why: str) -> tuple[str, str] | None:
    """A new row with a key of its own; the rows before it go on. None where it was made in the meantime."""
    b = t.report_body.c
    newest = select(func.max(b.revision)).where(b.report_id == report_id, b.recipient == hotline)
    with database.write() as connection:
        before = _chain(connection, database, report_id)
        revision = connection.execute(newest).scalar()
        if hotline not in before.left or revision is None:
            return None
        now = int(connection.execute(select(database.now_sql())).scalar_one())
        row = new_delivery(report_id, hotline, kind="created", revision=revision, priority=before.priority, now=now)
        connection.execute(insert(t.delivery), row | {"role": "fallback", "why": why})
        outbox.moved(connection, str(row["delivery_id"]), report_id, act="made", actor="clock", now=now)
        return str(row["delivery_id"]), before.priority
