"""Messages between a reporter and the hotlines of a report, by My report.

The gateway reads a mailbox and stores the reporter's messages; it never reads a body. Staff store answers, sealed to
the mailbox. The scheduler makes the deliveries of messages.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final, Literal

from sqlalchemy import ColumnElement, Connection, and_, exists, func, insert, or_, select, update

from reports.case_state import ReportState
from reports.delivery import REPORT_TYPES, DeliveryState, DeliveryType
from reports.escalation import Priority, StepName
from reports.json_bodies import MessageKind
from reports.store import audit_log
from reports.store.deliveries import has_part, lock_report, new_delivery, of_latest_route
from reports.store.engine.database import Database
from reports.store.schema import tables as t
from runtime.settings import Mode
from runtime.time_units import SECOND

NO_KEY: Final = b""  # of a closed mailbox


class MailboxClosed(Exception):
    """The reporter has deleted the report, or it was purged."""


@dataclass(frozen=True, slots=True)
class MailboxAnswer:
    """An answer of a hotline, sealed to the mailbox."""

    answer_id: str
    sealed: bytes


@dataclass(frozen=True, slots=True)
class MailboxView:
    """The view of a report for its reporter with access code and PIN; the newest answer first.

    `state`: as it is stored, or overdue. `desk`: the hotline furthest along, if any. `sealed_key`: the mailbox's
    private key, sealed under access code and PIN.
    """

    report_id: str
    state: ReportState | Literal["overdue"]  # overdue: delivered, and not read in time
    desk: str | None
    sealed_key: bytes
    answers: tuple[MailboxAnswer, ...]
    country: str = ""
    priority: Priority | Literal[""] = ""


@dataclass(frozen=True, slots=True)
class SealedMessage:
    """A message of the reporter, sealed to one hotline of the route."""

    recipient: str
    key_id: str
    wrap: bytes
    sealed: bytes


def load_mailbox(database: Database, report_id: str) -> MailboxView | None:
    """Load the mailbox of a report; None if there is no such report, or if it has no mailbox."""
    r, m, a = t.report.c, t.mailbox.c, t.answer.c
    with database.read() as connection:
        query = select(r.country, r.priority, r.state, r.desk, m.sealed_key, _overdue(database).label("overdue"))
        query = query.join_from(t.report, t.mailbox, m.report_id == r.report_id)
        row = connection.execute(query.where(r.report_id == report_id)).first()
        if row is None:
            return None
        answers = select(a.answer_id, a.sealed).where(a.report_id == report_id)
        rows = connection.execute(answers.order_by(a.created_at.desc(), a.answer_id.desc()))
        mailbox_answers = tuple(MailboxAnswer(*answer) for answer in rows)
        state: ReportState | Literal["overdue"] = (
            "overdue" if row.state == ReportState.DELIVERED and row.overdue else row.state
        )
        return MailboxView(report_id, state, row.desk, row.sealed_key, mailbox_answers, row.country, row.priority)


def _overdue(database: Database) -> ColumnElement[bool]:
    """Match reports whose time to be acknowledged has passed, as urgent as they are now."""
    r, s = t.report.c, t.step.c
    conditions = (s.report_id == r.report_id, s.priority == r.priority, s.step == StepName.OVERDUE)
    return exists(select(s.report_id).where(*conditions, s.due_at <= database.now_sql()).correlate(t.report))


def current_recipients(database: Database, report_id: str) -> tuple[str, tuple[str, ...]]:
    """Return the country of a report and the hotlines of its latest route: they receive new messages.

    Without hotlines nobody could receive a message.
    """
    r, w = t.report.c, t.route.c
    with database.read() as connection:
        country = connection.execute(select(r.country).where(r.report_id == report_id)).scalar() or ""
        hotlines = select(w.hotline).where(of_latest_route(report_id))
        return country, tuple(connection.execute(hotlines.order_by(w.hotline)).scalars())


def save_message(
    database: Database,
    report_id: str,
    message_id: str,
    sealed_messages: Sequence[SealedMessage],
    kind: MessageKind,
    *,
    allowed: bool | None = None,
    close: bool = False,
) -> None:
    """Store a message, sealed once for each hotline. A message id that is stored already changes nothing.

    `allowed`: whether a number may be used from now on; None: no change. `close`: delete the report and close its
    mailbox.

    Raises MailboxClosed if the mailbox was closed meanwhile, from another phone: contact has ended, and nobody may
    allow it again. Also if the report was purged: nobody would receive the message.
    """
    now = database.now()
    rows = [
        asdict(sealed_message) | {"message_id": message_id, "report_id": report_id, "created_at": now}
        for sealed_message in sealed_messages
    ]
    with database.write() as connection:
        if not close and _is_closed(connection, report_id):
            raise MailboxClosed
        inserted = connection.execute(database.insert_or_ignore(t.message).values(rows)).rowcount
        if not inserted:
            return
        if allowed is not None:
            _note_contact(connection, database, report_id, allowed=allowed, now=now)
        if close:
            _close(connection, report_id)
            _ask_to_delete(connection, report_id, now)
        audit_log.append(connection, "web", kind, report_id, now)


def withdraw_contact(database: Database, report_id: str, *, close: bool = False) -> None:
    """Record that no number of this report may be used, without a message: no hotline could open one.

    `close`: also delete the report and close its mailbox. Raises MailboxClosed as `save_message`.
    """
    now = database.now()
    with database.write() as connection:
        if _is_closed(connection, report_id):
            if close:  # deleted already
                return
            raise MailboxClosed
        _note_contact(connection, database, report_id, allowed=False, now=now)
        if close:
            _close(connection, report_id)
            _ask_to_delete(connection, report_id, now)
        kind = MessageKind.DELETE_ASKED if close else MessageKind.CONTACT_WITHDRAWN
        audit_log.append(connection, "web", kind, report_id, now)


def list_contact_to_end(database: Database, report_ids: Sequence[str], at: int) -> list[str]:
    """Return those of these reports whose contact a STOP has to end. `at`: Unix seconds of the STOP.

    Left out are those whose contact has ended, or was given after the STOP; also reports begun after it.
    """
    r, c = t.report.c, t.contact.c
    until = (at + 1) * SECOND
    is_first_answer = c.report_id.is_(None) & (r.created_at < until)
    is_later_answer = (c.allowed == 1) & (c.changed_at < until + database.offset)
    query = select(r.report_id).outerjoin_from(t.report, t.contact, c.report_id == r.report_id)
    query = query.where(r.report_id.in_(report_ids), is_first_answer | is_later_answer)
    with database.read() as connection:
        return list(connection.execute(query).scalars())


def is_contact_changed_since(database: Database, report_id: str, at: int) -> bool:
    """Return whether contact was given or withdrawn after a time, in microseconds."""
    c = t.contact.c
    with database.read() as connection:
        query = select(c.report_id).where(c.report_id == report_id, c.changed_at > at)
        return connection.execute(query).first() is not None


def has_message(database: Database, message_id: str) -> bool:
    """Return whether a message is stored for any hotline."""
    m = t.message.c
    with database.read() as connection:
        return connection.execute(select(m.message_id).where(m.message_id == message_id).limit(1)).first() is not None


def _is_closed(connection: Connection, report_id: str) -> bool:
    """Return whether the mailbox is closed or gone, and lock its row against deletion.

    A purge deletes the mailbox first, so it waits for a transaction that holds it here. A report that never had a
    mailbox is open until it is purged.
    """
    m, r = t.mailbox.c, t.report.c
    query = select(m.sealed_key).where(m.report_id == report_id).with_for_update(read=True, key_share=True)
    key = connection.execute(query).scalar()
    if key is not None:
        return bool(key == NO_KEY)
    report = select(r.report_id).where(r.report_id == report_id).with_for_update(read=True, key_share=True)
    return connection.execute(report).first() is None


def _note_contact(connection: Connection, database: Database, report_id: str, *, allowed: bool, now: int) -> None:
    values: dict[str, Any] = {"allowed": int(allowed), "changed_at": now}
    if not connection.execute(database.insert_or_ignore(t.contact).values(values | {"report_id": report_id})).rowcount:
        connection.execute(update(t.contact).where(t.contact.c.report_id == report_id).values(values))


def _close(connection: Connection, report_id: str) -> None:
    """Clear both keys: nobody can open the answers any more, and the access code looks like a wrong one."""
    closed = {"public_key": NO_KEY, "sealed_key": NO_KEY}
    connection.execute(update(t.mailbox).where(t.mailbox.c.report_id == report_id).values(closed))


def _ask_to_delete(connection: Connection, report_id: str, now: int) -> None:
    """Request the deletion of a report: the scheduler does it once the deliveries have ended.

    Web must not have the right to delete.
    """
    connection.execute(update(t.report).where(t.report.c.report_id == report_id).values(delete_asked_at=now))


# Answers to the reporter


@dataclass(frozen=True, slots=True)
class AnswerTarget:
    """The data needed to seal an answer to a report.

    `public_key`: None if no access code was shown, empty if the mailbox is closed. `hotlines`: those that were given
    the report, the one furthest along first; only those that this role may see.
    """

    country: str
    mode: Mode
    public_key: bytes | None
    hotlines: tuple[str, ...]


def load_answer_target(database: Database, report_id: str) -> AnswerTarget | None:
    """Load the data needed to answer a report; None if there is no such report."""
    with database.read() as connection:
        return find_answer_target(connection, report_id)


def find_answer_target(connection: Connection, report_id: str) -> AnswerTarget | None:
    """Do as `load_answer_target`, on an open connection."""
    r, m, d = t.report.c, t.mailbox.c, t.delivery.c
    query = select(r.country, r.mode, r.desk, m.public_key)
    query = query.outerjoin_from(t.report, t.mailbox, m.report_id == r.report_id).where(r.report_id == report_id)
    row = connection.execute(query).first()
    if row is None:
        return None
    given_hotlines = select(d.hotline).where(d.report_id == report_id, d.type.in_(REPORT_TYPES))
    ordered = connection.execute(given_hotlines.order_by(d.created_at, d.delivery_id)).scalars()
    hotlines = tuple(dict.fromkeys([row.desk, *ordered] if row.desk else ordered))
    return AnswerTarget(row.country, row.mode, row.public_key, hotlines)


@dataclass(frozen=True, slots=True)
class SealedAnswer:
    """An answer of a hotline to a report, sealed to its mailbox."""

    answer_id: str
    report_id: str
    hotline: str  # the hotline that wrote it
    sealed: bytes


def send_answer(database: Database, answer: SealedAnswer, actor: str) -> None:
    """Store an answer with its audit entry, in a transaction of its own."""
    with database.write() as connection:
        save_answer(connection, answer, actor, database.now())


def save_answer(connection: Connection, answer: SealedAnswer, actor: str, now: int) -> None:
    """Store an answer with its audit entry. `now`: microseconds."""
    connection.execute(insert(t.answer), asdict(answer) | {"created_at": now})
    audit_log.append(connection, actor, "answered", answer.report_id, now)


def delete_unreadable_answers(database: Database) -> int:
    """Delete the answers to closed mailboxes, which nobody can read any more; return how many."""
    m, a = t.mailbox.c, t.answer.c
    closed = exists(select(m.report_id).where(m.report_id == a.report_id, m.public_key == NO_KEY).correlate(t.answer))
    return database.delete_any(t.answer, closed)


# Deliveries of messages, made by the scheduler

MadeDeliveries = list[tuple[str, Priority]]  # delivery_id, priority


def list_undelivered_messages(database: Database, at_most: int = 200, skip: int = 0) -> list[tuple[str, str]]:
    """Return (message_id, report_id) of messages for which no delivery was made yet, oldest first.

    `skip`: how many are left out, because no delivery could be made for them.
    """
    m = t.message.c
    query = select(m.message_id, m.report_id, func.min(m.created_at)).where(m.number.is_(None))
    query = query.group_by(m.message_id, m.report_id).order_by(func.min(m.created_at), m.message_id)
    with database.read() as connection:
        return [(row[0], row[1]) for row in connection.execute(query.limit(at_most).offset(skip))]


def deliver_message(database: Database, message_id: str, report_id: str) -> MadeDeliveries:
    """Number a message, and make its deliveries to the hotlines that were given the report."""
    m, d = t.message.c, t.delivery.c
    number_query = select(func.coalesce(func.max(m.number), 0)).where(m.report_id == report_id, m.number.is_not(None))
    given_hotlines = select(d.hotline).where(d.report_id == report_id, d.type.in_(REPORT_TYPES))
    with database.write() as connection:
        lock_report(connection, report_id)
        number = connection.execute(number_query).scalar_one() + 1
        numbering = update(t.message).where(m.message_id == message_id, m.number.is_(None)).values(number=number)
        if not connection.execute(numbering).rowcount:
            return []
        hotlines = connection.execute(given_hotlines.order_by(d.created_at, d.delivery_id)).scalars().all()
        now = database.moment(connection)
        return [
            delivery
            for hotline in dict.fromkeys(hotlines)
            for delivery in deliver_missing_messages(connection, database, report_id, hotline, now)
        ]


def deliver_missing_messages(
    connection: Connection, database: Database, report_id: str, hotline: str, now: int
) -> MadeDeliveries:
    """Make the deliveries of messages that this hotline was not sent yet, now that it has the report.

    A hotline that has declined the report gets only that the reporter took the number back, or deleted the report: it
    may still hold both. `now`: microseconds. The caller's transaction is used.
    """
    m, d = t.message.c, t.delivery.c
    is_sent = exists().where(
        d.report_id == report_id, d.hotline == hotline, d.type == DeliveryType.MESSAGE, d.revision == m.number
    )
    conditions = (m.report_id == report_id, m.recipient == hotline, m.number.is_not(None), ~is_sent)
    query = select(m.number).where(*conditions).order_by(m.number)
    numbers = connection.execute(query).scalars().all()
    own_delivery = _recipient(connection, report_id, hotline) if numbers else None
    if own_delivery is None:
        return []
    if not own_delivery.has_part:
        numbers = connection.execute(query.where(_ends_contact())).scalars().all()
    new_deliveries = []
    for number in numbers:
        row = new_delivery(
            report_id, hotline, kind=DeliveryType.MESSAGE, revision=number, priority=own_delivery.priority, now=now
        )
        row |= {"role": own_delivery.role, "why": own_delivery.why}
        if connection.execute(database.insert_or_ignore(t.delivery).values(row)).rowcount:
            audit_log.append(connection, "clock", "made", str(row["delivery_id"]), now)
            new_deliveries.append((str(row["delivery_id"]), own_delivery.priority))
    return new_deliveries


def _ends_contact() -> ColumnElement[bool]:
    """Match the message by which the reporter last ended contact, also by deleting the report."""
    m, c = t.message.c, t.contact.c
    return exists().where(c.report_id == m.report_id, c.allowed == 0, c.changed_at == m.created_at)


def _recipient(connection: Connection, report_id: str, hotline: str) -> Any:
    """Return role, reason and priority of the hotline's delivery, and whether it still has a part in the report.

    None if it never had the report.
    """
    d, r = t.delivery.c, t.report.c
    is_part = has_part(d)
    query = select(d.role, d.why, r.priority, is_part.label("has_part"))
    query = query.join_from(t.delivery, t.report, r.report_id == d.report_id)
    is_received = and_(d.type.in_(REPORT_TYPES), d.state == DeliveryState.DELIVERED)
    query = query.where(d.report_id == report_id, d.hotline == hotline, or_(is_part, is_received))
    return connection.execute(query.order_by(is_part.desc()).limit(1)).first()
