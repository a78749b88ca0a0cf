"""A report as one hotline may open it, for a person of the operator who acts for it. Ids and sealed bytes only."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection, literal, select

from reports.store import tables as t
from reports.store.database import Database
from reports.store.leased import Body


@dataclass(frozen=True, slots=True)
class Held:
    """`report`: the highest revision; `messages`: what was said by My report since, the oldest first.

    `withdrawn`: the reporter has taken back that a number may be used.
    """

    mode: str
    revision: int
    withdrawn: bool
    report: Body
    messages: tuple[Body, ...]


def held(database: Database, report_id: str, hotline: str) -> Held | None:
    """None where this hotline was not given the report: a wrap alone is not a right."""
    with database.read() as connection:
        return held_in(connection, report_id, hotline)


def held_in(connection: Connection, report_id: str, hotline: str) -> Held | None:
    """As `held`, by a connection that says for whom it asks."""
    r, b, c, d, m = t.report.c, t.report_body.c, t.contact.c, t.delivery.c, t.message.c
    theirs = (d.report_id == report_id, d.hotline == hotline, d.type.in_(("created", "updated")))
    newest = select(r.mode, c.allowed, b.revision, b.key_id, b.wrap, b.head, b.sealed)
    newest = newest.join_from(t.report, t.report_body, b.report_id == r.report_id)
    newest = newest.outerjoin(t.contact, c.report_id == r.report_id)
    newest = newest.where(
        r.report_id == report_id, b.recipient == hotline, b.revision.in_(select(d.revision).where(*theirs))
    )
    said = select(m.key_id, m.wrap, literal(b""), m.sealed, m.message_id)
    said = said.where(m.report_id == report_id, m.recipient == hotline, m.number.is_not(None)).order_by(m.number)
    row = connection.execute(newest.order_by(b.revision.desc()).limit(1)).first()
    if row is None:
        return None
    messages = tuple(Body(*one) for one in connection.execute(said))
    body = Body(row.key_id, row.wrap, row.head, row.sealed)
    return Held(row.mode, row.revision, row.allowed == 0, body, messages)
