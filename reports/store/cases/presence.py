"""The colleagues of a hotline who have a report open now: ids and times, stored for less than two minutes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from sqlalchemy import delete, select, update

from reports.store.engine.database import Database
from reports.store.privileges.row_security import read_as, write_as
from reports.store.schema import tables as t
from reports.store.staff.accounts import Account
from runtime.time_units import SECOND

LIFETIME: Final = 40 * SECOND  # an open page asks for news every ten seconds
RENEWED_AFTER: Final = 15 * SECOND  # limits how often requests write


def record(database: Database, account: Account, report_id: str) -> None:
    """Record that this person has the report open; the caller has checked that they may see it."""
    p, now = t.presence.c, database.now()
    own = p.staff_id == account.staff_id
    is_recent = select(p.seen_at).where(own, p.report_id == report_id, p.seen_at > now - RENEWED_AFTER)
    with read_as(database, account.hotline) as connection:
        if connection.execute(is_recent).first() is not None:
            return
    row = {"staff_id": account.staff_id, "report_id": report_id, "hotline": account.hotline, "seen_at": now}
    with write_as(database, account.hotline) as connection:
        connection.execute(delete(t.presence).where(own, p.seen_at <= now - LIFETIME))
        connection.execute(database.insert_or_ignore(t.presence).values(row))
        connection.execute(update(t.presence).where(own, p.report_id == report_id).values(seen_at=now))


def delete_old(database: Database) -> None:
    """Delete the rows of pages that are closed or out of reach. The scheduler calls this each minute."""
    is_old = t.presence.c.seen_at <= database.now_sql() - LIFETIME
    with database.read() as connection:
        if connection.execute(select(t.presence.c.report_id).where(is_old).limit(1)).first() is None:
            return
    with database.write() as connection:
        connection.execute(delete(t.presence).where(is_old))


def list_viewers(database: Database, account: Account, report_id: str = "") -> Mapping[str, tuple[str, ...]]:
    """Return report_id → names of the colleagues who have it open, without this person. `report_id`: only this one."""
    p, s, now = t.presence.c, t.staff.c, database.now()
    query = select(p.report_id, s.name).join_from(t.presence, t.staff, s.staff_id == p.staff_id)
    query = query.where(p.hotline == account.hotline, p.staff_id != account.staff_id, p.seen_at > now - LIFETIME)
    if report_id:
        query = query.where(p.report_id == report_id)
    viewers: dict[str, tuple[str, ...]] = {}
    with read_as(database, account.hotline) as connection:
        for row in connection.execute(query.order_by(s.name)):
            viewers[row.report_id] = (*viewers.get(row.report_id, ()), row.name)
    return viewers
