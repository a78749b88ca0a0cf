"""SMS to duty phones, and the replies that acknowledge a report.

A word of six digits joins a text and its reply; no telephone number is stored.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal, NamedTuple

from sqlalchemy import ColumnElement, Connection, and_, case, delete, func, insert, literal, or_, select, update

from reports.case_state import Handling
from reports.delivery import REPORT_TYPES, DeliveryState, DeliveryType
from reports.escalation import URGENT, Priority, StepName
from reports.store import audit_log, deliveries
from reports.store.cases import case_status
from reports.store.engine.database import Database
from reports.store.engine.time_expressions import is_due
from reports.store.schema import tables as t
from reports.store.sms.messages import OutgoingSms, SmsState, outgoing_row
from reports.time_limits import CLOCK_SLACK
from runtime.time_units import HOUR

WRONG, SUPERSEDED = 1, 2  # no text of the hotline has this word; its report has become more urgent since that text
MAX_WRONG = 10  # wrong words of a hotline in an hour; after that even a right one is not accepted


@dataclass(frozen=True, slots=True)
class DutyPhoneAlert:
    """One text to a duty phone.

    `state`: as in `outgoing`, or "expired" once the row there is deleted. `status`: of the delivery report.
    """

    sms_id: str
    state: SmsState
    status: str


@dataclass(frozen=True, slots=True)
class AlertedDelivery:
    """A delivery that is announced to a duty phone. `count`: texts sent so far."""

    delivery_id: str
    report_id: str
    hotline: str
    type: DeliveryType | Literal["risen"]  # risen: the report has become more urgent
    priority: Priority
    count: int


def list_alerts(database: Database, delivery_id: str) -> list[DutyPhoneAlert]:
    """Return the texts about a delivery, in the order in which they were sent."""
    p, o = t.page.c, t.outgoing.c
    query = select(p.sms_id, func.coalesce(o.state, "expired"), func.coalesce(o.status, ""))
    query = query.select_from(t.page.outerjoin(t.outgoing, o.id == p.sms_id))
    with database.read() as connection:
        rows = connection.execute(query.where(p.delivery_id == delivery_id).order_by(p.rank))
        return [DutyPhoneAlert(*row) for row in rows]


def add_alert(database: Database, sms: OutgoingSms, about: AlertedDelivery, word: str) -> bool:
    """Store a text and its purpose in one transaction. Return False if another process has stored it already."""
    row = {"sms_id": sms.id, "delivery_id": about.delivery_id, "hotline": about.hotline, "rank": about.count}
    row |= {"word": word, "created_at": database.to_database_time(sms.created_at)}
    with database.write() as connection:
        if not connection.execute(database.insert_or_ignore(t.page).values(row)).rowcount:
            return False
        connection.execute(insert(t.outgoing).values(outgoing_row(database, sms)))
    return True


def list_unanswered(
    database: Database,
    timeouts: Mapping[str, int],
    numbers: Mapping[str, int],
    quiet: Collection[str] = (),
    at_most: int = 100,
) -> list[AlertedDelivery]:
    """Return deliveries whose last text was not answered in time, or did not arrive; the most urgent first.

    `timeouts`: priority → microseconds. `numbers`: hotline → how many numbers it has; deliveries of which each was
    texted are left out. `quiet`: hotlines whose deliveries of P3 and P4 are left out. `count` of each is the rank of
    the next text.
    """
    if not numbers:
        return []
    p, o, d = t.page.c, t.outgoing.c, t.delivery.c
    last_alert = select(p.delivery_id, func.max(p.rank).label("rank")).group_by(p.delivery_id).subquery()
    limit = case({name: literal(time) for name, time in timeouts.items()}, value=d.priority, else_=0)
    count = case({name: literal(number) for name, number in numbers.items()}, value=d.hotline, else_=0)
    is_lost = or_(o.status == "failed", o.state.in_((SmsState.FAILED, SmsState.EXPIRED)))
    query = (
        select(d.delivery_id, d.report_id, d.hotline, d.type, d.priority, p.rank + 1)
        .select_from(t.delivery.join(last_alert, last_alert.c.delivery_id == d.delivery_id))
        .join(t.page, and_(p.delivery_id == d.delivery_id, p.rank == last_alert.c.rank))
        .outerjoin(t.outgoing, o.id == p.sms_id)
        .where(d.type.in_(REPORT_TYPES), d.state == DeliveryState.DELIVERED, d.handling == Handling.NONE)
        .where(or_(is_lost, is_due(p.created_at + limit, database.now_sql(), limit)), p.rank + 1 < count)
        .where(or_(d.priority.in_(URGENT), d.hotline.not_in(quiet)))
        .order_by(d.priority, p.created_at)
    )
    with database.read() as connection:
        return [AlertedDelivery(*row) for row in connection.execute(query.limit(at_most))]


def _within(at: ColumnElement[int], now: Any, age: int) -> ColumnElement[bool]:
    """Match times within `age` microseconds before now.

    A time that lies ahead was written by a wrong clock, and does not match.
    """
    return and_(at > now - age, at <= now + CLOCK_SLACK)


def find_unacknowledged(database: Database, report_id: str, hotline: str) -> AlertedDelivery | None:
    """Return the report's delivery to this hotline; None unless it was delivered and nobody has acknowledged it."""
    p, d = t.page.c, t.delivery.c
    texts = select(func.count()).where(p.delivery_id == d.delivery_id).scalar_subquery()
    query = select(d.delivery_id, d.report_id, d.hotline, d.type, d.priority, texts)
    query = query.where(d.report_id == report_id, d.hotline == hotline, d.type.in_(REPORT_TYPES))
    with database.read() as connection:
        row = connection.execute(query.where(d.state == DeliveryState.DELIVERED, d.handling == Handling.NONE)).first()
        return AlertedDelivery(*row) if row else None


def was_alerted_within(database: Database, delivery_id: str, age: int) -> bool:
    """Return whether a text about the delivery was made within the last `age` microseconds."""
    p = t.page.c
    recent = select(p.sms_id).where(p.delivery_id == delivery_id, _within(p.created_at, database.now_sql(), age))
    with database.read() as connection:
        return connection.execute(recent.limit(1)).first() is not None


def was_hotline_alerted_within(database: Database, hotlines: Collection[str], age: int) -> bool:
    """Return whether a text to the duty phones of these hotlines was made within the last `age` microseconds."""
    p = t.page.c
    recent = select(p.hotline).where(p.hotline.in_(hotlines), _within(p.created_at, database.now_sql(), age))
    with database.read() as connection:
        return connection.execute(recent.limit(1)).first() is not None


def record_reply(database: Database, answer_id: str, hotlines: Collection[str], word: str) -> None:
    """Store the reply of a listed number for each hotline that lists it. The gateway calls this.

    A repeat of the same SMS changes nothing.
    """
    row = {"answer_id": answer_id, "word": word, "at": database.now(), "wrong": 0}
    with database.write() as connection:
        for hotline in hotlines:
            connection.execute(database.insert_or_ignore(t.phone_answer).values(row | {"hotline": hotline}))


class PhoneReply(NamedTuple):
    """The reply of a duty phone: `OK` and a word, stored at `at` (microseconds)."""

    answer_id: str
    hotline: str
    word: str
    at: int


def list_replies(database: Database, at_most: int = 100, skip: int = 0) -> list[PhoneReply]:
    """Return the replies of duty phones that were not processed yet, oldest first. Call `accept_reply` with each.

    `skip`: how many are left out, because they could not be processed.
    """
    a = t.phone_answer.c
    query = select(a.answer_id, a.hotline, a.word, a.at).where(a.wrong == 0).order_by(a.at, a.answer_id, a.hotline)
    with database.read() as connection:
        return [PhoneReply(*row) for row in connection.execute(query.limit(at_most).offset(skip))]


def accept_reply(database: Database, reply: PhoneReply) -> str | None:
    """Acknowledge the report that a reply names; return its id. Returns None if the reply acknowledges nothing.

    A reply to a text that was made before its report became P1 or P2 acknowledges nothing: see `list_superseded`.
    """
    a = t.phone_answer.c
    this_reply = and_(a.answer_id == reply.answer_id, a.hotline == reply.hotline)
    with database.write() as connection:
        report_id, refusal = _accept_reply(connection, database, reply)
        if refusal:
            connection.execute(update(t.phone_answer).where(this_reply).values(wrong=refusal))
            return None
        connection.execute(delete(t.phone_answer).where(this_reply))
    return report_id


def _accept_reply(connection: Connection, database: Database, reply: PhoneReply) -> tuple[str, int]:
    """Return the report that is acknowledged, and 0; or an empty id, and why none is."""
    a, p, d = t.phone_answer.c, t.page.c, t.delivery.c
    hotline, at = reply.hotline, reply.at
    guesses = select(func.count()).where(a.hotline == hotline, a.wrong == WRONG, _within(a.at, at, HOUR))
    if (connection.execute(guesses).scalar() or 0) >= MAX_WRONG:
        return "", WRONG
    query = select(p.created_at, d.report_id).join(t.delivery, d.delivery_id == p.delivery_id)
    alert = connection.execute(query.where(p.hotline == hotline, p.word == reply.word)).first()
    if alert is None:
        return "", WRONG
    if _is_superseded(connection, alert.report_id, alert.created_at):
        return "", SUPERSEDED
    _acknowledge(connection, database, alert.report_id, reply)
    return str(alert.report_id), 0


def _is_superseded(connection: Connection, report_id: str, made_at: int) -> bool:
    """Return whether the report has become P1 or P2 since the text was made at `made_at`.

    The person who answers that text knows only of a report that could wait longer.
    """
    r, s = t.report.c, t.step.c
    later_begin = and_(
        s.report_id == r.report_id, s.priority == r.priority, s.step == StepName.BEGIN, s.due_at > made_at
    )
    # A report that was never revised was never less urgent, however much the clocks of two hosts differ.
    is_urgent = and_(r.report_id == report_id, r.priority.in_(URGENT), r.revision > 1)
    return (
        connection.execute(select(s.due_at).join_from(t.report, t.step, later_begin).where(is_urgent)).first()
        is not None
    )


def list_superseded(database: Database) -> list[tuple[AlertedDelivery, int]]:
    """Return deliveries answered by an older text and not acknowledged since, with the rank of that text.

    Each is returned once: its reply is deleted.
    """
    a, p, d, r = t.phone_answer.c, t.page.c, t.delivery.c, t.report.c
    query = select(a.answer_id, a.hotline, p.rank, d.report_id, r.priority)
    query = query.join_from(t.phone_answer, t.page, and_(p.hotline == a.hotline, p.word == a.word))
    query = query.join(t.delivery, d.delivery_id == p.delivery_id).join(t.report, r.report_id == d.report_id)
    with database.read() as connection:
        rows = connection.execute(query.where(a.wrong == SUPERSEDED)).all()
    superseded = []
    for row in rows:
        this_reply = and_(a.answer_id == row.answer_id, a.hotline == row.hotline)
        with database.write() as connection:
            is_first = connection.execute(delete(t.phone_answer).where(this_reply)).rowcount
        delivery = find_unacknowledged(database, row.report_id, row.hotline) if is_first else None
        if delivery:
            superseded.append((replace(delivery, type="risen", priority=row.priority), row.rank))
    return superseded


def _acknowledge(connection: Connection, database: Database, report_id: str, reply: PhoneReply) -> None:
    """Acknowledge the report itself, whichever of its texts was answered; nothing if its delivery was cancelled.

    A reply that comes before the receipt counts as the receipt.
    """
    d, hotline, at = t.delivery.c, reply.hotline, reply.at
    is_own = and_(d.report_id == report_id, d.hotline == hotline, deliveries.has_part(d), d.handling == Handling.NONE)
    deliveries.lock_report(connection, report_id)
    unacknowledged = connection.execute(select(d.delivery_id).where(is_own)).scalars().all()
    for delivery_id in unacknowledged:
        statement = update(t.delivery).where(d.delivery_id == delivery_id)
        connection.execute(statement.values(handling=Handling.ACCEPTED))
        receipt = {"state": DeliveryState.DELIVERED, "delivered_at": at, "last_class": "delivered"}
        no_lease = {"lease_by": None, "lease_until": None}
        connection.execute(statement.where(d.state == DeliveryState.DUE).values(receipt | no_lease))
        audit_log.append(connection, f"phone:{hotline}", Handling.ACCEPTED, delivery_id, at)
    case_status.clear_reassignment(connection, hotline, report_id)
    if unacknowledged:
        case_status.record_phone_change(connection, database, hotline, report_id, at)
    deliveries.update_report_state(connection, report_id, at)


def delete_old(database: Database, alerts_older: int, answers_older: int) -> None:
    """Delete texts and replies older than these ages, in microseconds."""
    now = database.now_sql()
    with database.write() as connection:
        connection.execute(delete(t.page).where(t.page.c.created_at < now - alerts_older))
        connection.execute(delete(t.phone_answer).where(t.phone_answer.c.at < now - answers_older))
