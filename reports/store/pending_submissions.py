"""What files itself when its time has come: danger = now and the line dropped, words never sent, answers of Add more.

The rows of `pending` were sealed and routed by `web`; nothing is routed or opened here. The row is deleted first, in
the same transaction: a `web` that replaces it at that moment wins whole or loses whole.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Connection, and_, delete, select, update

from reports.escalation.priorities import URGENT
from reports.escalation.time_limits import PENDING_REVISION
from reports.retention.rules import ERASED
from reports.store import audit_log, deliveries
from reports.store.deliveries import REPORT_TYPES, is_on_latest_route, new_delivery
from reports.store.engine.database import Database
from reports.store.engine.time_expressions import is_due, period_by_column
from reports.store.escalation import steps
from reports.store.mailboxes import correspondence
from reports.store.schema import tables as t

COMPLETENESS_ORDER = ("unread", "incomplete", "complete")  # a report's completeness only goes up
AUDIT_ACTS = {"rescue": "rescued", "words": "words_filed", "update": "updated", "unread": "unread_filed"}


@dataclass(frozen=True, slots=True)
class RevisionEffect:
    """What a revision made of a report: complete, which it was not before; P1 or P2, and so more urgent."""

    complete: bool = False
    urgent: bool = False


def list_due(database: Database, at_most: int = 50) -> list[bytes]:
    """Origin keys (as they are in `pending`) whose time has come, oldest first: give each to `file_pending`."""
    p = t.pending.c
    with database.read() as connection:
        query = select(p.origin_key, p.due_at).where(_is_due(database)).distinct().order_by(p.due_at)
        return list(dict.fromkeys(row.origin_key for row in connection.execute(query.limit(at_most * 3))))[:at_most]


def _is_due(database: Database) -> ColumnElement[bool]:
    p = t.pending.c
    return is_due(p.due_at, database.now_sql(), period_by_column(PENDING_REVISION, p.kind))


def submit_due(database: Database, origin_key: bytes) -> list[tuple[str, str]]:
    """One transaction; returns (delivery_id, priority) of what is now due. Empty: it was replaced, dropped or sent."""
    p = t.pending.c
    ripe = (p.origin_key == origin_key) & _is_due(database)
    with database.write() as connection:
        rows = connection.execute(delete(t.pending).where(ripe).returning(*p)).all()
        if not rows:
            return []
        rows = sorted(rows, key=lambda row: row.rank)
        now = database.moment(connection)
        return _file(connection, database, rows, now)


def _file(connection: Connection, database: Database, rows: Sequence[Any], now: int) -> list[tuple[str, str]]:
    first = rows[0]
    if _is_erased(connection, first.report_id):  # its reporter has deleted it since: nothing of it comes back
        audit_log.append(connection, "clock", "not_filed:erased", first.report_id, now)
        return []
    fresh, risen = _insert_report(connection, database, first), RevisionEffect()
    if not fresh:
        if _is_filed(connection, rows):
            return []
        risen = _raise_report(connection, database, first, now)
        if risen.complete:
            _cancel_left_out(connection, rows, now)
    _insert_bodies(connection, database, rows)
    if risen.urgent:
        _reset_handling(connection, first.report_id, now)
    made = _insert_deliveries(connection, database, rows, now)
    audit_log.append(connection, "clock", AUDIT_ACTS[first.kind], first.report_id, now)
    for delivery_id, _ in made:
        audit_log.append(connection, "clock", "made", delivery_id, now)
    for row in rows:
        made += correspondence.deliver_missing_messages(connection, database, row.report_id, row.recipient, now)
    deliveries.update_report_state(connection, first.report_id, now)
    return made


def _insert_report(connection: Connection, database: Database, row: Any) -> bool:
    r = t.report.c
    names = ("report_id", "origin_key", "revision", "created_at", "country", "priority", "completeness", "mode")
    values = {name: getattr(row, name) for name in names} | {"state": "queued", "desk": None}
    holder = connection.execute(select(r.report_id).where(r.origin_key == row.origin_key)).scalar()
    if holder is not None and holder != row.report_id:
        # Two reports under one origin key: cannot happen, and if it does, both are kept and nothing is lost.
        values["origin_key"] = hashlib.sha256(row.origin_key + row.report_id.encode()).digest()
    return bool(connection.execute(database.insert_new(t.report).values(values)).rowcount)


def _is_erased(connection: Connection, report_id: str) -> bool:
    p = t.purged.c
    query = select(p.report_id).where(p.report_id == report_id, p.rule == ERASED.name)
    return connection.execute(query).first() is not None


def _is_filed(connection: Connection, rows: Sequence[Any]) -> bool:
    b = t.report_body.c
    same = (b.report_id == rows[0].report_id) & (b.revision == rows[0].revision)
    query = select(b.recipient).where(same, b.recipient.in_([row.recipient for row in rows]))
    return connection.execute(query.limit(1)).first() is not None


def _raise_report(connection: Connection, database: Database, row: Any, now: int) -> RevisionEffect:
    r = t.report.c
    query = select(r.revision, r.priority, r.completeness).where(r.report_id == row.report_id).with_for_update()
    there = connection.execute(query).one()
    priority = min(there.priority, row.priority)
    completeness = max(there.completeness, row.completeness, key=COMPLETENESS_ORDER.index)
    values = {"revision": max(there.revision, row.revision), "priority": priority, "completeness": completeness}
    connection.execute(update(t.report).where(r.report_id == row.report_id).values(values))
    if priority < there.priority:
        steps.start_raised(connection, database, row.report_id, priority, now)
    d = t.delivery.c
    slower = and_(d.report_id == row.report_id, d.state == "due", d.priority > priority)
    connection.execute(update(t.delivery).where(slower).values(priority=priority))
    is_urgent = priority in URGENT and priority < there.priority
    return RevisionEffect(completeness == "complete" != there.completeness, is_urgent)


def _reset_handling(connection: Connection, report_id: str, now: int) -> None:
    """Whoever took it on took on less: until a person says so again, the urgent clock runs (docs/clocks.md). What they
    found of it before, a hoax too, was of what it was before.
    """
    d, h = t.delivery.c, t.holding.c
    had = and_(
        d.report_id == report_id, d.type.in_(REPORT_TYPES), d.handling.in_(steps.ACKNOWLEDGED), is_on_latest_route(d)
    )
    given_back = update(t.delivery).where(had).values(handling="none").returning(d.delivery_id, d.hotline)
    for row in connection.execute(given_back).all():
        theirs = and_(h.report_id == report_id, h.hotline == row.hotline)
        nothing = dict.fromkeys(("holder", "handed_by", "outcome", "hoax_by"))
        connection.execute(update(t.holding).where(theirs).values(nothing))
        audit_log.append(connection, "clock", "raised", row.delivery_id, now)


def _cancel_left_out(connection: Connection, rows: Sequence[Any], now: int) -> None:
    """What was never sent may still wait for a hotline that the reporter has left out since (S-26)."""
    d = t.delivery.c
    gets_it = [row.recipient for row in rows if row.role != "held"]
    left_out = (d.report_id == rows[0].report_id) & (d.state == "due") & d.hotline.not_in(gets_it)
    ended = update(t.delivery).where(left_out).values(state="cancelled", lease_by=None, lease_until=None)
    for delivery_id in connection.execute(ended.returning(d.delivery_id)).scalars().all():
        audit_log.append(connection, "clock", "cancelled:left_out", delivery_id, now)


def _insert_bodies(connection: Connection, database: Database, rows: Sequence[Any]) -> None:
    for row in rows:
        ids = {"report_id": row.report_id, "revision": row.revision}
        body = {"key_id": row.key_id, "wrap": row.wrap, "head": row.head, "sealed": row.sealed}
        connection.execute(database.insert_new(t.report_body).values(ids | {"recipient": row.recipient} | body))
        if row.role != "held":
            leg = {"hotline": row.recipient, "role": row.role, "rank": row.rank, "why": row.why}
            connection.execute(database.insert_new(t.route).values(ids | leg))


def _insert_deliveries(
    connection: Connection, database: Database, rows: Sequence[Any], now: int
) -> list[tuple[str, str]]:
    """`updated` to whom the report was made out before; else `created`, to primary and also."""
    d = t.delivery.c
    report_id = rows[0].report_id
    query = select(d.hotline).where(d.report_id == report_id, d.type.in_(REPORT_TYPES))
    had = set(connection.execute(query).scalars())
    priority = connection.execute(select(t.report.c.priority).where(t.report.c.report_id == report_id)).scalar_one()
    made = []
    for row in rows:
        kind = _type(row, row.recipient in had)
        if kind is not None:
            values = new_delivery(
                row.report_id, row.recipient, kind=kind, revision=row.revision, priority=priority, now=now
            )
            values |= {"role": row.role, "why": row.why}
            if connection.execute(database.insert_new(t.delivery).values(values)).rowcount:
                made.append((str(values["delivery_id"]), priority))
    return made


def _type(row: Any, had: bool) -> str | None:
    if had:
        return "updated"
    if row.role not in ("primary", "also"):
        return None
    return "unread" if row.kind == "unread" else "created"
