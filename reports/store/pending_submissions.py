"""Pending revisions, one row for each hotline: web schedules them, and the scheduler submits those that are due.

A pending revision comes from a session dropped in danger, from words never sent, or from answers after Send.

`web` has sealed and routed the rows of `pending`; nothing is routed or opened here. The rows are deleted first, in the
same transaction, so that `web`, replacing them at that moment, succeeds or fails completely.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Connection,
    Update,
    and_,
    bindparam,
    case,
    delete,
    exists,
    insert,
    literal,
    select,
    update,
)

from reports.case_state import ACKNOWLEDGED, Handling, ReportState
from reports.delivery import IMMEDIATE_ROLES, REPORT_TYPES, DeliveryState, DeliveryType
from reports.escalation import URGENT, PendingKind, Priority
from reports.facts import Completeness
from reports.follow_up import DEFAULT_FOLLOW_UPS
from reports.retention import ERASED
from reports.store import audit_log, deliveries, tombstones
from reports.store.cases import case_status
from reports.store.deliveries import is_on_latest_route, new_delivery
from reports.store.engine.database import Database
from reports.store.engine.time_expressions import is_due, period_by_column
from reports.store.escalation import steps
from reports.store.mailboxes import correspondence, entry_codes
from reports.store.schema import tables as t
from reports.store.submissions import HELD, Submission, find_submitted, pending_rows, same_report, sealed_fields
from reports.time_limits import PENDING_REVISION

COMPLETENESS_ORDER = tuple(Completeness)
COLLECTING_KINDS = (PendingKind.UPDATE, PendingKind.UNCONFIRMED_TEXT)
AUDIT_ACTS = {
    PendingKind.RESCUE: "rescued",
    PendingKind.UNCONFIRMED_TEXT: "words_filed",
    PendingKind.UPDATE: "updated",
    PendingKind.UNREAD: "unread_filed",
    PendingKind.STAFF: "entry_stored",
}


@dataclass(frozen=True, slots=True)
class RevisionEffect:
    """The effect of a revision on a report. `complete`: it became complete; `urgent`: its priority rose to P1 or P2."""

    complete: bool = False
    urgent: bool = False


def list_due(database: Database, at_most: int = 50, skip: int = 0) -> list[bytes]:
    """Return the origin keys of pending revisions that are due, oldest first. Call `submit_due` with each.

    `skip`: how many are left out, because they could not be submitted.
    """
    p = t.pending.c
    with database.read() as connection:
        query = select(p.origin_key, p.due_at).where(_is_due(database)).distinct().order_by(p.due_at, p.origin_key)
        return list(connection.execute(query.limit(at_most).offset(skip)).scalars())


def _is_due(database: Database) -> ColumnElement[bool]:
    p = t.pending.c
    return is_due(p.due_at, database.now_sql(), period_by_column(PENDING_REVISION, p.kind))


def submit_due(database: Database, origin_key: bytes) -> list[tuple[str, Priority]]:
    """Submit a pending revision in one transaction; return (delivery_id, priority) of each delivery that is now due.

    The list is also empty if the revision was replaced, cancelled or sent meanwhile.
    """
    p = t.pending.c
    condition = (p.origin_key == origin_key) & _is_due(database)
    with database.write() as connection:
        rows = connection.execute(delete(t.pending).where(condition).returning(*p)).all()
        if not rows:
            return []
        now = database.moment(connection)
        new_deliveries = []
        # Staff's own rows are separate: a person who wrote one must not affect the row of a phone.
        for is_entered in (False, True):
            part = sorted((row for row in rows if (row.kind == PendingKind.STAFF) is is_entered), key=_rank)
            new_deliveries += _submit(connection, database, part, now) if part else []
        return new_deliveries


def _rank(row: Any) -> int:
    rank: int = row.rank
    return rank


def _submit(connection: Connection, database: Database, rows: Sequence[Any], now: int) -> list[tuple[str, Priority]]:
    first_row = rows[0]
    if _is_erased(connection, first_row.report_id):  # the reporter has deleted it since, so it must not be stored again
        audit_log.append(connection, "clock", "not_filed:erased", first_row.report_id, now)
        return []
    is_new, effect = _insert_report(connection, database, first_row), RevisionEffect()
    is_entered = first_row.kind == PendingKind.STAFF
    if not is_new:
        # The console may enter a report, and must not change one that exists.
        if is_entered or _is_submitted(connection, rows):
            return []
        effect = _update_report(connection, database, first_row, now)
        if effect.complete:
            _cancel_left_out(connection, rows, now)
    _insert_bodies(connection, database, rows)
    if effect.urgent:
        _reset_handling(connection, first_row.report_id, now)
    new_deliveries = _insert_deliveries(connection, database, rows, now)
    audit_log.append(connection, "clock", AUDIT_ACTS[first_row.kind], first_row.report_id, now)
    for delivery_id, _ in new_deliveries:
        audit_log.append(connection, "clock", "made", delivery_id, now)
    if is_entered:
        _finish_entry(connection, database, first_row, new_deliveries, now)
    for row in rows:
        new_deliveries += correspondence.deliver_missing_messages(
            connection, database, row.report_id, row.recipient, now
        )
    deliveries.update_report_state(connection, first_row.report_id, now)
    return new_deliveries


def _finish_entry(
    connection: Connection, database: Database, row: Any, new_deliveries: Sequence[tuple[str, Priority]], now: int
) -> None:
    """Hold the code of an entered report for web, and acknowledge it for the person who takes it."""
    if row.code is not None:
        entry_codes.hold(connection, row.report_id, row.code, now)
    if row.taker is None:
        return
    for delivery_id, _ in new_deliveries:
        same_delivery = t.delivery.c.delivery_id == delivery_id
        connection.execute(update(t.delivery).where(same_delivery).values(handling=Handling.ACCEPTED))
        audit_log.append(connection, row.taker, Handling.ACCEPTED, delivery_id, now)
    name = case_status.actor_name(row.taker)[:24]
    values: dict[str, Any] = {"holder": name, "changed_at": now, "changed_by": name, "read_at": now}
    values["follow_up_at"] = now + DEFAULT_FOLLOW_UPS[row.priority]
    connection.execute(insert(t.holding).values(report_id=row.report_id, hotline=row.recipient, **values))


def _insert_report(connection: Connection, database: Database, row: Any) -> bool:
    r = t.report.c
    names = ("report_id", "origin_key", "revision", "created_at", "country", "priority", "completeness", "mode")
    values = {name: getattr(row, name) for name in names} | {"state": ReportState.QUEUED, "desk": None}
    existing_id = connection.execute(select(r.report_id).where(r.origin_key == row.origin_key)).scalar()
    if existing_id is not None and existing_id != row.report_id:
        # Two reports never share an origin key. If they did, both would be stored, and nothing would be lost.
        values["origin_key"] = hashlib.sha256(row.origin_key + row.report_id.encode()).digest()
    return bool(connection.execute(database.insert_or_ignore(t.report).values(values)).rowcount)


def _is_erased(connection: Connection, report_id: str) -> bool:
    p = t.purged.c
    query = select(p.report_id).where(p.report_id == report_id, p.rule == ERASED.name)
    return connection.execute(query).first() is not None


def _is_submitted(connection: Connection, rows: Sequence[Any]) -> bool:
    b = t.report_body.c
    is_same_revision = (b.report_id == rows[0].report_id) & (b.revision == rows[0].revision)
    query = select(b.recipient).where(is_same_revision, b.recipient.in_([row.recipient for row in rows]))
    return connection.execute(query.limit(1)).first() is not None


def _update_report(connection: Connection, database: Database, row: Any, now: int) -> RevisionEffect:
    r = t.report.c
    query = select(r.revision, r.priority, r.completeness).where(r.report_id == row.report_id).with_for_update()
    stored = connection.execute(query).one()
    priority = min(stored.priority, row.priority)
    completeness = max(stored.completeness, row.completeness, key=COMPLETENESS_ORDER.index)
    values = {"revision": max(stored.revision, row.revision), "priority": priority, "completeness": completeness}
    connection.execute(update(t.report).where(r.report_id == row.report_id).values(values))
    if priority < stored.priority:
        steps.start_raised(connection, database, row.report_id, priority, now)
    d = t.delivery.c
    is_less_urgent = and_(d.report_id == row.report_id, d.state == DeliveryState.DUE, d.priority > priority)
    connection.execute(update(t.delivery).where(is_less_urgent).values(priority=priority))
    is_urgent = priority in URGENT and priority < stored.priority
    return RevisionEffect(completeness == Completeness.COMPLETE != stored.completeness, is_urgent)


def _reset_handling(connection: Connection, report_id: str, now: int) -> None:
    """Clear who acknowledged a report that has become urgent, and their findings.

    They acknowledged a less urgent report. Until somebody acknowledges it again, the urgent escalation runs
    (docs/clocks.md). Earlier findings, such as a hoax, were about the report as it was before.
    """
    d, h = t.delivery.c, t.holding.c
    had_report = and_(
        d.report_id == report_id, d.type.in_(REPORT_TYPES), d.handling.in_(ACKNOWLEDGED), is_on_latest_route(d)
    )
    statement = update(t.delivery).where(had_report).values(handling=Handling.NONE).returning(d.delivery_id, d.hotline)
    for row in connection.execute(statement).all():
        same_case = and_(h.report_id == report_id, h.hotline == row.hotline)
        names = ("holder", "handed_by", "outcome", "hoax_by", "hoax_at", "closed_from", "follow_up_at", "follow_up_by")
        cleared = dict.fromkeys(names)
        connection.execute(update(t.holding).where(same_case).values(cleared))
        audit_log.append(connection, "clock", "raised", row.delivery_id, now)


def _cancel_left_out(connection: Connection, rows: Sequence[Any], now: int) -> None:
    """Cancel due deliveries of an incomplete report to hotlines that the reporter has left out since (S-26)."""
    d = t.delivery.c
    recipients = [row.recipient for row in rows if row.role != HELD]
    is_left_out = (d.report_id == rows[0].report_id) & (d.state == DeliveryState.DUE) & d.hotline.not_in(recipients)
    statement = (
        update(t.delivery).where(is_left_out).values(state=DeliveryState.CANCELLED, lease_by=None, lease_until=None)
    )
    for delivery_id in connection.execute(statement.returning(d.delivery_id)).scalars().all():
        audit_log.append(connection, "clock", "cancelled:left_out", delivery_id, now)


def _insert_bodies(connection: Connection, database: Database, rows: Sequence[Any]) -> None:
    for row in rows:
        ids = {"report_id": row.report_id, "revision": row.revision}
        body = ids | {"recipient": row.recipient} | sealed_fields(row)
        connection.execute(database.insert_or_ignore(t.report_body).values(body))
        if row.role != HELD:
            route_row = {"hotline": row.recipient, "role": row.role, "rank": row.rank, "why": row.why}
            connection.execute(database.insert_or_ignore(t.route).values(ids | route_row))


def _insert_deliveries(
    connection: Connection, database: Database, rows: Sequence[Any], now: int
) -> list[tuple[str, Priority]]:
    """Insert an `updated` delivery for each hotline that had the report before; else `created` or `unread`.

    A new hotline gets one only as primary or informed (`also`), and one that has no part in the report any more gets
    none. Returns (delivery_id, priority) of each.
    """
    d = t.delivery.c
    report_id = rows[0].report_id
    query = select(d.hotline).where(d.report_id == report_id, d.type.in_(REPORT_TYPES))
    had_report = set(connection.execute(query).scalars())
    have_part = set(connection.execute(query.where(deliveries.has_part(d))).scalars())
    priority = connection.execute(select(t.report.c.priority).where(t.report.c.report_id == report_id)).scalar_one()
    new_deliveries = []
    for row in rows:
        kind = _delivery_type(row, row.recipient in had_report)
        if kind is not None and row.recipient not in had_report - have_part:
            values = new_delivery(
                row.report_id, row.recipient, kind=kind, revision=row.revision, priority=priority, now=now
            )
            values |= {"role": row.role, "why": row.why}
            if connection.execute(database.insert_or_ignore(t.delivery).values(values)).rowcount:
                new_deliveries.append((str(values["delivery_id"]), priority))
    return new_deliveries


def _delivery_type(row: Any, had_report: bool) -> DeliveryType | None:
    if had_report:
        return DeliveryType.UPDATED
    if row.role not in IMMEDIATE_ROLES:
        return None
    return DeliveryType.UNREAD if row.kind == PendingKind.UNREAD else DeliveryType.CREATED


# Functions for web: schedule, cancel, make due now.


@dataclass(frozen=True, slots=True)
class CancelResult:
    """The result of `cancel_pending`. `was_pending`: a pending revision was deleted.

    `stored_completeness`, `stored_revision`: of the stored report; None and 0 if none is stored.
    """

    was_pending: bool
    stored_completeness: Completeness | None
    stored_revision: int


@dataclass(frozen=True, slots=True)
class SubmittedRevision:
    """The report is stored already: under this id, and up to this revision.

    `is_enough`: it holds what was to be scheduled, or nothing INCOMPLETE may follow it.
    """

    report_id: str
    revision: int
    is_enough: bool = True


def schedule_pending(
    database: Database, submission: Submission, kind: PendingKind, due_at: int, *, may_be_repeat: bool = False
) -> SubmittedRevision | None:
    """Replace the pending revision of a report by this one, to be submitted at `due_at` (microseconds).

    Writes nothing, and returns the stored revision, if the report was stored meanwhile under another id, at this
    revision or a later one, or (unless `kind` is update) as complete. Id and revision are sealed into a
    submission, so the caller has to seal it again as the next revision of the stored report.

    `may_be_repeat`: this session may have scheduled the submission before, and later words after it. Then a later
    update of this session, pending or stored, is returned instead. One of another session does not hold these words.
    """
    with database.write() as connection:
        pending_rows = _lock_pending(connection, submission)
        if may_be_repeat:
            updates = [
                row.revision
                for row in pending_rows
                if row.kind == PendingKind.UPDATE and row.origin_key == submission.origin_key
            ]
            if max(updates, default=0) > submission.revision:
                return SubmittedRevision(submission.report_id, max(updates))
        row = find_submitted(connection, submission)
        is_complete = row is not None and row.completeness == Completeness.COMPLETE
        if row and (
            row.report_id != submission.report_id
            or row.revision >= submission.revision
            or (is_complete and kind != PendingKind.UPDATE)
        ):
            is_repeat = may_be_repeat and row.own and row.revision > submission.revision
            is_enough = is_complete and (kind != PendingKind.UPDATE or is_repeat)
            return SubmittedRevision(row.report_id, row.revision, is_enough)
        _replace_pending(connection, submission, kind, _due(database, due_at, kind, pending_rows))
    return None


def schedule_from_spool(database: Database, submission: Submission, kind: PendingKind, due_at: int) -> None:
    """Schedule a revision from the spool. Never overwrite a newer revision, nor a complete one with an incomplete one.

    A later revision holds all that this one does. An incomplete report (rescue) is dropped if a complete one is known.
    A revision that the reporter has deleted since, or whose report was purged, is dropped too.
    """
    with database.write() as connection:
        tombstones.lock(database, connection, submission.report_id)
        if tombstones.covers(
            connection, submission.report_id, submission.origin_key, submission.revision, is_send=False
        ):
            return
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
    """Return the pending rows (revision, kind, origin_key, due_at), locked.

    If the scheduler is submitting them at this moment, this waits for its COMMIT and then sees the result.
    """
    return connection.execute(_LOCK_PENDING, {"origin": submission.origin_key, "report": submission.report_id}).all()


def _due(database: Database, due_at: int, kind: PendingKind, pending_rows: Sequence[Any]) -> ColumnElement[int]:
    """Return when the new row is due.

    A row that is due already stays due: if the scheduler is late, further answers must not postpone it. An update that
    replaces an update is due at the earlier of the two times: answers after Send are collected from the first one on.
    So are unconfirmed texts: the reply to the first has said when a hotline gets it.
    """
    new_due_at = database.to_database_time(due_at)
    if not pending_rows:
        return new_due_at
    earliest = literal(min(row.due_at for row in pending_rows), BigInteger)
    is_collecting = kind in COLLECTING_KINDS and all(row.kind == kind for row in pending_rows)
    keeps_time = earliest < new_due_at if is_collecting else and_(earliest <= database.now_sql(), earliest < new_due_at)
    return case((keeps_time, earliest), else_=new_due_at)


def _replace_pending(
    connection: Connection, submission: Submission, kind: PendingKind, due: ColumnElement[int]
) -> None:
    """Replace the pending revision of a report; a report of an earlier session takes the origin key of this one."""
    for statement in (_ADOPT_REPORT, _DELETE_REPLACED):
        connection.execute(statement, {"origin": submission.origin_key, "report": submission.report_id})
    if rows := pending_rows(submission, kind):
        connection.execute(insert(t.pending).values(due_at=due), rows)


def cancel_pending(
    database: Database,
    origin_key: bytes,
    report_id: str,
    *,
    up_to: int | None = None,
    tombstone_up_to: int = 0,
    with_sends: bool = False,
) -> CancelResult:
    """Delete the pending revision of a report. `up_to`: only revisions up to this one.

    `tombstone_up_to`: the highest revision that no host's spool may bring back; 0: none. `with_sends`: nor may it bring
    back a Send that the reporter saw as NOT SENT.
    """
    is_same_report = same_report(t.pending.c, origin_key, report_id)
    if up_to is not None:  # the reporter has answered again since
        is_same_report = and_(is_same_report, t.pending.c.revision <= up_to)
    stored_query = select(t.report.c.completeness, t.report.c.revision)
    stored_query = stored_query.where(same_report(t.report.c, origin_key, report_id)).limit(1)
    with database.write() as connection:
        if tombstone_up_to:
            tombstones.lock(database, connection, report_id)
            tombstones.add(database, connection, report_id, origin_key, tombstone_up_to, with_sends=with_sends)
        deleted = connection.execute(delete(t.pending).where(is_same_report)).rowcount
        completeness, revision = connection.execute(stored_query).first() or (None, 0)
    return CancelResult(bool(deleted), completeness, revision)


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
    select(t.pending.c.revision, t.pending.c.kind, t.pending.c.origin_key, t.pending.c.due_at)
    .where(_same_pending())
    .with_for_update()
)
_ADOPT_REPORT, _DELETE_REPLACED = _adopt_query(), delete(t.pending).where(_same_pending())
