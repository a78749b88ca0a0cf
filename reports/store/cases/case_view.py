"""One report as the staff of a hotline open it, with their notes, its history and who may read it.

Bodies stay sealed: this module reads and writes ids and sealed bytes only. A reading is recorded before anything is
returned (S-23).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import Connection, delete, func, literal, not_, or_, select

from reports.case_state import ACTIVE, Handling
from reports.delivery import REPORT_TYPES, DeliveryState, DeliveryType
from reports.retention import ERASED
from reports.store import audit_log, idempotency_keys
from reports.store.cases import case_actions, case_status, entries
from reports.store.cases.case_actions import SealedNote
from reports.store.cases.case_list import ADDITION_TYPES, BODY_TYPES
from reports.store.cases.case_status import CaseChange, CaseRef, CaseStatus
from reports.store.deliveries import lock_report
from reports.store.engine.database import Database
from reports.store.mailboxes.recordings import SealedRecording
from reports.store.outbox import StoredBody
from reports.store.privileges.row_security import read_as, reveal_report, write_as
from reports.store.schema import tables as t
from reports.store.schema.staff import READING_ROLES, StaffRole
from reports.store.staff import accounts, hidden_reports
from reports.store.staff.accounts import Account
from runtime.settings import Mode
from runtime.time_units import HOUR


@dataclass(frozen=True, slots=True)
class ReadableReport:
    """A report as one hotline may open it.

    `report`: the highest revision. `messages`: what the reporter has sent by My report since, oldest first.
    `withdrawn`: the reporter has withdrawn the permission to use a number.
    """

    mode: Mode
    revision: int
    withdrawn: bool
    report: StoredBody
    messages: tuple[StoredBody, ...]


def load_report(database: Database, report_id: str, hotline: str) -> ReadableReport | None:
    """Return the report; None if this hotline was not given it. A sealed body alone gives no right to read it."""
    with database.read() as connection:
        return read_report(connection, report_id, hotline)


def read_report(connection: Connection, report_id: str, hotline: str) -> ReadableReport | None:
    """Do as `load_report`, on a connection for which the hotline is already set."""
    r, b, c, d, m = t.report.c, t.report_body.c, t.contact.c, t.delivery.c, t.message.c
    is_own = (d.report_id == report_id, d.hotline == hotline, d.type.in_((DeliveryType.CREATED, DeliveryType.UPDATED)))
    body_query = select(r.mode, c.allowed, b.revision, b.key_id, b.wrap, b.head, b.sealed)
    body_query = body_query.join_from(t.report, t.report_body, b.report_id == r.report_id)
    body_query = body_query.outerjoin(t.contact, c.report_id == r.report_id)
    body_query = body_query.where(
        r.report_id == report_id, b.recipient == hotline, b.revision.in_(select(d.revision).where(*is_own))
    )
    message_query = select(m.key_id, m.wrap, literal(b""), m.sealed, m.message_id)
    message_query = message_query.where(
        m.report_id == report_id, m.recipient == hotline, m.number.is_not(None)
    ).order_by(m.number)
    row = connection.execute(body_query.order_by(b.revision.desc()).limit(1)).first()
    if row is None:
        return None
    messages = tuple(StoredBody(*message_row) for message_row in connection.execute(message_query))
    body = StoredBody(row.key_id, row.wrap, row.head, row.sealed)
    return ReadableReport(row.mode, row.revision, row.allowed == 0, body, messages)


def open_recording(database: Database, account: Account, report_id: str, recording_id: str) -> SealedRecording | None:
    """Return the sound of a recording, sealed to the account's hotline; None if there is none.

    The audit log records the access first. The caller has checked `may_see`.
    """
    c = t.recording_copy.c
    query = select(c.recipient, c.key_id, c.wrap, c.sealed)
    query = query.where(c.recording_id == recording_id, c.report_id == report_id, c.recipient == account.hotline)
    with write_as(database, account.hotline) as connection:
        row = connection.execute(query).first()
        if row is None:
            return None
        audit_log.append(connection, account.actor, "heard", report_id, database.now())
    return SealedRecording(*row)


# Additions of the reporter since the hotline last read the report


@dataclass(frozen=True, slots=True)
class Additions:
    """The additions of a reporter since a hotline last read the report.

    `at`: when the last of it was given to the hotline, in microseconds by the scheduler's clock; 0: there is nothing
    new.
    `messages`: ids of messages from My report.
    `revised`: when the last revision that was read was given; words typed in later are new; 0: there is no new
    revision.
    """

    at: int = 0
    messages: frozenset[str] = frozenset()
    revised: int = 0


def find_additions(connection: Connection, hotline: str, report_id: str, read_at: int) -> Additions:
    """Return the reporter's additions since `read_at`, in microseconds."""
    d, m = t.delivery.c, t.message.c
    is_own = (d.report_id == report_id, d.hotline == hotline)
    rows = connection.execute(
        select(d.type, d.revision, d.created_at).where(*is_own, d.type.in_((*BODY_TYPES, *ADDITION_TYPES)))
    )
    deliveries = rows.all()
    additions = [row for row in deliveries if row.type in ADDITION_TYPES and row.created_at > read_at]
    numbers = [row.revision for row in additions if row.type == DeliveryType.MESSAGE]
    ids = select(m.message_id).where(m.report_id == report_id, m.recipient == hotline, m.number.in_(numbers))
    is_revised = any(row.type == DeliveryType.UPDATED for row in additions)
    read_times = [row.created_at for row in deliveries if row.type in BODY_TYPES and row not in additions]
    return Additions(
        max((row.created_at for row in additions), default=0),
        frozenset(connection.execute(ids).scalars()) if numbers else frozenset(),
        max(read_times, default=1) if is_revised else 0,
    )


def has_additions(database: Database, account: Account, report_id: str, after: int) -> bool:
    """Return whether the reporter has sent something since `after`; the caller has checked `may_see`."""
    d = t.delivery.c
    is_own = (d.report_id == report_id, d.hotline == account.hotline, d.type.in_(ADDITION_TYPES))
    with read_as(database, account.hotline) as connection:
        newest_at = connection.execute(select(func.max(d.created_at)).where(*is_own)).scalar()
    return (newest_at or 0) > after


# The page of one report

MAX_READS_PER_HOUR = 60  # reports in an hour that one person may read before their leads are notified


@dataclass(frozen=True, slots=True)
class CaseView:
    """The data of a report's page.

    `held`: the sealed report; None for an input that nobody could read. `others`: every hotline that was given the
    report, with its handling state. `holding`: the hotline's row of `holding`, None in each column if there is none.
    `done`: the audit entries that this hotline may see. `news`: since somebody at this hotline last read the report.
    `shown_at`: everything that was given until then is included.
    """

    handling: Handling
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
    """Record that this person reads the report, then return everything about it.

    If the reading cannot be recorded, nothing is returned (S-23). `is_read`: the page itself was requested; the answer
    to a form of an older page shows nothing new, and does not count as read.
    """
    read_at = _record_read(database, account, report_id, is_read)
    with read_as(database, account.hotline) as connection:
        shown_at = database.moment(connection)
        additions = find_additions(connection, account.hotline, report_id, read_at)
        report = read_report(connection, report_id, account.hotline)
        holding = case_status.load_holding(connection, account.hotline, report_id)
        n = t.note.c
        note_query = select(t.note).where(n.report_id == report_id, n.recipient == account.hotline)
        note_query = note_query.where(n.kind != case_actions.CHILD_NOTE)
        note_rows = tuple(connection.execute(note_query.order_by(n.created_at, n.note_id)))
        history = _history(connection, account.hotline, report_id)
        reveal_report(database, connection, report_id)
        d = t.delivery.c
        delivery_query = select(d.hotline, d.role, d.why, d.state, d.handling, d.created_at)
        delivery_query = delivery_query.where(
            d.report_id == report_id, d.type.in_(REPORT_TYPES), d.state != DeliveryState.CANCELLED
        )
        delivery_rows = tuple(connection.execute(delivery_query.order_by(d.created_at, d.delivery_id)))
    own_rows = [row for row in delivery_rows if row.hotline == account.hotline]
    status = CaseStatus(own_rows[-1].handling, *(holding[name] for name in ("holder", "handed_by")))
    status = replace(status, changed_at=holding["changed_at"] or 0, changed_by=holding["changed_by"])
    return CaseView(
        own_rows[-1].handling,
        own_rows[0].created_at,
        delivery_rows,
        holding,
        note_rows,
        history,
        report,
        additions,
        shown_at,
        status,
    )


def _record_read(database: Database, account: Account, report_id: str, is_read: bool) -> int:
    """Record the reading in the audit log, and return when the report was read before; 0: never."""
    now, a, h = database.now(), t.audit.c, t.holding.c
    read_query = select(h.read_at).where(h.report_id == report_id, h.hotline == account.hotline)
    count_query = select(func.count(func.distinct(a.object_id)))
    count_query = count_query.where(a.actor == account.actor, a.act == "read", a.at > now - HOUR)
    notified = select(a.audit_id).where(a.actor == account.actor, a.act == "read_many", a.at > now - HOUR).limit(1)
    with write_as(database, account.hotline) as connection:
        audit_log.append(connection, account.actor, "read", report_id, now)
        if (
            connection.execute(count_query).scalar_one() > MAX_READS_PER_HOUR
            and connection.execute(notified).first() is None
        ):
            audit_log.append(connection, account.actor, "read_many", account.staff_id, now)
        read_at = connection.execute(read_query).scalar() or 0
        if is_read:  # by the database's clock, like deliveries; by another clock an addition could count as read
            case_status.save_values(connection, database, account.hotline, report_id, {"read_at": database.now_sql()})
    return read_at


def _history(connection: Connection, hotline: str, report_id: str) -> tuple[Any, ...]:
    """Return the audit entries about the report, without those of another hotline's staff.

    That the operator's act showed it again to somebody of this hotline is among them. The ids are read first: with
    subqueries PostgreSQL does not use the index of the audit.
    """
    a, d, s = t.audit.c, t.delivery.c, t.staff.c
    own_deliveries = select(d.delivery_id).where(d.report_id == report_id, d.hotline == hotline)
    own_staff = connection.execute(select(s.staff_id).where(s.hotline == hotline)).scalars()
    object_ids = [report_id, *connection.execute(own_deliveries).scalars()]
    object_ids += [f"{report_id}/{staff_id}" for staff_id in own_staff]  # whom an act about the report concerned
    is_own = or_(not_(a.actor.startswith("staff:")), a.actor.startswith(f"staff:{hotline}/", autoescape=True))
    is_listed = or_(is_own, hidden_reports.is_shown_to_staff_of(hotline))
    query = select(a.at, a.actor, a.act).where(a.object_id.in_(object_ids), is_listed)
    return tuple(connection.execute(query.order_by(a.at, a.audit_id)))


def save_change(
    database: Database,
    account: Account,
    report_id: str,
    change: CaseChange,
    key: bytes | None = None,
    *,
    status: str,
    note: SealedNote | None = None,
) -> None:
    """Save a change that concerns this hotline only, with a note for colleagues, in one transaction.

    `key`: idempotency key of the form. `status`: the key of the status that the page showed. Raises StatusConflict,
    CannotHold, and TransitionNotAllowed if a closed or transferred report would get a holder.
    """
    case_ref = CaseRef(account.hotline, report_id, account.actor)
    with write_as(database, account.hotline) as connection:
        lock_report(connection, report_id)
        if idempotency_keys.claim_key(connection, database, key):
            handling = case_status.load_handling(connection, case_ref)
            case_status.check_unchanged(connection, database, case_ref, handling, status)
            if "holder" in change.values and handling not in (Handling.NONE, *ACTIVE):
                raise case_actions.TransitionNotAllowed(handling)
            case_status.save_change(connection, database, case_ref, change)
            if note:
                case_actions.save_note(connection, note, account.actor, database.now())
            if "holder" in change.values:
                case_status.record_change(connection, database, case_ref)


def load_status(database: Database, account: Account, report_id: str) -> CaseStatus:
    """Load the status of a report; the caller has checked that this hotline was given it."""
    case_ref = CaseRef(account.hotline, report_id, account.actor)
    with read_as(database, account.hotline) as connection:
        return case_status.load_status(
            connection, case_ref.hotline, report_id, case_status.load_handling(connection, case_ref)
        )


def load_holding(database: Database, account: Account, report_id: str) -> Mapping[str, Any]:
    """Return the hotline's row of `holding`; None in each column if there is none."""
    with read_as(database, account.hotline) as connection:
        return case_status.load_holding(connection, account.hotline, report_id)


def account_predates_report(database: Database, account: Account, report_id: str) -> bool:
    """Return whether this person had their account before the report was started."""
    query = select(t.report.c.created_at).where(t.report.c.report_id == report_id)
    with read_as(database, account.hotline) as connection:
        report_created_at = connection.execute(query).scalar()
    return report_created_at is not None and account.created_at < report_created_at


def has_read(database: Database, account: Account, report_id: str) -> bool:
    """Return whether this person has ever opened the report."""
    a = t.audit.c
    query = select(a.audit_id).where(a.object_id == report_id, a.actor == account.actor, a.act == "read").limit(1)
    with read_as(database, account.hotline) as connection:
        return connection.execute(query).first() is not None


def was_deleted_by_reporter(database: Database, account: Account, report_id: str) -> bool:
    """Return whether this hotline had the report and its reporter deleted it; no data of it is left.

    False for a person from whom the report was hidden: they learn nothing about it (S-26).
    """
    a, p, r = t.audit.c, t.purged.c, t.receipt.c
    had_report = select(r.report_id).where(r.report_id == report_id, r.hotline == account.hotline).exists()
    query = select(p.report_id).where(p.report_id == report_id, p.rule == ERASED.name, had_report)
    # `kept_away` was deleted with the report; the audit is kept.
    is_about = (a.object_id == f"{report_id}/{account.staff_id}", a.act.in_(("hidden_from", "shown_to")))
    access_query = select(a.act).where(*is_about).order_by(a.at.desc(), a.audit_id.desc()).limit(1)
    with read_as(database, account.hotline) as connection:
        if connection.execute(query).first() is None:
            return False
        return connection.execute(access_query).scalar() != "hidden_from"


def list_answers(database: Database, account: Account, report_id: str) -> Sequence[Any]:
    """Return the notes with this hotline's messages to the reporter, oldest first."""
    n = t.note.c
    is_own = (n.report_id == report_id, n.recipient == account.hotline, n.kind == "answer")
    with read_as(database, account.hotline) as connection:
        return connection.execute(select(t.note).where(*is_own).order_by(n.created_at, n.note_id)).all()


def add_note(database: Database, account: Account, note: SealedNote, key: bytes | None = None) -> None:
    """Store a note for colleagues; nothing else changes. `key`: idempotency key of the form."""
    now = database.now()
    with write_as(database, account.hotline) as connection:
        if not idempotency_keys.claim_key(connection, database, key):
            return
        case_actions.save_note(connection, note, account.actor, now)
        audit_log.append(connection, account.actor, "noted", note.report_id, now)


class NobodyElse(Exception):
    """Nobody but this lead could open the report then: no other lead, or no member of staff if there is none."""


def set_access(
    database: Database, lead: Account, report_id: str, staff_id: str, key: bytes | None = None, *, away: bool
) -> bool:
    """Exclude a person from a report and delete their drafts for it, or let them see it again (S-26).

    If the excluded person holds the report, it goes back into the queue, as by *Pass on…*. Return whether it did.
    `key`: idempotency key of the form. Raises NobodyElse.
    """
    k, now = t.kept_away.c, database.now()
    case_ref = CaseRef(lead.hotline, report_id, lead.actor)
    with write_as(database, lead.hotline) as connection:
        lock_report(connection, report_id)
        if not idempotency_keys.claim_key(connection, database, key):
            return False
        if away:
            connection.execute(delete(t.draft).where(t.draft.c.report_id == report_id, t.draft.c.staff_id == staff_id))
            connection.execute(database.insert_or_ignore(t.kept_away).values(report_id=report_id, staff_id=staff_id))
        else:
            connection.execute(delete(t.kept_away).where(k.report_id == report_id, k.staff_id == staff_id))
        act = "hidden_from" if away else "shown_to"
        audit_log.append(connection, lead.actor, act, f"{report_id}/{staff_id}", now)
        if away and not _another_can_read(connection, lead, report_id):
            raise NobodyElse
        is_put_back = away and _is_held_by(connection, case_ref, staff_id)
        if is_put_back:
            _put_back(connection, database, case_ref)
    return is_put_back


def _another_can_read(connection: Connection, lead: Account, report_id: str) -> bool:
    """Return whether another lead, or a member of staff if there is no other lead, can open the report."""
    hidden_reports.lock_accounts(connection, lead.hotline)
    excluded = select(t.kept_away.c.staff_id).where(t.kept_away.c.report_id == report_id)
    others = hidden_reports.list_keepers(connection, lead.hotline, without=lead.staff_id)
    return not set(others) <= set(connection.execute(excluded).scalars())


def end_account(database: Database, account: Account, by: str) -> None:
    """End an account; the reports that it holds go back into the queue. `by`: the actor who does it."""
    _change_without_reports(database, account, by, lambda: accounts.deactivate(database, account, by))


def set_role(database: Database, account: Account, role: StaffRole, by: str) -> None:
    """Give the account another role; if it may read no reports, those that it holds go back into the queue.

    `by`: the actor who does it.
    """
    if role in READING_ROLES:
        accounts.set_role(database, account, role, by)
    else:
        _change_without_reports(database, account, by, lambda: accounts.set_role(database, account, role, by))


def _change_without_reports(database: Database, account: Account, by: str, change: Callable[[], None]) -> None:
    """Make a change after which the account opens no reports.

    Its reports are put back before: the database may fail after the change. And after it: the person may have taken
    another one in between.
    """
    put_back_reports(database, account, by)
    change()
    put_back_reports(database, account, by)


def put_back_reports(database: Database, holder: Account, by: str) -> int:
    """Put the open reports that a person holds back into the queue; return how many. `by`: the actor who does it.

    Of reports that they entered and that are not stored yet, nobody becomes the holder.
    """
    h, d = t.holding.c, t.delivery.c
    own = select(d.report_id).where(d.hotline == holder.hotline, d.type.in_(REPORT_TYPES))
    held_query = select(h.report_id).where(h.hotline == holder.hotline, h.holder == holder.name)
    held_query = held_query.where(h.report_id.in_(own.where(d.state != DeliveryState.CANCELLED)))
    count = 0
    actor_hotline = by.removeprefix("staff:").partition("/")[0]  # the operator's accounts have a hotline of their own
    with write_as(database, holder.hotline, actor_hotline) as connection:
        entries.give_up(connection, holder)  # first: the scheduler may be storing one, and then this waits for it
        for report_id in sorted(connection.execute(held_query).scalars()):
            case_ref = CaseRef(holder.hotline, report_id, by)
            lock_report(connection, report_id)
            if _is_held_by(connection, case_ref, holder.staff_id):
                _put_back(connection, database, case_ref)
                count += 1
    return count


def _put_back(connection: Connection, database: Database, case_ref: CaseRef) -> None:
    values = {"holder": case_status.UNASSIGNED, "handed_by": case_status.actor_name(case_ref.actor)[:24]}
    case_status.save_change(connection, database, case_ref, CaseChange("put_back", values))
    case_status.record_change(connection, database, case_ref)


def _is_held_by(connection: Connection, case_ref: CaseRef, staff_id: str) -> bool:
    """Return whether this person holds an open report, or it was passed to them."""
    handling = case_status.load_handling(connection, case_ref)
    status = case_status.load_status(connection, case_ref.hotline, case_ref.report_id, handling)
    name = connection.execute(select(t.staff.c.name).where(t.staff.c.staff_id == staff_id)).scalar()
    return handling in (Handling.NONE, *ACTIVE) and name is not None and status.holder == name


def list_excluded(database: Database, account: Account, report_id: str) -> frozenset[str]:
    """Return the ids of the accounts that are excluded from a report of this account's hotline."""
    with read_as(database, account.hotline) as connection:
        query = select(t.kept_away.c.staff_id).where(t.kept_away.c.report_id == report_id)
        return frozenset(connection.execute(query).scalars())
