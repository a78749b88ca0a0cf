"""What a country's screens say to call, and what its reports are sealed to, as lines of the audit: a digest each."""

from __future__ import annotations

from sqlalchemy import insert, select

from reports.store import tables as t
from reports.store.database import Database
from reports.store.filing import audit_row

ACT = "facts"


def changed(database: Database, country: str, digest: str) -> bool:
    """Adds a line where the last one says something else, and where there is none: that is no change."""
    a, name = t.audit.c, f"{country}:{digest}"
    query = select(a.object_id).where(a.act == ACT, a.object_id.startswith(f"{country}:"))
    with database.write() as connection:
        last = connection.execute(query.order_by(a.at.desc(), a.audit_id.desc()).limit(1)).scalar()
        if last == name:
            return False
        connection.execute(insert(t.audit), audit_row("clock", ACT, name, database.now()))
    return last is not None
