"""One report as the staff of a hotline have it before them, and what they keep beside its handling."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from sqlalchemy import Connection, delete, func, insert, or_, select

from reports.retention import ERASED
from reports.store import auditing, in_hand, news, once, reading
from reports.store import tables as t
from reports.store.accounts import Account
from reports.store.asking import looking_as, see_whole, writing_as
from reports.store.database import Database
from reports.store.deliveries import THE_REPORT
from reports.store.in_hand import Kept, Status, Whose
from reports.store.news import News
from reports.store.reading import Held
from reports.store.taking import Note
from runtime.time_units import HOUR

MANY = 60  # reports that one person reads in an hour; more, and their leads are told


@dataclass(frozen=True, slots=True)
class Before:
    """`held`: None for what nobody could read. `others`: every hotline that was given it, with what it does. `news`:
    since somebody of this hotline read it last; `shown_at`: all that was given until then is here."""

    handling: str
    created_at: int
    others: tuple[Any, ...]
    holding: Mapping[str, Any]
    notes: tuple[Any, ...]
    done: tuple[Any, ...]
    held: Held | None
    news: News
    shown_at: int
    status: Status


def opened(database: Database, account: Account, report_id: str, *, is_read: bool) -> Before:
    """Everything, once it is written down that this person reads it: where that fails, nothing is given (S-23).
    `is_read`: the page was asked for; the answer to a form of an older one shows nothing new to anybody."""
    read_at = _write_down(database, account, report_id, is_read)
    with looking_as(database, account.hotline) as connection:
        shown_at = database.moment(connection)
        new = news.since(connection, account.hotline, report_id, read_at)
        held = reading.held_in(connection, report_id, account.hotline)
        holding = _holding(connection, account.hotline, report_id)
        n = t.note.c
        notes = select(t.note).where(n.report_id == report_id, n.recipient == account.hotline)
        kept = tuple(connection.execute(notes.order_by(n.created_at, n.note_id)))
        done = _done(connection, account.hotline, report_id)
        see_whole(database, connection, report_id)
        d = t.delivery.c
        sent = select(d.hotline, d.role, d.why, d.state, d.handling, d.created_at)
        sent = sent.where(d.report_id == report_id, d.type.in_(THE_REPORT), d.state != "cancelled")
        others = tuple(connection.execute(sent.order_by(d.created_at, d.delivery_id)))
    own = [one for one in others if one.hotline == account.hotline]
    status = Status(own[-1].handling, *(holding[name] for name in ("holder", "handed_by")))
    status = replace(status, changed_at=holding["changed_at"] or 0, changed_by=holding["changed_by"])
    return Before(own[-1].handling, own[0].created_at, others, holding, kept, done, held, new, shown_at, status)


def _write_down(database: Database, account: Account, report_id: str, is_read: bool) -> int:
    """When it was read before; 0: never."""
    now, a, h = database.now(), t.audit.c, t.holding.c
    before = select(h.read_at).where(h.report_id == report_id, h.hotline == account.hotline)
    read = select(func.count(func.distinct(a.object_id)))
    read = read.where(a.actor == account.actor, a.act == "read", a.at > now - HOUR)
    told = select(a.audit_id).where(a.actor == account.actor, a.act == "read_many", a.at > now - HOUR).limit(1)
    with writing_as(database, account.hotline) as connection:
        auditing.note(connection, account.actor, "read", report_id, now)
        if connection.execute(read).scalar_one() > MANY and connection.execute(told).first() is None:
            auditing.note(connection, account.actor, "read_many", account.staff_id, now)
        read_at = connection.execute(before).scalar() or 0
        if is_read:  # by the clock that what its reporter says next is given: by another one it could pass for read
            in_hand.put(connection, database, account.hotline, report_id, {"read_at": database.now_sql()})
    return read_at


def _holding(connection: Connection, hotline: str, report_id: str) -> Mapping[str, Any]:
    h = t.holding.c
    row = connection.execute(select(t.holding).where(h.report_id == report_id, h.hotline == hotline)).first()
    return dict(row._mapping) if row else dict.fromkeys(column.name for column in t.holding.columns)


def _done(connection: Connection, hotline: str, report_id: str) -> tuple[Any, ...]:
    """Who did what with it, as far as this hotline may see it."""
    a, d = t.audit.c, t.delivery.c
    its = select(d.delivery_id).where(d.report_id == report_id, d.hotline == hotline)
    query = select(a.at, a.actor, a.act).where(or_(a.object_id == report_id, a.object_id.in_(its)))
    return tuple(connection.execute(query.order_by(a.at, a.audit_id)))


def keep(
    database: Database, account: Account, report_id: str, kept: Kept, key: bytes | None = None, *, status: str
) -> None:
    """Nothing changes for other hotlines; `key`: of the form that says so, which has no second effect. `status`: the
    key of the status that stood on the page. Raises ChangedMeanwhile."""
    whose = Whose(account.hotline, report_id, account.actor)
    with writing_as(database, account.hotline) as connection:
        in_hand.lock(connection, report_id)
        if once.is_first(connection, database, key):
            in_hand.refuse_changed(connection, database, whose, in_hand.handling(connection, whose), status)
            in_hand.keep(connection, database, whose, kept)
            if "holder" in kept.values:
                in_hand.changed(connection, database, whose)


def status(database: Database, account: Account, report_id: str) -> Status:
    """Of a report that is known to be this hotline's."""
    whose = Whose(account.hotline, report_id, account.actor)
    with looking_as(database, account.hotline) as connection:
        return in_hand.status(connection, whose.hotline, report_id, in_hand.handling(connection, whose))


def holding(database: Database, account: Account, report_id: str) -> Mapping[str, Any]:
    with looking_as(database, account.hotline) as connection:
        return _holding(connection, account.hotline, report_id)


def was_there(database: Database, account: Account, report_id: str) -> bool:
    """Whether this person had their account before the report was begun."""
    query = select(t.report.c.created_at).where(t.report.c.report_id == report_id)
    with looking_as(database, account.hotline) as connection:
        begun = connection.execute(query).scalar()
    return begun is not None and account.created_at < begun


def was_deleted(database: Database, account: Account, report_id: str) -> bool:
    """Return whether this hotline had the report and its reporter deleted it; nothing of it is left here."""
    p, r = t.purged.c, t.receipt.c
    had = select(r.report_id).where(r.report_id == report_id, r.hotline == account.hotline).exists()
    query = select(p.report_id).where(p.report_id == report_id, p.rule == ERASED.name, had)
    with looking_as(database, account.hotline) as connection:
        return connection.execute(query).first() is not None


def write_note(database: Database, account: Account, note: Note, key: bytes | None = None) -> None:
    """For colleagues; nothing else changes. `key`: as in `keep`."""
    now = database.now()
    with writing_as(database, account.hotline) as connection:
        if not once.is_first(connection, database, key):
            return
        connection.execute(insert(t.note), asdict(note) | {"actor": account.actor, "created_at": now})
        auditing.note(connection, account.actor, "noted", note.report_id, now)


def keep_away(database: Database, lead: Account, report_id: str, staff_id: str, *, away: bool) -> None:
    k, now = t.kept_away.c, database.now()
    with writing_as(database, lead.hotline) as connection:
        if away:
            connection.execute(delete(t.draft).where(t.draft.c.report_id == report_id, t.draft.c.staff_id == staff_id))
            connection.execute(database.insert_new(t.kept_away).values(report_id=report_id, staff_id=staff_id))
        else:
            connection.execute(delete(t.kept_away).where(k.report_id == report_id, k.staff_id == staff_id))
        act = "kept_away" if away else "let_near"
        auditing.note(connection, lead.actor, act, report_id, now)


def away_from(database: Database, report_id: str) -> frozenset[str]:
    with database.read() as connection:
        query = select(t.kept_away.c.staff_id).where(t.kept_away.c.report_id == report_id)
        return frozenset(connection.execute(query).scalars())
