"""What `web` leaves to file itself: one row of `pending` for each hotline that gets it, until the clock takes them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
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

from reports.store import tables as t
from reports.store.database import Database
from reports.store.filing import Filing, filed_before, same_report


@dataclass(frozen=True, slots=True)
class Dropped:
    """Whether something waited; and the completeness of what was filed before, None where nothing was."""

    waited: bool
    filed: str | None


@dataclass(frozen=True, slots=True)
class Known:
    """The report is there already: under this id, and up to this revision."""

    report_id: str
    revision: int
    complete: bool = True


def put_pending(database: Database, filing: Filing, kind: str, due_at: int) -> Known | None:
    """Let this revision file itself at `due_at`, in place of what was pending for this report.

    Where the report was filed meanwhile, whole, or up to this revision or under another id, nothing is written: both
    are sealed into the filing, which has to be made anew as the next revision of what is known.
    """
    with database.write() as connection:
        waits = _waiting(connection, filing)
        row = filed_before(connection, filing)
        whole = row is not None and row.completeness == "complete"
        if row and (
            row.report_id != filing.report_id or row.revision >= filing.revision or (whole and kind != "update")
        ):
            return Known(row.report_id, row.revision, whole)
        _replace_pending(connection, filing, kind, _due(database, due_at, kind, waits))
    return None


def put_late(database: Database, filing: Filing, kind: str, due_at: int) -> None:
    """From the spool: a later revision holds all that this one does, so it never takes that one's place; but what is
    whole gives way to nothing that is not. Nor does a rescue come after what was sent whole.
    """
    with database.write() as connection:
        waits = _waiting(connection, filing)
        filed = filed_before(connection, filing)
        known = [(row.revision, row.kind == "update") for row in waits]
        known += [(filed.revision, filed.completeness == "complete")] if filed else []
        if kind == "rescue" and any(whole for _, whole in known):
            return
        counts = [revision for revision, whole in known if whole or filing.completeness != "complete"]
        if filing.revision > max(counts, default=0):
            _replace_pending(connection, filing, kind, _due(database, due_at, kind, waits))


def _waiting(connection: Connection, filing: Filing) -> Sequence[Any]:
    """Rows (revision, kind, due_at), held: if the clock is filing them, its COMMIT comes first and is then seen."""
    return connection.execute(_WAITING, {"origin": filing.origin_key, "report": filing.report_id}).all()


def _due(database: Database, due_at: int, kind: str, waits: Sequence[Any]) -> ColumnElement[int]:
    """Return when the new row is due. What is due stays due, so that a late clock is not put off by each answer.

    An update keeps the time of the update that it replaces: answers after Send gather from the first one on.
    """
    due = database.by_its_clock(due_at)
    if not waits:
        return due
    sooner = literal(min(row.due_at for row in waits), BigInteger)
    gathers = kind == "update" and all(row.kind == "update" for row in waits)
    stays = sooner < due if gathers else and_(sooner <= database.now_sql(), sooner < due)
    return case((stays, sooner), else_=due)


def _replace_pending(connection: Connection, filing: Filing, kind: str, due: ColumnElement[int]) -> None:
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


def drop_pending(database: Database, origin_key: bytes, report_id: str, *, up_to: int | None = None) -> Dropped:
    """Delete what waits, `up_to` a revision."""
    same = same_report(t.pending.c, origin_key, report_id)
    if up_to is not None:  # said again since
        same = and_(same, t.pending.c.revision <= up_to)
    filed = select(t.report.c.completeness).where(same_report(t.report.c, origin_key, report_id))
    with database.write() as connection:
        gone = connection.execute(delete(t.pending).where(same)).rowcount
        return Dropped(bool(gone), connection.execute(filed.limit(1)).scalar())


def hurry_pending(database: Database, origin_key: bytes, report_id: str, due_at: int) -> None:
    """File it now: the reporter said Done, or the network said that the line is gone."""
    due = database.by_its_clock(due_at)
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
