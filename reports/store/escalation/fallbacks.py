"""The fallbacks of a report: who got it, who is next. What decides is pure and lives with the clock."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, and_, bindparam, exists, func, insert, or_, select

from reports.store import outbox
from reports.store.deliveries import UNDELIVERED, new_delivery
from reports.store.engine.database import Database
from reports.store.mailboxes import correspondence
from reports.store.schema import tables as t


@dataclass(frozen=True, slots=True)
class TriedHotline:
    """One hotline of the chain (primary, then fallbacks) that was given the report; `waited` in microseconds.

    Where it has the report but not what has made it more urgent since, it is this update that is told of.
    """

    hotline: str
    state: str
    handling: str
    last_class: str
    gone: bool
    waited: int


@dataclass(frozen=True, slots=True)
class FallbackChain:
    """`tried` in the order made; `left`: the fallbacks that have not been given it, in order."""

    report_id: str
    priority: str
    tried: tuple[TriedHotline, ...]
    left: tuple[str, ...]


def list_stuck(database: Database, waits: Mapping[str, int], at_most: int = 200) -> list[str]:
    """Reports that may need a fallback: nobody of the chain has got it, and there is somebody left to ask.

    `waits`: priority → microseconds without a receipt.
    """
    d, r = t.delivery.c, t.route.c
    other = t.delivery.alias("other").c
    given = exists().where(other.report_id == r.report_id, other.hotline == r.hotline, other.type == "created")
    left = exists().where(r.report_id == d.report_id, r.role == "fallback", ~given)
    now = database.now_sql()
    in_chain = and_(d.type == "created", d.role.in_(("primary", "fallback")))
    newer = t.delivery.alias("newer").c
    stands = or_(d.handling == "rejected", _stands_still(d, now, waits))
    stands |= exists().where(*_lacks(d, newer), _stands_still(newer, now, waits))
    has_it = exists().where(other.report_id == d.report_id, other.type == "created", other.role != "also", *_has(other))
    query = select(d.report_id).where(in_chain, stands, left, ~has_it)
    with database.read() as connection:
        return list(connection.execute(query.distinct().limit(at_most)).scalars())


def _stands_still(c: Any, now: ColumnElement[int], waits: Mapping[str, int]) -> ColumnElement[bool]:
    late = (and_(c.priority == priority, c.created_at <= now - wait) for priority, wait in waits.items())
    return or_(c.state.in_(("refused", "parked")), c.last_class.like("refused%"), *late)


def _has(c: Any) -> tuple[ColumnElement[bool], ...]:
    return c.state == "delivered", c.handling != "rejected", ~exists().where(*_lacks(c, t.delivery.alias("lacking").c))


def _lacks(c: Any, newer: Any) -> tuple[ColumnElement[bool], ...]:
    """`newer`: an update of what the hotline of `c` has got, more urgent than anything that it has got so far."""
    got = t.delivery.alias("got").c
    same = (got.report_id == newer.report_id, got.hotline == newer.hotline, got.type == "updated")
    knows = exists().where(*same, got.state == "delivered", got.priority <= newer.priority)
    of_it = (newer.report_id == c.report_id, newer.hotline == c.hotline, newer.type == "updated")
    open_still = (newer.state.in_(UNDELIVERED), newer.priority < c.priority)
    return c.state == "delivered", *of_it, *open_still, ~knows


def load_chain(database: Database, report_id: str) -> FallbackChain:
    with database.read() as connection:
        return _chain(connection, database, report_id)


def _chain(connection: Connection, database: Database, report_id: str) -> FallbackChain:
    d, h = t.delivery.c, t.hotline_state.c
    priority = connection.execute(select(t.report.c.priority).where(t.report.c.report_id == report_id)).scalar_one()
    waited = database.now_sql() - d.created_at
    last_class, gone = func.coalesce(d.last_class, ""), h.dead_since.is_not(None)
    rows = connection.execute(
        select(d.hotline, d.state, d.handling, last_class, gone, waited, d.role)
        .outerjoin_from(t.delivery, t.hotline_state, h.hotline == d.hotline)
        .where(d.report_id == report_id, d.type == "created")
        .order_by(d.created_at, d.delivery_id)
    ).all()
    lacking = _lacking(connection, database, report_id)
    tried = tuple(TriedHotline(row[0], *lacking.get(row[0], row[1:6])) for row in rows if row[6] != "also")
    return FallbackChain(report_id, priority, tried, remaining_fallbacks(connection, report_id))


def _lacking(connection: Connection, database: Database, report_id: str) -> dict[str, tuple[Any, ...]]:
    """Hotline → what `Tried` says of the first update that makes the report more urgent and has not got through."""
    d, h, newer = t.delivery.c, t.hotline_state.c, t.delivery.alias("newer")
    n = newer.c
    of_it = and_(*_lacks(d, n))
    query = (
        select(d.hotline, n.state, d.handling, func.coalesce(n.last_class, ""), h.dead_since.is_not(None))
        .add_columns(database.now_sql() - n.created_at)
        .join_from(t.delivery, newer, of_it)
        .outerjoin(t.hotline_state, h.hotline == d.hotline)
        .where(d.report_id == report_id, d.type == "created")
        .order_by(n.created_at.desc(), n.delivery_id.desc())
    )
    return {row[0]: tuple(row[1:]) for row in connection.execute(query)}


def add_fallback(database: Database, report_id: str, hotline: str, why: str) -> tuple[str, str] | None:
    """A new row with a key of its own; the rows before it go on. None where it was made in the meantime."""
    with database.write() as connection:
        return insert_fallback(connection, database, report_id, hotline, why)


def remaining_fallbacks(connection: Connection, report_id: str) -> tuple[str, ...]:
    """By a connection that is there: who can get the report and was not given it, in order."""
    return tuple(connection.execute(_LEFT, {"which": report_id}).scalars())


def _left() -> Select[Any]:
    d, r, latest = t.delivery.c, t.route.c, t.route.alias("latest").c
    newest = select(func.max(latest.revision)).where(latest.report_id == bindparam("which")).scalar_subquery()
    given = exists().where(d.report_id == bindparam("which"), d.hotline == r.hotline, d.type == "created")
    legs = select(r.hotline).where(r.report_id == bindparam("which"), r.revision == newest, r.role == "fallback")
    return legs.where(~given).order_by(r.rank)


_LEFT = _left()


def insert_fallback(
    connection: Connection, database: Database, report_id: str, hotline: str, why: str, *, actor: str = "clock"
) -> tuple[str, str] | None:
    """As `add_fallback`, within a transaction of the caller's."""
    b = t.report_body.c
    newest = select(func.max(b.revision)).where(b.report_id == report_id, b.recipient == hotline)
    before = _chain(connection, database, report_id)
    revision = connection.execute(newest).scalar()
    if hotline not in before.left or revision is None:
        return None
    now = database.moment(connection)
    row = new_delivery(report_id, hotline, kind="created", revision=revision, priority=before.priority, now=now)
    connection.execute(insert(t.delivery), row | {"role": "fallback", "why": why})
    outbox.record_change(connection, str(row["delivery_id"]), report_id, act="made", actor=actor, now=now)
    correspondence.deliver_missing_messages(connection, database, report_id, hotline, now)
    return str(row["delivery_id"]), before.priority
