"""Submit reports, store their mailboxes, and schedule pending revisions: what `web` writes. It never reads a body.

Each function is one transaction or one read. All raise `DatabaseUnavailable` unless the outcome is certain.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final, Literal

from msgspec import Struct
from msgspec.structs import replace
from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Connection,
    Delete,
    Select,
    Update,
    and_,
    bindparam,
    case,
    delete,
    exists,
    func,
    insert,
    literal,
    or_,
    select,
    update,
)

from reports.case_state import ReportState
from reports.delivery import IMMEDIATE_ROLES, DeliveryType, RecipientRole
from reports.escalation import PendingKind, Priority
from reports.facts import Completeness
from reports.store import audit_log
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
    `deliveries`: ids of the deliveries to queue at once.
    """

    report_id: str
    is_new: bool
    completeness: Completeness
    revision: int
    by_this_session: bool = True
    replaces_unsent: bool = False
    has_code: bool = False
    deliveries: tuple[str, ...] = ()


def commit(
    database: Database, submission: Submission, box: MailboxRecord | None = None, *, unsent: bool = False
) -> SubmissionResult:
    """Store a report with bodies, route, deliveries, mailbox and audit entry, and delete its pending revisions.

    All of it is one transaction. `unsent`: the reporter was told NOT SENT of a lower revision that may be stored all
    the same; then nobody was shown its code.
    """
    now = database.now()
    with database.write() as connection:
        is_new = connection.execute(database.insert_or_ignore(t.report), _report_row(submission)).rowcount == 1
        result = (
            _insert_all(database, connection, submission, now) if is_new else _earlier_result(connection, submission)
        )
        result = replace(
            result,
            replaces_unsent=(
                unsent and not is_new and submission.revision > _newest_revision(connection, submission, result)
            ),
        )
        # an earlier session sent this report, and its code was shown already
        code_was_shown = result.completeness == Completeness.COMPLETE and not (
            result.by_this_session or result.replaces_unsent
        )
        if box is None or code_was_shown:
            return result
        _insert_mailbox(database, connection, result.report_id, box)
        return replace(result, has_code=True)


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


def _insert_bodies(connection: Connection, submission: Submission) -> None:
    ids = {"report_id": submission.report_id, "revision": submission.revision}
    bodies = [
        {
            **ids,
            "recipient": part.hotline,
            "key_id": part.key_id,
            "wrap": part.wrap,
            "head": part.head,
            "sealed": part.sealed,
        }
        for part in submission.parts
    ]
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


def save_mailbox(database: Database, report_id: str, box: MailboxRecord) -> None:
    """Store the mailbox of a code that is about to be shown."""
    with database.write() as connection:
        _insert_mailbox(database, connection, report_id, box)


def _insert_mailbox(database: Database, connection: Connection, report_id: str, mailbox: MailboxRecord) -> None:
    m = t.mailbox.c
    row = asdict(mailbox) | {"report_id": report_id, "created_at": database.now()}
    if not connection.execute(database.insert_or_ignore(t.mailbox), row).rowcount:
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


# Pending revisions: the scheduler submits them when they are due. One row of `pending` for each hotline.


@dataclass(frozen=True, slots=True)
class CancelResult:
    """`was_pending`: a pending revision was deleted.

    `stored_completeness`: completeness of the stored report; None if none is stored.
    """

    was_pending: bool
    stored_completeness: Completeness | None


@dataclass(frozen=True, slots=True)
class SubmittedRevision:
    """The report is stored already: under this id, and up to this revision."""

    report_id: str
    revision: int
    complete: bool = True


def schedule_pending(
    database: Database, submission: Submission, kind: PendingKind, due_at: int
) -> SubmittedRevision | None:
    """Replace the pending revision of a report by this one, to be submitted at `due_at` (microseconds).

    Writes nothing, and returns the stored revision, if the report was stored meanwhile under another id, at this
    revision or a later one, or (unless `kind` is update) as complete. Id and revision are sealed into a
    submission, so the caller has to seal it again as the next revision of the stored report.
    """
    with database.write() as connection:
        pending_rows = _lock_pending(connection, submission)
        row = find_submitted(connection, submission)
        is_complete = row is not None and row.completeness == Completeness.COMPLETE
        if row and (
            row.report_id != submission.report_id
            or row.revision >= submission.revision
            or (is_complete and kind != PendingKind.UPDATE)
        ):
            return SubmittedRevision(row.report_id, row.revision, is_complete)
        _replace_pending(connection, submission, kind, _due(database, due_at, kind, pending_rows))
    return None


def schedule_from_spool(database: Database, submission: Submission, kind: PendingKind, due_at: int) -> None:
    """Schedule a revision from the spool. Never overwrite a newer revision, nor a complete one with an incomplete one.

    A later revision holds all that this one does. An incomplete report (rescue) is dropped if a complete one is known.
    """
    with database.write() as connection:
        pending_rows = _lock_pending(connection, submission)
        submitted = find_submitted(connection, submission)
        known_revisions = [(row.revision, row.kind == PendingKind.UPDATE) for row in pending_rows]
        known_revisions += [(submitted.revision, submitted.completeness == Completeness.COMPLETE)] if submitted else []
        if kind == PendingKind.RESCUE and any(is_complete for _, is_complete in known_revisions):
            return
        blocking = [
            revision
            for revision, is_complete in known_revisions
            if is_complete or submission.completeness != Completeness.COMPLETE
        ]
        if submission.revision > max(blocking, default=0):
            _replace_pending(connection, submission, kind, _due(database, due_at, kind, pending_rows))


def _lock_pending(connection: Connection, submission: Submission) -> Sequence[Any]:
    """Return the pending rows (revision, kind, due_at), locked.

    If the scheduler is submitting them at this moment, this waits for its COMMIT and then sees the result.
    """
    return connection.execute(_LOCK_PENDING, {"origin": submission.origin_key, "report": submission.report_id}).all()


def _due(database: Database, due_at: int, kind: PendingKind, pending_rows: Sequence[Any]) -> ColumnElement[int]:
    """Return when the new row is due.

    A row that is due already stays due: if the scheduler is late, further answers must not postpone it. An update that
    replaces an update is due at the earlier of the two times: answers after Send are collected from the first one on.
    """
    new_due_at = database.to_database_time(due_at)
    if not pending_rows:
        return new_due_at
    earliest = literal(min(row.due_at for row in pending_rows), BigInteger)
    is_collecting = kind == PendingKind.UPDATE and all(row.kind == PendingKind.UPDATE for row in pending_rows)
    keeps_time = earliest < new_due_at if is_collecting else and_(earliest <= database.now_sql(), earliest < new_due_at)
    return case((keeps_time, earliest), else_=new_due_at)


def _replace_pending(
    connection: Connection, submission: Submission, kind: PendingKind, due: ColumnElement[int]
) -> None:
    """Replace the pending revision of a report; a report of an earlier session takes the origin key of this one."""
    for statement in (_ADOPT_REPORT, _DELETE_REPLACED):
        connection.execute(statement, {"origin": submission.origin_key, "report": submission.report_id})
    shared_fields = asdict(submission)
    del shared_fields["parts"]
    rows = [
        {**shared_fields, "kind": kind, "recipient": part.hotline, "role": part.role, "rank": rank}
        | {"why": part.why, "key_id": part.key_id, "wrap": part.wrap, "head": part.head, "sealed": part.sealed}
        for rank, part in enumerate(submission.parts)
    ]
    if rows:
        connection.execute(insert(t.pending).values(due_at=due), rows)


def cancel_pending(database: Database, origin_key: bytes, report_id: str, *, up_to: int | None = None) -> CancelResult:
    """Delete the pending revision of a report. `up_to`: only revisions up to this one."""
    is_same_report = same_report(t.pending.c, origin_key, report_id)
    if up_to is not None:  # the reporter has answered again since
        is_same_report = and_(is_same_report, t.pending.c.revision <= up_to)
    completeness_query = select(t.report.c.completeness).where(same_report(t.report.c, origin_key, report_id))
    with database.write() as connection:
        deleted = connection.execute(delete(t.pending).where(is_same_report)).rowcount
        return CancelResult(bool(deleted), connection.execute(completeness_query.limit(1)).scalar())


def expedite_pending(database: Database, origin_key: bytes, report_id: str, due_at: int) -> None:
    """Make a pending revision due at `due_at`: the reporter chose Done, or the network reported the session's end."""
    due = database.to_database_time(due_at)
    is_later = same_report(t.pending.c, origin_key, report_id) & (t.pending.c.due_at > due)
    with database.write() as connection:
        connection.execute(update(t.pending).where(is_later).values(due_at=due))


def _adopt_query() -> Update:
    r, origin = t.report.c, bindparam("origin", type_=t.report.c.origin_key.type)
    is_earlier = (r.report_id == bindparam("report")) & (r.origin_key != origin)
    is_unused = ~exists(select(r.report_id).where(r.origin_key == origin).correlate(None))
    return update(t.report).where(is_earlier, is_unused).values(origin_key=origin)


def _same_pending() -> ColumnElement[bool]:
    return same_report(t.pending.c, bindparam("origin"), bindparam("report"))


_LOCK_PENDING = (
    select(t.pending.c.revision, t.pending.c.kind, t.pending.c.due_at).where(_same_pending()).with_for_update()
)
_ADOPT_REPORT, _DELETE_REPLACED = _adopt_query(), delete(t.pending).where(_same_pending())
