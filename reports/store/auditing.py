"""A line of the audit: who did what to which id. The clock numbers and chains it later."""

from __future__ import annotations

from sqlalchemy import Connection, bindparam, func, insert, select, update

from reports import audit
from reports.store import tables as t
from reports.store.database import Database
from reports.store.ids import new_id

_NEW = insert(t.audit)


def note(connection: Connection, actor: str, act: str, object_id: str, at: int) -> None:
    """In the transaction of what was done, so that there is never the one without the other."""
    connection.execute(_NEW, audit_row(actor, act, object_id, at))


def audit_row(actor: str, act: str, object_id: str, at: int) -> dict[str, str | int]:
    """For who inserts many at once."""
    return {"audit_id": new_id(at), "at": at, "actor": actor, "act": act, "object_id": object_id}


def chain_audit(database: Database, at_most: int = 500) -> int:
    """Number and chain the audit rows that are new. Only the leading clock does this."""
    a = t.audit.c
    columns = (a.audit_id, a.at, a.actor, a.act, a.object_id)
    with database.write() as connection:
        rows = connection.execute(
            select(*columns).where(a.seq.is_(None)).order_by(a.at, a.audit_id).limit(at_most)
        ).all()
        if not rows:
            return 0
        tail = select(a.seq, a.prev_hash, a.hash).where(a.seq.is_not(None)).order_by(a.seq.desc()).limit(1)
        last = connection.execute(tail).first()
        entries = [audit.Entry(*row) for row in rows]
        places = [
            {"which": entry.audit_id, "seq": link.seq, "prev_hash": link.prev_hash, "hash": link.hash}
            for entry, link in audit.extend(audit.Link(*last) if last else None, entries)
        ]
        connection.execute(update(t.audit).where(a.audit_id == bindparam("which"), a.seq.is_(None)), places)
    return len(rows)


def unchained_since(database: Database) -> int | None:
    """When the oldest audit row was written that is not chained yet; None where all are."""
    a = t.audit.c
    with database.read() as connection:
        return connection.execute(select(func.min(a.at)).where(a.seq.is_(None))).scalar()


def audited(database: Database, after: int = 0, at_most: int = 1000) -> list[tuple[audit.Entry, audit.Link]]:
    """Chained rows in order, a page at a time, for whoever verifies the chain."""
    a = t.audit.c
    columns = (a.audit_id, a.at, a.actor, a.act, a.object_id, a.seq, a.prev_hash, a.hash)
    with database.read() as connection:
        rows = connection.execute(select(*columns).where(a.seq > after).order_by(a.seq).limit(at_most)).all()
    return [(audit.Entry(*row[:5]), audit.Link(*row[5:])) for row in rows]
