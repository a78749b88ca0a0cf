"""What the clock looks for in the database, and what it tidies. Each function is one short transaction or one read."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import and_, bindparam, delete, func, select, update

from reports import audit
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


def forget_inbound(database: Database, older_than: int) -> int:
    """Which SMS were taken in; words that still wait to be played stay."""
    i = t.inbound.c
    with database.write() as connection:
        old = delete(t.inbound).where(i.seen_at < database.now_sql() - older_than, i.waiting.is_(None))
        return connection.execute(old).rowcount


def forget_outgoing(database: Database, older_than: int) -> int:
    """Replies that were sent, failed or expired, once no delivery report can come any more."""
    o = t.outgoing.c
    with database.write() as connection:
        old = delete(t.outgoing).where(o.state != "due", o.created_at < database.now_sql() - older_than)
        return connection.execute(old).rowcount


def chain_audit(database: Database, at_most: int = 500) -> int:
    """Number and chain the audit rows that are new. Only the leading clock does this."""
    a = t.audit.c
    columns = (a.audit_id, a.at, a.actor, a.act, a.object_id)
    with database.write() as connection:
        rows = connection.execute(
            select(*columns).where(a.seq.is_(None)).order_by(a.at, a.audit_id).limit(at_most)
        ).all()
        if not rows:
            return 0
        tail = select(a.seq, a.prev_hash, a.hash).where(a.seq.is_not(None)).order_by(a.seq.desc()).limit(1)
        last = connection.execute(tail).first()
        entries = [audit.Entry(*row) for row in rows]
        places = [
            {"which": entry.audit_id, "seq": link.seq, "prev_hash": link.prev_hash, "hash": link.hash}
            for entry, link in audit.extend(audit.Link(*last) if last else None, entries)
        ]
        connection.execute(update(t.audit).where(a.audit_id == bindparam("which"), a.seq.is_(None)), places)
    return len(rows)


def unchained_since(database: Database) -> int | None:
    """When the oldest audit row was written that is not chained yet; None where all are."""
    a = t.audit.c
    with database.read() as connection:
        return connection.execute(select(func.min(a.at)).where(a.seq.is_(None))).scalar()


def audited(database: Database, after: int = 0, at_most: int = 1000) -> list[tuple[audit.Entry, audit.Link]]:
    """Chained rows in order, a page at a time, for whoever verifies the chain."""
    a = t.audit.c
    columns = (a.audit_id, a.at, a.actor, a.act, a.object_id, a.seq, a.prev_hash, a.hash)
    with database.read() as connection:
        rows = connection.execute(select(*columns).where(a.seq > after).order_by(a.seq).limit(at_most)).all()
    return [(audit.Entry(*row[:5]), audit.Link(*row[5:])) for row in rows]


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


def led_until(database: Database, name: str) -> int | None:
    """Until when the last holder of a lease had it; None where nobody ever had."""
    with database.read() as connection:
        return connection.execute(select(t.lease.c.until).where(t.lease.c.name == name)).scalar()
