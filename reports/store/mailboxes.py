"""My report, as `web` has it: what is read with code and PIN, and what is said there. It never reads a body."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from sqlalchemy import ColumnElement, Connection, exists, func, select, update

from reports.clocks import OVERDUE
from reports.store import auditing
from reports.store import tables as t
from reports.store.database import Database

EMPTY = b""


class Closed(Exception):
    """The report was deleted by who made it, or purged."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a hotline wrote, sealed to the mailbox."""

    answer_id: str
    sealed: bytes


@dataclass(frozen=True, slots=True)
class Opened:
    """How a report stands, and what there is for who has its code and PIN; the newest answer first.

    `state`: as it is stored, or overdue.
    """

    report_id: str
    state: str
    desk: str | None
    sealed_key: bytes
    answers: tuple[Answer, ...]
    country: str = ""
    priority: str = ""


@dataclass(frozen=True, slots=True)
class Letter:
    """What one hotline of the route may open of a message."""

    recipient: str
    key_id: str
    wrap: bytes
    sealed: bytes


def opened(database: Database, report_id: str) -> Opened | None:
    """None for a report that is gone."""
    r, m, a = t.report.c, t.mailbox.c, t.answer.c
    with database.read() as connection:
        query = select(r.country, r.priority, r.state, r.desk, m.sealed_key, _overdue(database).label("overdue"))
        query = query.join_from(t.report, t.mailbox, m.report_id == r.report_id)
        row = connection.execute(query.where(r.report_id == report_id)).first()
        if row is None:
            return None
        answers = select(a.answer_id, a.sealed).where(a.report_id == report_id)
        found = connection.execute(answers.order_by(a.created_at.desc(), a.answer_id.desc()))
        letters = tuple(Answer(*one) for one in found)
        state = "overdue" if row.state == "delivered" and row.overdue else row.state
        return Opened(report_id, state, row.desk, row.sealed_key, letters, row.country, row.priority)


def _overdue(database: Database) -> ColumnElement[bool]:
    """Whether the time has passed in which a person was to take the report on, as urgent as it is now."""
    r, s = t.report.c, t.step.c
    mine = (s.report_id == r.report_id, s.priority == r.priority, s.step == OVERDUE)
    return exists(select(s.report_id).where(*mine, s.due_at <= database.now_sql()).correlate(t.report))


def routed(database: Database, report_id: str) -> tuple[str, tuple[str, ...]]:
    """(country, the hotlines of the latest route): who is told what is said from now on. None: nobody could take it."""
    r, w = t.report.c, t.route.c
    latest = select(func.max(w.revision)).where(w.report_id == report_id).scalar_subquery()
    with database.read() as connection:
        country = connection.execute(select(r.country).where(r.report_id == report_id)).scalar() or ""
        hotlines = select(w.hotline).where(w.report_id == report_id, w.revision == latest)
        return country, tuple(connection.execute(hotlines.order_by(w.hotline)).scalars())


def say(
    database: Database,
    report_id: str,
    message_id: str,
    letters: Sequence[Letter],
    kind: str,
    *,
    allowed: bool | None = None,
    close: bool = False,
) -> None:
    """Keep a message for the hotlines; `allowed`: whether a number may be used from now on. Once for each id.

    Raises Closed where it was deleted meanwhile, on another phone: then contact has ended, and nobody gives it again;
    or where it was purged: nobody would hear it.
    """
    now = database.now()
    rows = [asdict(one) | {"message_id": message_id, "report_id": report_id, "created_at": now} for one in letters]
    with database.write() as connection:
        if not close and _is_closed(connection, report_id):
            raise Closed
        fresh = connection.execute(database.insert_new(t.message).values(rows)).rowcount
        if not fresh:
            return
        if allowed is not None:
            _note_contact(connection, database, report_id, allowed=allowed, now=now)
        if close:
            _close(connection, report_id)
            _ask_to_delete(connection, report_id, now)
        auditing.note(connection, "web", kind, report_id, now)


def _is_closed(connection: Connection, report_id: str) -> bool:
    """Or gone. A purge takes the mailbox first, and waits for who holds it here."""
    m = t.mailbox.c
    found = select(m.sealed_key).where(m.report_id == report_id).with_for_update(read=True, key_share=True)
    return connection.execute(found).scalar() in (EMPTY, None)


def _note_contact(connection: Connection, database: Database, report_id: str, *, allowed: bool, now: int) -> None:
    values: dict[str, Any] = {"allowed": int(allowed), "changed_at": now}
    if not connection.execute(database.insert_new(t.contact).values(values | {"report_id": report_id})).rowcount:
        connection.execute(update(t.contact).where(t.contact.c.report_id == report_id).values(values))


def _close(connection: Connection, report_id: str) -> None:
    """Without its key nobody opens what was answered, and it looks like a wrong code."""
    closed = {"public_key": EMPTY, "sealed_key": EMPTY}
    connection.execute(update(t.mailbox).where(t.mailbox.c.report_id == report_id).values(closed))


def _ask_to_delete(connection: Connection, report_id: str, now: int) -> None:
    """The clock deletes it as soon as its deliveries have ended: web must not be able to."""
    connection.execute(update(t.report).where(t.report.c.report_id == report_id).values(delete_asked_at=now))
