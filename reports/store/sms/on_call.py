"""Texts to duty phones, and what they answer. A word of six digits joins the two; no phone number is kept."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import ColumnElement, Connection, and_, case, delete, func, insert, literal, or_, select, update

from reports.escalation.policy import STEP_BEGIN
from reports.escalation.priorities import URGENT
from reports.escalation.time_limits import CLOCK_SLACK
from reports.store import audit_log, deliveries
from reports.store.cases import case_status
from reports.store.deliveries import REPORT_TYPES
from reports.store.engine.database import Database
from reports.store.engine.time_expressions import is_due
from reports.store.schema import tables as t
from reports.store.sms.messages import OutgoingSms, outgoing_row
from runtime.time_units import HOUR

WRONG, SUPERSEDED = 1, 2  # no text of the hotline has the word; its report has become more urgent since that text
MAX_WRONG = 10  # words of a hotline in an hour; after that even a right one is not believed


@dataclass(frozen=True, slots=True)
class OnCallPage:
    """One text. `state` as of `outgoing`, "expired" once it is forgotten there; `status` by the delivery report."""

    sms_id: str
    state: str
    status: str


@dataclass(frozen=True, slots=True)
class PagedDelivery:
    """A delivery of which a duty phone is told; `count` texts went out so far."""

    delivery_id: str
    report_id: str
    hotline: str
    type: str
    priority: str
    count: int


def list_pages(database: Database, delivery_id: str) -> list[OnCallPage]:
    """In the order in which they went."""
    p, o = t.page.c, t.outgoing.c
    query = select(p.sms_id, func.coalesce(o.state, "expired"), func.coalesce(o.status, ""))
    query = query.select_from(t.page.outerjoin(t.outgoing, o.id == p.sms_id))
    with database.read() as connection:
        rows = connection.execute(query.where(p.delivery_id == delivery_id).order_by(p.rank))
        return [OnCallPage(*row) for row in rows]


def add_page(database: Database, sms: OutgoingSms, about: PagedDelivery, word: str) -> bool:
    """The text and what it is for, together. False where another process was first: then there is no second one."""
    page = {"sms_id": sms.id, "delivery_id": about.delivery_id, "hotline": about.hotline, "rank": about.count}
    page |= {"word": word, "created_at": database.to_database_time(sms.created_at)}
    with database.write() as connection:
        if not connection.execute(database.insert_new(t.page).values(page)).rowcount:
            return False
        connection.execute(insert(t.outgoing).values(outgoing_row(database, sms)))
    return True


def list_unanswered(database: Database, patience: Mapping[str, int], at_most: int = 100) -> list[PagedDelivery]:
    """Delivered as a text and not answered within `patience`, or not arrived by the provider's own report."""
    p, o, d = t.page.c, t.outgoing.c, t.delivery.c
    last = select(p.delivery_id, func.max(p.rank).label("rank")).group_by(p.delivery_id).subquery()
    waits = case({name: literal(time) for name, time in patience.items()}, value=d.priority, else_=0)
    lost = or_(o.status == "failed", o.state.in_(("failed", "expired")))
    query = (
        select(d.delivery_id, d.report_id, d.hotline, d.type, d.priority, p.rank + 1)
        .select_from(t.delivery.join(last, last.c.delivery_id == d.delivery_id))
        .join(t.page, and_(p.delivery_id == d.delivery_id, p.rank == last.c.rank))
        .outerjoin(t.outgoing, o.id == p.sms_id)
        .where(d.type.in_(REPORT_TYPES), d.state == "delivered", d.handling == "none")
        .where(or_(lost, is_due(p.created_at + waits, database.now_sql(), waits)))
        .order_by(d.priority, p.created_at)
    )
    with database.read() as connection:
        return [PagedDelivery(*row) for row in connection.execute(query.limit(at_most))]


def _within(at: ColumnElement[int], now: Any, age: int) -> ColumnElement[bool]:
    """Return whether it was within `age` before now; a time that lies ahead is a wrong clock's, and counts for none."""
    return and_(at > now - age, at <= now + CLOCK_SLACK)


def find_unacknowledged(database: Database, report_id: str, hotline: str) -> PagedDelivery | None:
    """The report itself at this hotline, where it is there and nobody has taken it on."""
    p, d = t.page.c, t.delivery.c
    texts = select(func.count()).where(p.delivery_id == d.delivery_id).scalar_subquery()
    query = select(d.delivery_id, d.report_id, d.hotline, d.type, d.priority, texts)
    query = query.where(d.report_id == report_id, d.hotline == hotline, d.type.in_(REPORT_TYPES))
    with database.read() as connection:
        row = connection.execute(query.where(d.state == "delivered", d.handling == "none")).first()
        return PagedDelivery(*row) if row else None


def was_paged_within(database: Database, delivery_id: str, age: int) -> bool:
    """Whether a text of it went out within so many microseconds."""
    p = t.page.c
    young = select(p.sms_id).where(p.delivery_id == delivery_id, _within(p.created_at, database.now_sql(), age))
    with database.read() as connection:
        return connection.execute(young.limit(1)).first() is not None


def record_reply(database: Database, answer_id: str, hotlines: Collection[str], word: str) -> None:
    """What a listed number has texted, for each hotline that lists it; once, however often it comes. Web's work."""
    row = {"answer_id": answer_id, "word": word, "at": database.now(), "wrong": 0}
    with database.write() as connection:
        for hotline in hotlines:
            connection.execute(database.insert_new(t.phone_answer).values(row | {"hotline": hotline}))


def accept_replies(database: Database, at_most: int = 100) -> list[tuple[str, str]]:
    """(report_id, hotline) of what duty phones have taken on since. The clock's work.

    A text that was made before its report became P1 or P2 takes nothing on any more: see `outrun`.
    """
    a = t.phone_answer.c
    query = select(a.answer_id, a.hotline, a.word, a.at).where(a.wrong == 0).order_by(a.at).limit(at_most)
    with database.read() as connection:
        rows = connection.execute(query).all()
    taken = []
    for row in rows:
        with database.write() as connection:
            report_id, wrong = _accept_reply(connection, row.hotline, row.word, row.at)
            mine = and_(a.answer_id == row.answer_id, a.hotline == row.hotline)
            if wrong:
                connection.execute(update(t.phone_answer).where(mine).values(wrong=wrong))
                continue
            connection.execute(delete(t.phone_answer).where(mine))
            taken.append((report_id, row.hotline))
    return taken


def _accept_reply(connection: Connection, hotline: str, word: str, at: int) -> tuple[str, int]:
    """The report that is taken on, and 0; or why none is."""
    a, p, d = t.phone_answer.c, t.page.c, t.delivery.c
    guesses = select(func.count()).where(a.hotline == hotline, a.wrong == WRONG, _within(a.at, at, HOUR))
    if (connection.execute(guesses).scalar() or 0) >= MAX_WRONG:
        return "", WRONG
    paged = select(p.created_at, d.report_id).join(t.delivery, d.delivery_id == p.delivery_id)
    found = connection.execute(paged.where(p.hotline == hotline, p.word == word)).first()
    if found is None:
        return "", WRONG
    if _is_superseded(connection, found.report_id, found.created_at):
        return "", SUPERSEDED
    _acknowledge(connection, found.report_id, hotline, at)
    return str(found.report_id), 0


def _is_superseded(connection: Connection, report_id: str, made_at: int) -> bool:
    """Whoever answers what was made at that moment knows of a report that could wait longer."""
    r, s = t.report.c, t.step.c
    begun = and_(s.report_id == r.report_id, s.priority == r.priority, s.step == STEP_BEGIN, s.due_at > made_at)
    # one that was never revised was never less urgent, however the clocks of two hosts differ
    risen = and_(r.report_id == report_id, r.priority.in_(URGENT), r.revision > 1)
    return connection.execute(select(s.due_at).join_from(t.report, t.step, begun).where(risen)).first() is not None


def list_superseded(database: Database) -> list[tuple[PagedDelivery, int]]:
    """What was answered by an older text and nobody has taken on, once, with the rank of that text."""
    a, p, d, r = t.phone_answer.c, t.page.c, t.delivery.c, t.report.c
    query = select(a.answer_id, a.hotline, p.rank, d.report_id, r.priority)
    query = query.join_from(t.phone_answer, t.page, and_(p.hotline == a.hotline, p.word == a.word))
    query = query.join(t.delivery, d.delivery_id == p.delivery_id).join(t.report, r.report_id == d.report_id)
    with database.read() as connection:
        rows = connection.execute(query.where(a.wrong == SUPERSEDED)).all()
    found = []
    for row in rows:
        mine = and_(a.answer_id == row.answer_id, a.hotline == row.hotline)
        with database.write() as connection:
            is_first = connection.execute(delete(t.phone_answer).where(mine)).rowcount
        told = find_unacknowledged(database, row.report_id, row.hotline) if is_first else None
        if told:
            found.append((replace(told, type="risen", priority=row.priority), row.rank))
    return found


def _acknowledge(connection: Connection, report_id: str, hotline: str, at: int) -> None:
    """The report itself, whichever text was answered. An answer that comes before the receipt is one."""
    d = t.delivery.c
    theirs = and_(d.report_id == report_id, d.hotline == hotline, d.type.in_(REPORT_TYPES), d.handling == "none")
    untaken = connection.execute(select(d.delivery_id).where(theirs)).scalars().all()
    for delivery_id in untaken:
        one = update(t.delivery).where(d.delivery_id == delivery_id)
        connection.execute(one.values(handling="accepted"))
        there = {"state": "delivered", "delivered_at": at, "last_class": "delivered"}
        free = {"lease_by": None, "lease_until": None}
        connection.execute(one.where(d.state == "due").values(there | free))
        audit_log.append(connection, f"phone:{hotline}", "accepted", delivery_id, at)
    case_status.clear_reassignment(connection, hotline, report_id)
    if untaken:
        case_status.record_phone_change(connection, hotline, report_id, at)
    deliveries.update_report_state(connection, report_id, at)


def delete_old(database: Database, pages_older: int, answers_older: int) -> None:
    now = database.now_sql()
    with database.write() as connection:
        connection.execute(delete(t.page).where(t.page.c.created_at < now - pages_older))
        connection.execute(delete(t.phone_answer).where(t.phone_answer.c.at < now - answers_older))
