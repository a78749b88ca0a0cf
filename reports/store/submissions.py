"""What `web` writes: a report on Send, a revision that files itself, an SMS. It never reads a body.

Each function is one transaction, or one read. All raise `DatabaseUnavailable` where the database did not surely say
yes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

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

from reports.store import audit_log
from reports.store.deliveries import new_delivery
from reports.store.engine.database import Database
from reports.store.schema import tables as t


@dataclass(frozen=True, slots=True)
class SealedCopy:
    """What one hotline of the route gets. role: primary, also, fallback, or held (stored, routed to nobody)."""

    hotline: str
    role: str
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
    mode: str
    priority: str
    completeness: str
    parts: tuple[SealedCopy, ...]


@dataclass(frozen=True, slots=True)
class MailboxRecord:
    """What is stored of one code and PIN: a slow hash to find it by, and the key pair for answers."""

    lookup: bytes
    public_key: bytes
    sealed_key: bytes


class SubmissionResult(Struct, frozen=True):
    """What became of a Send. Where `fresh` is false, the report was there already under this id.

    `own`: by this very walk, and not by an earlier one that it carries on. `late`: it is what "NOT SENT" was said of,
    and less than what is sent now. `has_code`: the mailbox was stored. `deliveries`: ids to hurry along.
    """

    report_id: str
    fresh: bool
    completeness: str
    revision: int
    own: bool = True
    late: bool = False
    has_code: bool = False
    deliveries: tuple[str, ...] = ()


def commit(
    database: Database, filing: Submission, box: MailboxRecord | None = None, *, unsent: bool = False
) -> SubmissionResult:
    """Report, bodies, route, deliveries, mailbox, audit row and the end of what was pending: all of it, or nothing.

    `unsent`: "NOT SENT" was said of what may be there of it with a lower number, so nobody was shown its code.
    """
    now = database.now()
    with database.write() as connection:
        fresh = connection.execute(database.insert_new(t.report), _report_row(filing)).rowcount == 1
        filed = _insert_all(database, connection, filing, now) if fresh else _earlier_result(connection, filing)
        filed = replace(filed, late=unsent and not fresh and filing.revision > _newest(connection, filing, filed))
        # whose code was shown to somebody already
        others = filed.completeness == "complete" and not (filed.own or filed.late)
        if box is None or others:
            return filed
        _insert_mailbox(database, connection, filed.report_id, box)
        return replace(filed, has_code=True)


def _insert_all(database: Database, connection: Connection, filing: Submission, now: int) -> SubmissionResult:
    _insert_bodies(connection, filing)
    deliveries = [_delivery_row(filing, part, now) for part in filing.parts if part.role in ("primary", "also")]
    if deliveries:
        at_once = database.to_database_time(now)
        connection.execute(insert(t.delivery).values(next_at=at_once, created_at=at_once), deliveries)
    audit_log.append(connection, "web", "sent", filing.report_id, now)
    _delete_pending(connection, filing)
    ids = tuple(row["delivery_id"] for row in deliveries)
    return SubmissionResult(filing.report_id, True, filing.completeness, filing.revision, deliveries=ids)


def _delete_pending(connection: Connection, filing: Submission) -> None:
    """But not what was added after Send: from the spool a Send may come later than the words that follow it."""
    its = {"origin": filing.origin_key, "report": filing.report_id, "sent": filing.revision}
    connection.execute(_ENDED, its)


def same_report(columns: Any, origin_key: Any, report_id: Any) -> ColumnElement[bool]:
    """By the key of the walk; or by the id, where an earlier walk of the same report had another key."""
    return or_(columns.origin_key == origin_key, columns.report_id == report_id)


def find_submitted(connection: Connection, filing: Submission) -> Any:
    """Row (report_id, completeness, revision, own) of what was filed of this report, by this walk first; or None."""
    return connection.execute(_BEFORE, {"origin": filing.origin_key, "report": filing.report_id}).first()


def _earlier_result(connection: Connection, filing: Submission) -> SubmissionResult:
    row = find_submitted(connection, filing)
    return SubmissionResult(row.report_id, False, row.completeness, row.revision, bool(row.own))


def _newest(connection: Connection, filing: Submission, filed: SubmissionResult) -> int:
    p = t.pending.c
    waits = same_report(p, filing.origin_key, filing.report_id) & (p.kind == "update")
    return max(connection.execute(select(func.max(p.revision)).where(waits)).scalar() or 0, filed.revision)


def _report_row(filing: Submission) -> dict[str, Any]:
    names = ("report_id", "origin_key", "revision", "created_at", "country", "mode", "priority", "completeness")
    somebody = any(part.role != "held" for part in filing.parts)
    return {name: getattr(filing, name) for name in names} | {
        "state": "queued" if somebody else "needs_person",
        "desk": None,
    }


def _insert_bodies(connection: Connection, filing: Submission) -> None:
    ids = {"report_id": filing.report_id, "revision": filing.revision}
    bodies = [
        {**ids, "recipient": p.hotline, "key_id": p.key_id, "wrap": p.wrap, "head": p.head, "sealed": p.sealed}
        for p in filing.parts
    ]
    if bodies:
        connection.execute(_BODIES, bodies)
    routed = [
        {**ids, "hotline": p.hotline, "role": p.role, "rank": rank, "why": p.why}
        for rank, p in enumerate(filing.parts)
        if p.role != "held"
    ]
    if routed:
        connection.execute(_ROUTED, routed)


def _delivery_row(filing: Submission, part: SealedCopy, now: int) -> dict[str, Any]:
    """Without its times: those are the database's."""
    about = (filing.report_id, part.hotline)
    row = new_delivery(*about, kind="created", revision=filing.revision, priority=filing.priority, now=now)
    times = ("next_at", "created_at")
    return {name: row[name] for name in row if name not in times} | {"role": part.role, "why": part.why}


def save_mailbox(database: Database, report_id: str, box: MailboxRecord) -> None:
    """Store the mailbox of a code that is about to be shown."""
    with database.write() as connection:
        _insert_mailbox(database, connection, report_id, box)


def _insert_mailbox(database: Database, connection: Connection, report_id: str, box: MailboxRecord) -> None:
    m = t.mailbox.c
    row = asdict(box) | {"report_id": report_id, "created_at": database.now()}
    if not connection.execute(database.insert_new(t.mailbox), row).rowcount:
        # Of an earlier walk of the same report: what is shown now is what opens it.
        other = (m.report_id == report_id) & (m.lookup != box.lookup)
        connection.execute(update(t.mailbox).where(other).values(asdict(box)))


def _before() -> Select[Any]:
    r = t.report.c
    own = r.origin_key == bindparam("origin")
    query = select(r.report_id, r.completeness, r.revision, own.label("own")).order_by(own.desc()).limit(1)
    return query.where(same_report(r, bindparam("origin"), bindparam("report")))


def _ended() -> Delete:
    p = t.pending.c
    added = (p.kind == "update") & (p.revision > bindparam("sent"))
    return delete(t.pending).where(same_report(p, bindparam("origin"), bindparam("report")), ~added)


_BEFORE, _ENDED, _BODIES, _ROUTED = _before(), _ended(), insert(t.report_body), insert(t.route)


# What `web` leaves to file itself: one row of `pending` for each hotline that gets it, until the clock takes them.


@dataclass(frozen=True, slots=True)
class CancelResult:
    """Whether something waited; and the completeness of what was filed before, None where nothing was."""

    waited: bool
    filed: str | None


@dataclass(frozen=True, slots=True)
class SubmittedRevision:
    """The report is there already: under this id, and up to this revision."""

    report_id: str
    revision: int
    complete: bool = True


def schedule_pending(database: Database, filing: Submission, kind: str, due_at: int) -> SubmittedRevision | None:
    """Let this revision file itself at `due_at`, in place of what was pending for this report.

    Where the report was filed meanwhile, whole, or up to this revision or under another id, nothing is written: both
    are sealed into the filing, which has to be made anew as the next revision of what is known.
    """
    with database.write() as connection:
        waits = _waiting(connection, filing)
        row = find_submitted(connection, filing)
        whole = row is not None and row.completeness == "complete"
        if row and (
            row.report_id != filing.report_id or row.revision >= filing.revision or (whole and kind != "update")
        ):
            return SubmittedRevision(row.report_id, row.revision, whole)
        _replace_pending(connection, filing, kind, _due(database, due_at, kind, waits))
    return None


def schedule_from_spool(database: Database, filing: Submission, kind: str, due_at: int) -> None:
    """From the spool: a later revision holds all that this one does, so it never takes that one's place; but what is
    whole gives way to nothing that is not. Nor does a rescue come after what was sent whole.
    """
    with database.write() as connection:
        waits = _waiting(connection, filing)
        filed = find_submitted(connection, filing)
        known = [(row.revision, row.kind == "update") for row in waits]
        known += [(filed.revision, filed.completeness == "complete")] if filed else []
        if kind == "rescue" and any(whole for _, whole in known):
            return
        counts = [revision for revision, whole in known if whole or filing.completeness != "complete"]
        if filing.revision > max(counts, default=0):
            _replace_pending(connection, filing, kind, _due(database, due_at, kind, waits))


def _waiting(connection: Connection, filing: Submission) -> Sequence[Any]:
    """Rows (revision, kind, due_at), held: if the clock is filing them, its COMMIT comes first and is then seen."""
    return connection.execute(_WAITING, {"origin": filing.origin_key, "report": filing.report_id}).all()


def _due(database: Database, due_at: int, kind: str, waits: Sequence[Any]) -> ColumnElement[int]:
    """Return when the new row is due. What is due stays due, so that a late clock is not put off by each answer.

    An update keeps the time of the update that it replaces: answers after Send gather from the first one on.
    """
    due = database.to_database_time(due_at)
    if not waits:
        return due
    sooner = literal(min(row.due_at for row in waits), BigInteger)
    gathers = kind == "update" and all(row.kind == "update" for row in waits)
    stays = sooner < due if gathers else and_(sooner <= database.now_sql(), sooner < due)
    return case((stays, sooner), else_=due)


def _replace_pending(connection: Connection, filing: Submission, kind: str, due: ColumnElement[int]) -> None:
    """What an earlier walk of this report has left goes by the key of this one from now on."""
    for change in (_TAKEN_ALONG, _REPLACED):
        connection.execute(change, {"origin": filing.origin_key, "report": filing.report_id})
    shared = asdict(filing)
    del shared["parts"]
    rows = [
        {**shared, "kind": kind, "recipient": p.hotline, "role": p.role, "rank": rank}
        | {"why": p.why, "key_id": p.key_id, "wrap": p.wrap, "head": p.head, "sealed": p.sealed}
        for rank, p in enumerate(filing.parts)
    ]
    if rows:
        connection.execute(insert(t.pending).values(due_at=due), rows)


def cancel_pending(database: Database, origin_key: bytes, report_id: str, *, up_to: int | None = None) -> CancelResult:
    """Delete what waits, `up_to` a revision."""
    same = same_report(t.pending.c, origin_key, report_id)
    if up_to is not None:  # said again since
        same = and_(same, t.pending.c.revision <= up_to)
    filed = select(t.report.c.completeness).where(same_report(t.report.c, origin_key, report_id))
    with database.write() as connection:
        gone = connection.execute(delete(t.pending).where(same)).rowcount
        return CancelResult(bool(gone), connection.execute(filed.limit(1)).scalar())


def expedite_pending(database: Database, origin_key: bytes, report_id: str, due_at: int) -> None:
    """File it now: the reporter said Done, or the network said that the line is gone."""
    due = database.to_database_time(due_at)
    sooner = same_report(t.pending.c, origin_key, report_id) & (t.pending.c.due_at > due)
    with database.write() as connection:
        connection.execute(update(t.pending).where(sooner).values(due_at=due))


def _taken_along() -> Update:
    r, origin = t.report.c, bindparam("origin", type_=t.report.c.origin_key.type)
    earlier = (r.report_id == bindparam("report")) & (r.origin_key != origin)
    free = ~exists(select(r.report_id).where(r.origin_key == origin).correlate(None))
    return update(t.report).where(earlier, free).values(origin_key=origin)


def _same() -> ColumnElement[bool]:
    return same_report(t.pending.c, bindparam("origin"), bindparam("report"))


_WAITING = select(t.pending.c.revision, t.pending.c.kind, t.pending.c.due_at).where(_same()).with_for_update()
_TAKEN_ALONG, _REPLACED = _taken_along(), delete(t.pending).where(_same())
