"""What `web` leaves to file itself: one row of `pending` for each hotline that gets it, until the clock takes them."""

from __future__ import annotations

from dataclasses import asdict, dataclass

from sqlalchemy import Connection, delete, func, insert, select, update

from reports.store import tables as t
from reports.store.database import Database
from reports.store.filing import Filing


@dataclass(frozen=True, slots=True)
class Known:
    """The report is there already: under this id, and up to this revision."""

    report_id: str
    revision: int


def put_pending(database: Database, filing: Filing, kind: str, due_at: int) -> Known | None:
    """Let this revision file itself at `due_at`, in place of what was pending for this report.

    Where the report was filed meanwhile, up to this revision or under another id, nothing is written: both are sealed
    into the filing, which has to be made anew as the next revision of what is known.
    """
    r = t.report.c
    filed = select(r.report_id, r.revision).where(r.origin_key == filing.origin_key)
    with database.write() as connection:
        row = connection.execute(filed).first()
        if row and (row.report_id != filing.report_id or row.revision >= filing.revision):
            return Known(row.report_id, row.revision)
        connection.execute(delete(t.pending).where(t.pending.c.origin_key == filing.origin_key))
        _insert_pending(connection, filing, kind, due_at)
    return None


def put_late(database: Database, filing: Filing, kind: str, due_at: int) -> None:
    """From the spool: a later revision holds all that this one does, so it never takes that one's place."""
    p, r = t.pending.c, t.report.c
    with database.write() as connection:
        waits = connection.execute(select(func.max(p.revision)).where(p.origin_key == filing.origin_key)).scalar()
        filed = connection.execute(select(r.revision).where(r.origin_key == filing.origin_key)).scalar()
        if filing.revision > max(waits or 0, filed or 0):
            connection.execute(delete(t.pending).where(p.origin_key == filing.origin_key))
            _insert_pending(connection, filing, kind, due_at)


def _insert_pending(connection: Connection, filing: Filing, kind: str, due_at: int) -> None:
    shared = asdict(filing)
    del shared["parts"]
    rows = [
        {**shared, "kind": kind, "due_at": due_at, "recipient": p.hotline, "role": p.role, "rank": rank}
        | {"why": p.why, "key_id": p.key_id, "wrap": p.wrap, "head": p.head, "sealed": p.sealed}
        for rank, p in enumerate(filing.parts)
    ]
    if rows:
        connection.execute(insert(t.pending), rows)


def drop_pending(database: Database, origin_key: bytes) -> None:
    with database.write() as connection:
        connection.execute(delete(t.pending).where(t.pending.c.origin_key == origin_key))


def hurry_pending(database: Database, origin_key: bytes, due_at: int) -> None:
    """File it now: the reporter said Done, or the network said that the line is gone."""
    sooner = (t.pending.c.origin_key == origin_key) & (t.pending.c.due_at > due_at)
    with database.write() as connection:
        connection.execute(update(t.pending).where(sooner).values(due_at=due_at))
