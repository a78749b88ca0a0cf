"""What a country's screens say to call, and what its reports are sealed to, as lines of the audit: a digest each."""

from __future__ import annotations

from sqlalchemy import select

from reports.store import auditing
from reports.store import tables as t
from reports.store.database import Database

ACT = "facts"


def last(database: Database, country: str) -> str:
    """The digest of the newest line; empty where there is none."""
    a = t.audit.c
    query = select(a.object_id).where(a.act == ACT, a.object_id.startswith(f"{country}:"))
    with database.read() as connection:
        found = connection.execute(query.order_by(a.at.desc(), a.audit_id.desc()).limit(1)).scalar()
    return str(found).partition(":")[2] if found else ""


def note(database: Database, country: str, digest: str) -> None:
    with database.write() as connection:
        auditing.note(connection, "clock", ACT, f"{country}:{digest}", database.now())
