"""Makes the deliveries of what reporters say by My report, to whoever was given the report. The clock's work."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, exists, func, select, update

from reports.store import auditing
from reports.store import tables as t
from reports.store.database import Database
from reports.store.deliveries import THE_REPORT, new_delivery

Made = list[tuple[str, str]]  # delivery_id, priority


def unnumbered(database: Database, at_most: int = 200) -> list[tuple[str, str]]:
    """(message_id, report_id) of what was said and no delivery was made of yet, the oldest first."""
    m = t.message.c
    query = select(m.message_id, m.report_id, func.min(m.created_at)).where(m.number.is_(None))
    query = query.group_by(m.message_id, m.report_id).order_by(func.min(m.created_at), m.message_id).limit(at_most)
    with database.read() as connection:
        return [(row[0], row[1]) for row in connection.execute(query)]


def make_deliveries(database: Database, message_id: str, report_id: str) -> Made:
    """Number the message, once, and send it to each of its hotlines that was given the report."""
    m, d = t.message.c, t.delivery.c
    highest = select(func.coalesce(func.max(m.number), 0)).where(m.report_id == report_id, m.number.is_not(None))
    given = select(d.hotline).where(d.report_id == report_id, d.type.in_(THE_REPORT))
    with database.write() as connection:
        connection.execute(select(t.report.c.report_id).where(t.report.c.report_id == report_id).with_for_update())
        number = connection.execute(highest).scalar_one() + 1
        new = update(t.message).where(m.message_id == message_id, m.number.is_(None)).values(number=number)
        if not connection.execute(new).rowcount:
            return []
        hotlines = connection.execute(given.order_by(d.created_at, d.delivery_id)).scalars().all()
        now = database.moment(connection)
        return [made for one in dict.fromkeys(hotlines) for made in give(connection, database, report_id, one, now)]


def give(connection: Connection, database: Database, report_id: str, hotline: str, now: int) -> Made:
    """All that was said and this hotline was not sent yet, now that it is given the report."""
    m, d = t.message.c, t.delivery.c
    sent = exists().where(d.report_id == report_id, d.hotline == hotline, d.type == "message", d.revision == m.number)
    mine = (m.report_id == report_id, m.recipient == hotline, m.number.is_not(None), ~sent)
    numbers = connection.execute(select(m.number).where(*mine).order_by(m.number)).scalars().all()
    leg = _leg(connection, report_id, hotline) if numbers else None
    if leg is None:
        return []
    made = []
    for number in numbers:
        row = new_delivery(report_id, hotline, kind="message", revision=number, priority=leg.priority, now=now)
        row |= {"role": leg.role, "why": leg.why}
        if connection.execute(database.insert_new(t.delivery).values(row)).rowcount:
            auditing.note(connection, "clock", "made", str(row["delivery_id"]), now)
            made.append((str(row["delivery_id"]), str(leg.priority)))
    return made


def _leg(connection: Connection, report_id: str, hotline: str) -> Any:
    """Why this hotline has the report; None where it does not, or has handed it back."""
    d, r = t.delivery.c, t.report.c
    has = (d.report_id == report_id, d.hotline == hotline, d.type.in_(THE_REPORT))
    alive = (d.state != "cancelled", d.handling != "rejected")
    query = select(d.role, d.why, r.priority).join_from(t.delivery, t.report, r.report_id == d.report_id)
    return connection.execute(query.where(*has, *alive).limit(1)).first()
