"""Texts that ask a reporter to dial after a hotline has answered: when each may be sent, and that each is sent once.

A text is sent by SMS, or first by network-initiated USSD and by SMS if that fails.

The scheduler decides; the worker checks once more before it sends.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, NamedTuple

from sqlalchemy import BigInteger, and_, delete, exists, func, insert, literal, or_, select, update

from reports.answer_notices import NOT_SENT, RETRY_DELAY, NoticeWay
from reports.case_state import ReportState
from reports.delivery import REPORT_TYPES
from reports.store import audit_log
from reports.store.engine.database import Database
from reports.store.engine.time_expressions import is_due
from reports.store.privileges.row_security import read_as
from reports.store.schema import tables as t
from reports.store.sms.messages import OutgoingSms, SmsState, outgoing_row
from reports.time_limits import ANSWER_NOTICE, USSD_REPORT
from runtime.settings import Mode

PERHAPS_SENT: Final = ("timeout", "reset", "tls", "not_understood")  # `last_class` of a request without a clear answer
# `last_class` of an SMS that is sent again some hours later: the provider had a fault twice, or the operator's account
# has one.
NOT_NOW: Final = ("busy", "sender_id", "account")
ACTOR: Final = "clock"  # actor in the audit log
WITHDRAWN: Final = "withdrawn"  # `last_class` in `outgoing` of an SMS whose permission has ended


@dataclass(frozen=True, slots=True)
class NoticeFacts:
    """The facts that decide whether a notice is allowed; times in microseconds.

    `revision`: the newest; only a hotline that has it knows the reporter's present choice of contact.
    `hotlines`: those that were given the report.
    `since`: when the reporter last said something about contact.
    `sent`: when earlier notices were sent.
    `refused`: a provider refused to send one.
    """

    mode: Mode
    revision: int
    country: str
    state: ReportState
    hotlines: tuple[str, ...]
    since: int
    sent: tuple[int, ...]
    refused: bool


@dataclass(frozen=True, slots=True)
class NoticePermission:
    """The state of a report in which a notice was allowed.

    `since`: when the reporter had last said something about contact, in microseconds.
    """

    report_id: str
    revision: int
    since: int


def is_still_permitted(database: Database, permission: NoticePermission) -> bool:
    """Return whether the permission still holds.

    It does unless the reporter has revised the report or said something about contact since, or the report is closed.
    The worker calls this too.
    """
    r, b, c = t.report.c, t.report_body.c, t.contact.c
    revised = exists(select(b.report_id).where(b.report_id == permission.report_id, b.revision > permission.revision))
    contact_changed = exists(
        select(c.report_id).where(c.report_id == permission.report_id, c.changed_at != permission.since)
    )
    report = select(r.report_id).where(
        r.report_id == permission.report_id, r.closed_at.is_(None), ~revised, ~contact_changed
    )
    with database.read() as connection:
        return connection.execute(report).first() is not None


def list_undecided(database: Database, at_most: int = 100, skip: int = 0) -> list[tuple[str, str]]:
    """Return (answer_id, report_id) of answers for which nothing was decided yet.

    `skip`: how many are left out, because nothing could be decided for them.
    """
    a, n = t.answer.c, t.nudge.c
    query = select(a.answer_id, a.report_id).where(~exists().where(n.answer_id == a.answer_id))
    with database.read() as connection:
        rows = connection.execute(query.order_by(a.answer_id).limit(at_most).offset(skip))
        return [(row[0], row[1]) for row in rows]


class DueNotice(NamedTuple):
    """A notice whose time has come. `ussd_failed`: it was sent by USSD before, so now it is sent by SMS."""

    answer_id: str
    report_id: str
    ussd_failed: bool


def list_due(database: Database, at_most: int = 100, skip: int = 0) -> list[DueNotice]:
    """Return the notices whose time has come, oldest first.

    Notices whose USSD failed come first: that USSD may have been shown, and is counted once the SMS is sent.
    `skip`: how many are left out, because they could not be sent.
    """
    n = t.nudge.c
    is_ready = is_due(n.due_at, literal(database.now(), BigInteger), ANSWER_NOTICE)
    query = select(n.answer_id, n.report_id, n.ussd_id.is_not(None)).where(is_ready, n.sent_at.is_(None))
    query = query.order_by(n.ussd_id.is_(None), n.due_at, n.answer_id)
    with database.read() as connection:
        rows = connection.execute(query.limit(at_most).offset(skip)).all()
    return [DueNotice(answer_id, report_id, bool(ussd_failed)) for answer_id, report_id, ussd_failed in rows]


def reopen_failed_ussd(database: Database) -> int:
    """Make the notices due again whose USSD was not shown, or for which no delivery report came in time.

    Returns how many. Each notice is made due again once: its SMS has the id of the answer, and a notice that has an SMS
    is left alone. A USSD whose request broke off may have been shown: its report is waited for, too.
    """
    n, o, sms = t.nudge.c, t.outgoing.c, t.outgoing.alias("sms").c
    now = literal(database.now(), BigInteger)
    is_refused = and_(o.state == SmsState.FAILED, o.last_class.not_in(PERHAPS_SENT))
    is_late = is_due(n.sent_at + USSD_REPORT, now, USSD_REPORT)
    is_failed = and_(
        o.state.in_((SmsState.FAILED, SmsState.EXPIRED, SmsState.SENT)),
        o.status.is_distinct_from("delivered"),
        or_(is_refused, o.status == "failed", is_late),
    )
    ussd_failed = exists().where(o.id == n.ussd_id, is_failed)
    has_sms = exists().where(sms.id == n.answer_id)
    is_open = and_(n.ussd_id.is_not(None), n.sent_at.is_not(None), n.due_at.is_not(None))
    is_to_reopen = and_(is_open, ussd_failed, ~has_sms)
    with database.read() as connection:  # a scan every few seconds must not lock an embedded database
        if connection.execute(select(n.answer_id).where(is_to_reopen).limit(1)).first() is None:
            return 0
    with database.write() as connection:
        reopening = update(t.nudge).where(is_to_reopen).values(sent_at=None, due_at=now)
        return connection.execute(reopening).rowcount


def settle_unsent(database: Database) -> None:
    """Correct the notices whose SMS was certainly not sent, so that nobody is shown that it was.

    One that no provider took in time, or with a fault of the provider or of the operator's account, is due again some
    hours later. One that was refused is closed. The SMS stays until the next one, so that on-call
    is alerted.
    """
    n, o = t.nudge.c, t.outgoing.c
    is_failed = and_(o.state == SmsState.FAILED, o.last_class.not_in(PERHAPS_SENT))
    is_open = and_(n.sent_at.is_not(None), n.due_at.is_not(None))
    is_again = or_(o.state == SmsState.EXPIRED, o.last_class.in_(NOT_NOW))
    query = select(n.answer_id, n.report_id, n.ussd_id, is_again).join_from(t.nudge, t.outgoing, o.id == n.answer_id)
    with database.read() as connection:
        unsent = connection.execute(query.where(is_open, or_(o.state == SmsState.EXPIRED, is_failed))).all()
    for answer_id, report_id, ussd_id, is_due_again in unsent:
        with database.write() as connection:
            now = database.now()
            due_at = now + RETRY_DELAY if is_due_again else None
            correction = update(t.nudge).where(n.answer_id == answer_id, is_open)
            if not connection.execute(correction.values(sent_at=None, due_at=due_at)).rowcount:
                continue
            audit_log.append(connection, ACTOR, NOT_SENT, report_id, now)
        if ussd_id and not is_due_again:
            close_ussd(database, answer_id)


def close_ussd(database: Database, answer_id: str) -> None:
    """Record that no SMS follows a USSD that may have been shown: it still counts as a text of the report, then."""
    n, o = t.nudge.c, t.outgoing.c
    is_reopened = and_(n.answer_id == answer_id, n.ussd_id.is_not(None), n.sent_at.is_(None))
    with database.write() as connection:
        asked_at = select(o.created_at).where(o.id == n.ussd_id).scalar_subquery()
        sent_at = func.coalesce(asked_at, database.now())
        connection.execute(update(t.nudge).where(is_reopened).values(sent_at=sent_at, due_at=None))


def load_facts(database: Database, report_id: str) -> NoticeFacts | None:
    """Load the facts of a report; None if there is no such report."""
    r, c, d, n, o = t.report.c, t.contact.c, t.delivery.c, t.nudge.c, t.outgoing.c
    report_query = select(
        r.mode, r.revision, r.country, r.state, func.coalesce(c.changed_at, r.created_at).label("since")
    )
    report_query = report_query.outerjoin_from(t.report, t.contact, c.report_id == r.report_id).where(
        r.report_id == report_id
    )
    given_hotlines = select(d.hotline).where(d.report_id == report_id, d.type.in_(REPORT_TYPES))
    sent_query = select(n.sent_at).where(n.report_id == report_id, n.sent_at.is_not(None))
    texts = select(n.answer_id).where(n.report_id == report_id)
    by_provider = func.coalesce(o.last_class, "").not_in((WITHDRAWN, *PERHAPS_SENT, *NOT_NOW))
    failed_query = select(o.id).where(o.id.in_(texts), o.state == SmsState.FAILED, by_provider)
    with database.read() as connection:
        row = connection.execute(report_query).first()
        if row is None:
            return None
        hotlines = tuple(dict.fromkeys(connection.execute(given_hotlines.order_by(d.created_at)).scalars()))
        times = tuple(connection.execute(sent_query).scalars())
        has_failed = connection.execute(failed_query.limit(1)).first() is not None
    return NoticeFacts(row.mode, row.revision, row.country, row.state, hotlines, row.since, times, has_failed)


class NoticeRow(NamedTuple):
    """The notice of one answer; times in microseconds.

    `due_at`: None: no text of its own is sent. `sent_at`: None: not sent yet. `way`: how it went; USSD also while an
    SMS is due in its place; None: not sent yet.
    """

    answer_id: str
    due_at: int | None
    sent_at: int | None
    way: NoticeWay | None


@dataclass(frozen=True, slots=True)
class ReportNotices:
    """The notices of a report. `since`: when the reporter last said something about contact, in microseconds."""

    since: int
    rows: tuple[NoticeRow, ...]

    @property
    def sent(self) -> tuple[int, ...]:
        """Return when texts were sent."""
        return tuple(row.sent_at for row in self.rows if row.sent_at is not None)


def list_notices(database: Database, hotline: str, report_id: str) -> ReportNotices:
    """Return the notices of a report that this hotline was given; the caller has checked that it was."""
    r, c, n, a = t.report.c, t.contact.c, t.nudge.c, t.audit.c
    since_query = select(func.coalesce(c.changed_at, r.created_at)).select_from(t.report)
    since_query = since_query.outerjoin(t.contact, c.report_id == r.report_id).where(r.report_id == report_id)
    # `enqueue` gives both rows the same time.
    by_sms = and_(a.actor == ACTOR, a.object_id == report_id, a.act == NoticeWay.SMS_AFTER_USSD, a.at == n.sent_at)
    query = select(n.answer_id, n.due_at, n.sent_at, n.ussd_id.is_not(None), exists().where(by_sms))
    query = query.where(n.report_id == report_id).order_by(n.answer_id)
    with read_as(database, hotline) as connection:
        since = connection.execute(since_query).scalar() or 0
        rows = [
            NoticeRow(answer_id, due_at, sent_at, _way(sent_at, was_ussd=was_ussd, is_sms=is_sms))
            for answer_id, due_at, sent_at, was_ussd, is_sms in connection.execute(query)
        ]
    return ReportNotices(since, tuple(rows))


def _way(sent_at: int | None, *, was_ussd: bool, is_sms: bool) -> NoticeWay | None:
    if was_ussd:
        return NoticeWay.SMS_AFTER_USSD if is_sms else NoticeWay.USSD
    return None if sent_at is None else NoticeWay.SMS


def schedule(database: Database, answer_id: str, report_id: str, due_at: int | None) -> None:
    """Store when the notice of an answer is due; None: no notice is sent.

    A stored time is replaced, unless the notice was sent.
    """
    row = {"answer_id": answer_id, "report_id": report_id, "due_at": due_at}
    with database.write() as connection:
        if not connection.execute(database.insert_or_ignore(t.nudge).values(row)).rowcount:
            is_waiting = and_(t.nudge.c.answer_id == answer_id, t.nudge.c.sent_at.is_(None))
            connection.execute(update(t.nudge).where(is_waiting).values(due_at=due_at))


def enqueue(database: Database, answer_id: str, report_id: str, sms: OutgoingSms) -> bool:
    """Store the SMS, and that the notice was sent, in one transaction. Return False if it was sent before.

    One text announces all pending answers to the report: their notices are cancelled. A text with another id than the
    answer's is a USSD, which is tried once only.
    """
    n = t.nudge.c
    with database.write() as connection:
        now = database.now()
        values: dict[str, object] = {"sent_at": now}
        is_unsent = and_(n.answer_id == answer_id, n.sent_at.is_(None))
        if sms.id != answer_id:
            values |= {"ussd_id": sms.id}
            is_unsent = and_(is_unsent, n.ussd_id.is_(None))
            notice_way = NoticeWay.USSD
        else:
            was_ussd = connection.execute(select(n.ussd_id).where(n.answer_id == answer_id)).scalar() is not None
            notice_way = NoticeWay.SMS_AFTER_USSD if was_ussd else NoticeWay.SMS
        if not connection.execute(update(t.nudge).where(is_unsent).values(values)).rowcount:
            return False
        other_notices = and_(n.report_id == report_id, n.sent_at.is_(None))
        connection.execute(update(t.nudge).where(other_notices).values(due_at=None))
        connection.execute(delete(t.outgoing).where(t.outgoing.c.id == sms.id))  # of an attempt some hours ago
        connection.execute(insert(t.outgoing).values(outgoing_row(database, sms)))
        audit_log.append(connection, ACTOR, notice_way, report_id, now)
    return True
