"""Submit reports, store their mailboxes, and schedule pending revisions, for `web`. It never reads a body.

Each function is one transaction or one read. All raise `DatabaseUnavailable` unless the outcome is certain.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from typing import Any, Final, Literal

from msgspec import Struct
from msgspec.structs import replace
from sqlalchemy import (
    ColumnElement,
    Connection,
    Delete,
    Select,
    bindparam,
    delete,
    func,
    insert,
    or_,
    select,
    update,
)

from reports.case_state import ReportState
from reports.delivery import IMMEDIATE_ROLES, DeliveryType, RecipientRole
from reports.escalation import PendingKind, Priority
from reports.facts import Completeness
from reports.store import audit_log, tombstones
from reports.store.deliveries import new_delivery
from reports.store.engine.database import Database
from reports.store.schema import tables as t
from runtime.settings import Mode

HELD: Final = "held"
CopyRole = RecipientRole | Literal["held"]  # held: stored for a hotline, and not routed


@dataclass(frozen=True, slots=True)
class SealedCopy:
    """A report sealed for one hotline of its route.

    `why`: the reason code of the routing.
    """

    hotline: str
    role: CopyRole
    why: str
    key_id: str
    wrap: bytes
    head: bytes
    sealed: bytes


@dataclass(frozen=True, slots=True)
class Submission:
    """One revision of one report, sealed once for each hotline of its whole route. Times in microseconds."""

    report_id: str
    origin_key: bytes
    revision: int
    created_at: int
    country: str
    mode: Mode
    priority: Priority
    completeness: Completeness
    parts: tuple[SealedCopy, ...]


@dataclass(frozen=True, slots=True)
class MailboxRecord:
    """The stored record of one code and PIN: a slow hash to look the mailbox up, and the key pair for answers."""

    lookup: bytes
    public_key: bytes
    sealed_key: bytes


class SubmissionResult(Struct, frozen=True):
    """The result of a Send. `is_new`: the report was stored now; False: it was stored before, under `report_id`.

    `by_this_session`: it was stored by this session, not by an earlier one that this session resumes.
    `replaces_unsent`: the stored report is the one that the reporter saw as NOT SENT, and holds less than this
    submission.
    `has_code`: the mailbox was stored.
    `is_deleted`: nothing was stored, since the reporter deleted the report, or it was purged.
    `deliveries`: ids of the deliveries to queue at once.
    """

    report_id: str
    is_new: bool
    completeness: Completeness
    revision: int
    by_this_session: bool = True
    replaces_unsent: bool = False
    has_code: bool = False
    is_deleted: bool = False
    deliveries: tuple[str, ...] = ()


def commit(
    database: Database,
    submission: Submission,
    mailbox: MailboxRecord | None = None,
    *,
    unsent: bool = False,
    from_spool: bool = False,
) -> SubmissionResult:
    """Store a report with bodies, route, deliveries, mailbox and audit entry, and delete its pending revisions.

    All of it is one transaction. `unsent`: the reporter was shown NOT SENT for a lower revision that may be stored all
    the same; then nobody was shown its code. `from_spool`: a report that was deleted or purged since is not stored.
    """
    now = database.now()
    with suppress(_Deleted), database.write() as connection:
        if from_spool:
            tombstones.lock(database, connection, submission.report_id)
        if connection.execute(database.insert_or_ignore(t.report), _report_row(submission)).rowcount == 1:
            # Checked after the INSERT, which waits for a purge of the same report that is under way.
            if from_spool and tombstones.covers(connection, *_identity(submission), is_send=True):
                raise _Deleted
            with database.sent_together(connection):
                result = _insert_all(database, connection, submission, now)
                if mailbox is not None:
                    _insert_mailbox(database, connection, result.report_id, mailbox)
            return replace(result, has_code=mailbox is not None)
        result = _earlier_result(connection, submission)
        result = replace(
            result,
            replaces_unsent=unsent and submission.revision > _newest_revision(connection, submission, result),
        )
        # an earlier session sent this report, and its code was shown already
        code_was_shown = result.completeness == Completeness.COMPLETE and not (
            result.by_this_session or result.replaces_unsent
        )
        if mailbox is None or code_was_shown:
            return result
        _insert_mailbox(database, connection, result.report_id, mailbox)
        return replace(result, has_code=True)
    return SubmissionResult(submission.report_id, False, submission.completeness, submission.revision, is_deleted=True)


class _Deleted(Exception):
    """Roll back: the report was deleted or purged before its entry of a spool was submitted."""


def _identity(submission: Submission) -> tuple[str, bytes, int]:
    return submission.report_id, submission.origin_key, submission.revision


def _insert_all(database: Database, connection: Connection, submission: Submission, now: int) -> SubmissionResult:
    _insert_bodies(connection, submission)
    deliveries = [_delivery_row(submission, part, now) for part in submission.parts if part.role in IMMEDIATE_ROLES]
    if deliveries:
        database_now = database.to_database_time(now)
        connection.execute(insert(t.delivery).values(next_at=database_now, created_at=database_now), deliveries)
    audit_log.append(connection, "web", "sent", submission.report_id, now)
    _delete_pending(connection, submission)
    delivery_ids = tuple(row["delivery_id"] for row in deliveries)
    return SubmissionResult(
        submission.report_id, True, submission.completeness, submission.revision, deliveries=delivery_ids
    )


def _delete_pending(connection: Connection, submission: Submission) -> None:
    """Delete the pending revisions of a report, except later additions.

    A Send that waited in the spool may be stored after the additions that follow it.
    """
    parameters = {"origin": submission.origin_key, "report": submission.report_id, "sent": submission.revision}
    connection.execute(_DELETE_PENDING, parameters)


def same_report(columns: Any, origin_key: Any, report_id: Any) -> ColumnElement[bool]:
    """Return whether a row belongs to a report: by the origin key of the session, or by id.

    An earlier session of the same report has another origin key.
    """
    return or_(columns.origin_key == origin_key, columns.report_id == report_id)


def find_submitted(connection: Connection, submission: Submission) -> Any:
    """Return the row (report_id, completeness, revision, own) of the stored report, this session's first, or None."""
    return connection.execute(
        _FIND_SUBMITTED, {"origin": submission.origin_key, "report": submission.report_id}
    ).first()


def list_stored(database: Database, origin_keys: Sequence[bytes]) -> dict[bytes, tuple[str, ReportState]]:
    """Return id and state of the stored reports with these origin keys."""
    r = t.report.c
    query = select(r.origin_key, r.report_id, r.state).where(r.origin_key.in_(origin_keys))
    with database.read() as connection:
        return {row.origin_key: (row.report_id, ReportState(row.state)) for row in connection.execute(query)}


def list_not_stored(database: Database, report_ids: Sequence[str]) -> tuple[str, ...]:
    """Return those of these reports that are not in the database."""
    if not report_ids:
        return ()
    r = t.report.c
    with database.read() as connection:
        stored = set(connection.execute(select(r.report_id).where(r.report_id.in_(report_ids))).scalars())
    return tuple(report_id for report_id in report_ids if report_id not in stored)


def _earlier_result(connection: Connection, submission: Submission) -> SubmissionResult:
    row = find_submitted(connection, submission)
    return SubmissionResult(row.report_id, False, row.completeness, row.revision, bool(row.own))


def _newest_revision(connection: Connection, submission: Submission, result: SubmissionResult) -> int:
    """Return the highest revision that is stored or is pending as an update."""
    p = t.pending.c
    pending_rows = same_report(p, submission.origin_key, submission.report_id) & (p.kind == PendingKind.UPDATE)
    return max(connection.execute(select(func.max(p.revision)).where(pending_rows)).scalar() or 0, result.revision)


def _report_row(submission: Submission) -> dict[str, Any]:
    names = ("report_id", "origin_key", "revision", "created_at", "country", "mode", "priority", "completeness")
    has_recipient = any(part.role != HELD for part in submission.parts)
    return {name: getattr(submission, name) for name in names} | {
        "state": ReportState.QUEUED if has_recipient else ReportState.NEEDS_PERSON,
        "desk": None,
    }


def pending_rows(submission: Submission, kind: PendingKind) -> list[dict[str, Any]]:
    """Return the rows of `pending` of a submission, one for each hotline. The caller adds `due_at`."""
    shared = {name: getattr(submission, name) for name in Submission.__dataclass_fields__ if name != "parts"}
    return [
        {**shared, "kind": kind, "recipient": part.hotline, "role": part.role, "rank": rank, "why": part.why}
        | sealed_fields(part)
        for rank, part in enumerate(submission.parts)
    ]


def sealed_fields(copy: Any) -> dict[str, Any]:
    """Return the columns of a sealed body. `copy`: a SealedCopy, or a row of `pending`."""
    return {name: getattr(copy, name) for name in ("key_id", "wrap", "head", "sealed")}


def _insert_bodies(connection: Connection, submission: Submission) -> None:
    ids = {"report_id": submission.report_id, "revision": submission.revision}
    bodies = [{**ids, "recipient": part.hotline, **sealed_fields(part)} for part in submission.parts]
    if bodies:
        connection.execute(_INSERT_BODIES, bodies)
    routed = [
        {**ids, "hotline": part.hotline, "role": part.role, "rank": rank, "why": part.why}
        for rank, part in enumerate(submission.parts)
        if part.role != HELD
    ]
    if routed:
        connection.execute(_INSERT_ROUTE, routed)


def _delivery_row(submission: Submission, part: SealedCopy, now: int) -> dict[str, Any]:
    """Return a row of `delivery` without its times, which the caller sets by the database's clock."""
    report_and_hotline = (submission.report_id, part.hotline)
    row = new_delivery(
        *report_and_hotline,
        kind=DeliveryType.CREATED,
        revision=submission.revision,
        priority=submission.priority,
        now=now,
    )
    times = ("next_at", "created_at")
    return {name: row[name] for name in row if name not in times} | {"role": part.role, "why": part.why}


def save_mailbox(database: Database, report_id: str, mailbox: MailboxRecord) -> None:
    """Store the mailbox of a code that is about to be shown."""
    with database.write() as connection:
        _insert_mailbox(database, connection, report_id, mailbox)


def _insert_mailbox(database: Database, connection: Connection, report_id: str, mailbox: MailboxRecord) -> None:
    m = t.mailbox.c
    row = asdict(mailbox) | {"report_id": report_id, "created_at": database.now()}
    if connection.execute(database.insert_or_ignore(t.mailbox), row).rowcount != 1:  # -1 within `sent_together`
        # An earlier session of the same report stored a mailbox: the code that is shown now must open it.
        outdated = (m.report_id == report_id) & (m.lookup != mailbox.lookup)
        connection.execute(update(t.mailbox).where(outdated).values(asdict(mailbox)))


def _submitted_query() -> Select[Any]:
    r = t.report.c
    is_own = r.origin_key == bindparam("origin")
    query = select(r.report_id, r.completeness, r.revision, is_own.label("own")).order_by(is_own.desc()).limit(1)
    return query.where(same_report(r, bindparam("origin"), bindparam("report")))


def _delete_pending_query() -> Delete:
    p = t.pending.c
    added = (p.kind == PendingKind.UPDATE) & (p.revision > bindparam("sent"))
    return delete(t.pending).where(same_report(p, bindparam("origin"), bindparam("report")), ~added)


_FIND_SUBMITTED, _DELETE_PENDING, _INSERT_BODIES, _INSERT_ROUTE = (
    _submitted_query(),
    _delete_pending_query(),
    insert(t.report_body),
    insert(t.route),
)
