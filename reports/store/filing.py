"""What `web` writes: a report on Send, a revision that files itself, an SMS. It never reads a body.

Each function is one transaction, or one read. All raise `DatabaseUnavailable` where the database did not surely say
yes.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from msgspec import Struct
from msgspec.structs import replace
from sqlalchemy import ColumnElement, Connection, Delete, Select, bindparam, delete, func, insert, or_, select, update

from reports.store import auditing
from reports.store import tables as t
from reports.store.database import Database
from reports.store.deliveries import new_delivery


@dataclass(frozen=True, slots=True)
class Sealed:
    """What one hotline of the route gets. role: primary, also, fallback, or held (stored, routed to nobody)."""

    hotline: str
    role: str
    why: str
    key_id: str
    wrap: bytes
    head: bytes
    sealed: bytes


@dataclass(frozen=True, slots=True)
class Filing:
    """One revision of one report, sealed once for each hotline of its whole route. Times in microseconds."""

    report_id: str
    origin_key: bytes
    revision: int
    created_at: int
    country: str
    mode: str
    priority: str
    completeness: str
    parts: tuple[Sealed, ...]


@dataclass(frozen=True, slots=True)
class Mailbox:
    """What is stored of one code and PIN: a slow hash to find it by, and the key pair for answers."""

    lookup: bytes
    public_key: bytes
    sealed_key: bytes


class Filed(Struct, frozen=True):
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


def file(database: Database, filing: Filing, box: Mailbox | None = None, *, unsent: bool = False) -> Filed:
    """Report, bodies, route, deliveries, mailbox, audit row and the end of what was pending: all of it, or nothing.

    `unsent`: "NOT SENT" was said of what may be there of it with a lower number, so nobody was shown its code.
    """
    now = database.now()
    with database.write() as connection:
        fresh = connection.execute(database.insert_new(t.report), _report_row(filing)).rowcount == 1
        filed = _insert_all(database, connection, filing, now) if fresh else _filed_before(connection, filing)
        filed = replace(filed, late=unsent and not fresh and filing.revision > _newest(connection, filing, filed))
        # whose code was shown to somebody already
        others = filed.completeness == "complete" and not (filed.own or filed.late)
        if box is None or others:
            return filed
        _keep_mailbox(database, connection, filed.report_id, box)
        return replace(filed, has_code=True)


def _insert_all(database: Database, connection: Connection, filing: Filing, now: int) -> Filed:
    _insert_bodies(connection, filing)
    deliveries = [_delivery_row(filing, part, now) for part in filing.parts if part.role in ("primary", "also")]
    if deliveries:
        at_once = database.by_its_clock(now)
        connection.execute(insert(t.delivery).values(next_at=at_once, created_at=at_once), deliveries)
    auditing.note(connection, "web", "sent", filing.report_id, now)
    _end_what_waited(connection, filing)
    ids = tuple(row["delivery_id"] for row in deliveries)
    return Filed(filing.report_id, True, filing.completeness, filing.revision, deliveries=ids)


def _end_what_waited(connection: Connection, filing: Filing) -> None:
    """But not what was added after Send: from the spool a Send may come later than the words that follow it."""
    its = {"origin": filing.origin_key, "report": filing.report_id, "sent": filing.revision}
    connection.execute(_ENDED, its)


def same_report(columns: Any, origin_key: Any, report_id: Any) -> ColumnElement[bool]:
    """By the key of the walk; or by the id, where an earlier walk of the same report had another key."""
    return or_(columns.origin_key == origin_key, columns.report_id == report_id)


def filed_before(connection: Connection, filing: Filing) -> Any:
    """Row (report_id, completeness, revision, own) of what was filed of this report, by this walk first; or None."""
    return connection.execute(_BEFORE, {"origin": filing.origin_key, "report": filing.report_id}).first()


def _filed_before(connection: Connection, filing: Filing) -> Filed:
    row = filed_before(connection, filing)
    return Filed(row.report_id, False, row.completeness, row.revision, bool(row.own))


def _newest(connection: Connection, filing: Filing, filed: Filed) -> int:
    p = t.pending.c
    waits = same_report(p, filing.origin_key, filing.report_id) & (p.kind == "update")
    return max(connection.execute(select(func.max(p.revision)).where(waits)).scalar() or 0, filed.revision)


def _report_row(filing: Filing) -> dict[str, Any]:
    names = ("report_id", "origin_key", "revision", "created_at", "country", "mode", "priority", "completeness")
    somebody = any(part.role != "held" for part in filing.parts)
    return {name: getattr(filing, name) for name in names} | {
        "state": "queued" if somebody else "needs_person",
        "desk": None,
    }


def _insert_bodies(connection: Connection, filing: Filing) -> None:
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


def _delivery_row(filing: Filing, part: Sealed, now: int) -> dict[str, Any]:
    """Without its times: those are the database's."""
    about = (filing.report_id, part.hotline)
    row = new_delivery(*about, kind="created", revision=filing.revision, priority=filing.priority, now=now)
    times = ("next_at", "created_at")
    return {name: row[name] for name in row if name not in times} | {"role": part.role, "why": part.why}


def open_mailbox(database: Database, report_id: str, box: Mailbox) -> None:
    """Store the mailbox of a code that is about to be shown."""
    with database.write() as connection:
        _keep_mailbox(database, connection, report_id, box)


def _keep_mailbox(database: Database, connection: Connection, report_id: str, box: Mailbox) -> None:
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
