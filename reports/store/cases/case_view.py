"""A report as one hotline may open it, for a person of the operator who acts for it. Ids and sealed bytes only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from sqlalchemy import Connection, delete, func, insert, literal, or_, select

from reports.retention.rules import ERASED
from reports.store import audit_log
from reports.store.cases import case_actions, case_status
from reports.store.cases.case_actions import SealedNote
from reports.store.cases.case_list import ADDITION_TYPES, BODY_TYPES
from reports.store.cases.case_status import CaseChange, CaseRef, CaseStatus
from reports.store.deliveries import REPORT_TYPES
from reports.store.engine.database import Database
from reports.store.outbox import StoredBody
from reports.store.privileges.row_security import read_as, reveal_report, write_as
from reports.store.schema import tables as t
from reports.store.staff.accounts import Account
from runtime.time_units import HOUR


@dataclass(frozen=True, slots=True)
class ReadableReport:
    """`report`: the highest revision; `messages`: what was said by My report since, the oldest first.

    `withdrawn`: the reporter has taken back that a number may be used.
    """

    mode: str
    revision: int
    withdrawn: bool
    report: StoredBody
    messages: tuple[StoredBody, ...]


def load_report(database: Database, report_id: str, hotline: str) -> ReadableReport | None:
    """None where this hotline was not given the report: a wrap alone is not a right."""
    with database.read() as connection:
        return read_report(connection, report_id, hotline)


def read_report(connection: Connection, report_id: str, hotline: str) -> ReadableReport | None:
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
    messages = tuple(StoredBody(*one) for one in connection.execute(said))
    body = StoredBody(row.key_id, row.wrap, row.head, row.sealed)
    return ReadableReport(row.mode, row.revision, row.allowed == 0, body, messages)


# What a reporter said since a hotline read the report last. Times of the clock that gives it to the hotline.


@dataclass(frozen=True, slots=True)
class Additions:
    """`at`: of the last of it, microseconds; 0: there is none. `messages`: ids of what came by My report. `revised`:
    when the last revision that was read was given; words typed in it since then are new. 0: none is."""

    at: int = 0
    messages: frozenset[str] = frozenset()
    revised: int = 0


def find_additions(connection: Connection, hotline: str, report_id: str, read_at: int) -> Additions:
    d, m = t.delivery.c, t.message.c
    theirs = (d.report_id == report_id, d.hotline == hotline)
    rows = connection.execute(
        select(d.type, d.revision, d.created_at).where(*theirs, d.type.in_((*BODY_TYPES, *ADDITION_TYPES)))
    )
    given = rows.all()
    new = [row for row in given if row.type in ADDITION_TYPES and row.created_at > read_at]
    numbers = [row.revision for row in new if row.type == "message"]
    ids = select(m.message_id).where(m.report_id == report_id, m.recipient == hotline, m.number.in_(numbers))
    is_revised = any(row.type == "updated" for row in new)
    read = [row.created_at for row in given if row.type in BODY_TYPES and row not in new]
    return Additions(
        max((row.created_at for row in new), default=0),
        frozenset(connection.execute(ids).scalars()) if numbers else frozenset(),
        max(read, default=1) if is_revised else 0,
    )


def has_additions(database: Database, account: Account, report_id: str, after: int) -> bool:
    """Of a report that is known to be this person's."""
    d = t.delivery.c
    theirs = (d.report_id == report_id, d.hotline == account.hotline, d.type.in_(ADDITION_TYPES))
    with read_as(database, account.hotline) as connection:
        last = connection.execute(select(func.max(d.created_at)).where(*theirs)).scalar()
    return (last or 0) > after


# One report as the staff of a hotline have it before them, and what they keep beside its handling.

MAX_READS_PER_HOUR = 60  # reports that one person reads in an hour; more, and their leads are told


@dataclass(frozen=True, slots=True)
class CaseView:
    """`held`: None for what nobody could read. `others`: every hotline that was given it, with what it does. `news`:
    since somebody of this hotline read it last; `shown_at`: all that was given until then is here."""

    handling: str
    created_at: int
    others: tuple[Any, ...]
    holding: Mapping[str, Any]
    notes: tuple[Any, ...]
    done: tuple[Any, ...]
    held: ReadableReport | None
    news: Additions
    shown_at: int
    status: CaseStatus


def open_case(database: Database, account: Account, report_id: str, *, is_read: bool) -> CaseView:
    """Everything, once it is written down that this person reads it: where that fails, nothing is given (S-23).
    `is_read`: the page was asked for; the answer to a form of an older one shows nothing new to anybody."""
    read_at = _record_read(database, account, report_id, is_read)
    with read_as(database, account.hotline) as connection:
        shown_at = database.moment(connection)
        new = find_additions(connection, account.hotline, report_id, read_at)
        held = read_report(connection, report_id, account.hotline)
        holding = _holding(connection, account.hotline, report_id)
        n = t.note.c
        notes = select(t.note).where(n.report_id == report_id, n.recipient == account.hotline)
        kept = tuple(connection.execute(notes.order_by(n.created_at, n.note_id)))
        done = _history(connection, account.hotline, report_id)
        reveal_report(database, connection, report_id)
        d = t.delivery.c
        sent = select(d.hotline, d.role, d.why, d.state, d.handling, d.created_at)
        sent = sent.where(d.report_id == report_id, d.type.in_(REPORT_TYPES), d.state != "cancelled")
        others = tuple(connection.execute(sent.order_by(d.created_at, d.delivery_id)))
    own = [one for one in others if one.hotline == account.hotline]
    status = CaseStatus(own[-1].handling, *(holding[name] for name in ("holder", "handed_by")))
    status = replace(status, changed_at=holding["changed_at"] or 0, changed_by=holding["changed_by"])
    return CaseView(own[-1].handling, own[0].created_at, others, holding, kept, done, held, new, shown_at, status)


def _record_read(database: Database, account: Account, report_id: str, is_read: bool) -> int:
    """When it was read before; 0: never."""
    now, a, h = database.now(), t.audit.c, t.holding.c
    before = select(h.read_at).where(h.report_id == report_id, h.hotline == account.hotline)
    read = select(func.count(func.distinct(a.object_id)))
    read = read.where(a.actor == account.actor, a.act == "read", a.at > now - HOUR)
    told = select(a.audit_id).where(a.actor == account.actor, a.act == "read_many", a.at > now - HOUR).limit(1)
    with write_as(database, account.hotline) as connection:
        audit_log.append(connection, account.actor, "read", report_id, now)
        if connection.execute(read).scalar_one() > MAX_READS_PER_HOUR and connection.execute(told).first() is None:
            audit_log.append(connection, account.actor, "read_many", account.staff_id, now)
        read_at = connection.execute(before).scalar() or 0
        if is_read:  # by the clock that what its reporter says next is given: by another one it could pass for read
            case_status.save_values(connection, database, account.hotline, report_id, {"read_at": database.now_sql()})
    return read_at


def _holding(connection: Connection, hotline: str, report_id: str) -> Mapping[str, Any]:
    h = t.holding.c
    row = connection.execute(select(t.holding).where(h.report_id == report_id, h.hotline == hotline)).first()
    return dict(row._mapping) if row else dict.fromkeys(column.name for column in t.holding.columns)


def _history(connection: Connection, hotline: str, report_id: str) -> tuple[Any, ...]:
    """Who did what with it, as far as this hotline may see it."""
    a, d = t.audit.c, t.delivery.c
    its = select(d.delivery_id).where(d.report_id == report_id, d.hotline == hotline)
    query = select(a.at, a.actor, a.act).where(or_(a.object_id == report_id, a.object_id.in_(its)))
    return tuple(connection.execute(query.order_by(a.at, a.audit_id)))


def save_change(
    database: Database, account: Account, report_id: str, kept: CaseChange, key: bytes | None = None, *, status: str
) -> None:
    """Nothing changes for other hotlines; `key`: of the form that says so, which has no second effect. `status`: the
    key of the status that stood on the page. Raises ChangedMeanwhile."""
    whose = CaseRef(account.hotline, report_id, account.actor)
    with write_as(database, account.hotline) as connection:
        case_status.lock_report(connection, report_id)
        if case_actions.claim_key(connection, database, key):
            case_status.check_unchanged(
                connection, database, whose, case_status.load_handling(connection, whose), status
            )
            case_status.save_change(connection, database, whose, kept)
            if "holder" in kept.values:
                case_status.record_change(connection, database, whose)


def load_status(database: Database, account: Account, report_id: str) -> CaseStatus:
    """Of a report that is known to be this hotline's."""
    whose = CaseRef(account.hotline, report_id, account.actor)
    with read_as(database, account.hotline) as connection:
        return case_status.load_status(
            connection, whose.hotline, report_id, case_status.load_handling(connection, whose)
        )


def load_holding(database: Database, account: Account, report_id: str) -> Mapping[str, Any]:
    with read_as(database, account.hotline) as connection:
        return _holding(connection, account.hotline, report_id)


def account_predates_report(database: Database, account: Account, report_id: str) -> bool:
    """Whether this person had their account before the report was begun."""
    query = select(t.report.c.created_at).where(t.report.c.report_id == report_id)
    with read_as(database, account.hotline) as connection:
        begun = connection.execute(query).scalar()
    return begun is not None and account.created_at < begun


def was_deleted_by_reporter(database: Database, account: Account, report_id: str) -> bool:
    """Return whether this hotline had the report and its reporter deleted it; nothing of it is left here."""
    p, r = t.purged.c, t.receipt.c
    had = select(r.report_id).where(r.report_id == report_id, r.hotline == account.hotline).exists()
    query = select(p.report_id).where(p.report_id == report_id, p.rule == ERASED.name, had)
    with read_as(database, account.hotline) as connection:
        return connection.execute(query).first() is not None


def add_note(database: Database, account: Account, note: SealedNote, key: bytes | None = None) -> None:
    """For colleagues; nothing else changes. `key`: as in `keep`."""
    now = database.now()
    with write_as(database, account.hotline) as connection:
        if not case_actions.claim_key(connection, database, key):
            return
        connection.execute(insert(t.note), asdict(note) | {"actor": account.actor, "created_at": now})
        audit_log.append(connection, account.actor, "noted", note.report_id, now)


def set_access(database: Database, lead: Account, report_id: str, staff_id: str, *, away: bool) -> None:
    k, now = t.kept_away.c, database.now()
    with write_as(database, lead.hotline) as connection:
        if away:
            connection.execute(delete(t.draft).where(t.draft.c.report_id == report_id, t.draft.c.staff_id == staff_id))
            connection.execute(database.insert_new(t.kept_away).values(report_id=report_id, staff_id=staff_id))
        else:
            connection.execute(delete(t.kept_away).where(k.report_id == report_id, k.staff_id == staff_id))
        act = "kept_away" if away else "let_near"
        audit_log.append(connection, lead.actor, act, report_id, now)


def list_excluded(database: Database, report_id: str) -> frozenset[str]:
    with database.read() as connection:
        query = select(t.kept_away.c.staff_id).where(t.kept_away.c.report_id == report_id)
        return frozenset(connection.execute(query).scalars())
