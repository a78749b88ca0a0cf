"""Which lines of the audit are a hotline's own: about what it was given, or by its staff."""

from __future__ import annotations

from sqlalchemy import select, union

from reports.audit import Entry
from reports.store import tables as t
from reports.store.database import Database


def ids_of(database: Database, hotline: str) -> set[str]:
    """Of its deliveries and their reports; of those that were purged, as long as there are receipts."""
    d, r = t.delivery.c, t.receipt.c
    given = (
        *(select(column.label("id")).where(d.hotline == hotline) for column in (d.delivery_id, d.report_id)),
        *(select(column.label("id")).where(r.hotline == hotline) for column in (r.delivery_id, r.report_id)),
    )
    with database.read() as connection:
        return set(connection.execute(union(*given)).scalars())


def is_of(entry: Entry, hotline: str, ids: set[str]) -> bool:
    """What another hotline's staff did is theirs."""
    if entry.actor.startswith("staff:"):
        return entry.actor.removeprefix("staff:").partition("/")[0] == hotline
    return entry.object_id in ids
