"""Requests of a lead that a second person has to confirm within a day.

They restore access to an account, make somebody a lead, or end or demote a lead. No lead can do this alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, Row, Table, and_, delete, select

from reports.store import audit_log
from reports.store.engine.database import Database
from reports.store.privileges.row_security import write_as
from reports.store.schema import staff as s
from reports.store.staff.accounts import Account
from runtime.time_units import DAY

ASKED, CONFIRMED, ALREADY_ASKED, NO_SECOND_LEAD = "asked", "confirmed", "again", "alone"


def request_recovery(database: Database, account: Account, lead: Account) -> str:
    """Request that an account be restored, or confirm the request of another lead.

    Return ASKED if another lead has to confirm it, CONFIRMED if another lead had asked, ALREADY_ASKED if the same lead
    had asked.
    """
    return _request(database, s.recovery, {"staff_id": account.staff_id}, lead, ("recovery", account.staff_id))


def request_promotion(database: Database, about: str, name: str, lead: Account) -> str:
    """Request that somebody become a lead, or confirm the request of another lead.

    `about`: an account id, or the name of somebody who has no account yet. Return as `request_recovery` does, or
    NO_SECOND_LEAD if nobody could confirm it.
    """
    if not _has_other_lead(database, lead):
        return NO_SECOND_LEAD
    audit = ("lead", f"{lead.hotline}/{name}"[:80])
    return _request(database, s.raising, {"hotline": lead.hotline, "about": about}, lead, audit)


def request_demotion(database: Database, account: Account, role: str, lead: Account) -> str:
    """Request that a lead be given another role, or confirm such a request; an empty role ends the account.

    Return as `request_recovery` does. The lead whom it is about may confirm it.
    """
    audit = ("end" if not role else f"role_{role}", account.staff_id)
    return _request(database, s.lowering, {"staff_id": account.staff_id, "role": role}, lead, audit)


def list_demotions(database: Database, hotline: str) -> list[Row[Any]]:
    """Return the open requests to end or demote a lead, oldest first: staff_id, role, asked_by, asked_at."""
    c = s.lowering.c
    query = select(c.staff_id, c.role, c.asked_by, c.asked_at).join(s.staff, s.staff.c.staff_id == c.staff_id)
    query = query.where(s.staff.c.hotline == hotline, c.asked_at >= database.now() - DAY)
    with database.read() as connection:
        return list(connection.execute(query.order_by(c.asked_at)))


def list_recoveries(database: Database, hotline: str) -> dict[str, str]:
    """Return the open requests to restore an account: account id → id of the lead who asked."""
    r = s.recovery.c
    query = select(r.staff_id, r.asked_by).join(s.staff, s.staff.c.staff_id == r.staff_id)
    query = query.where(s.staff.c.hotline == hotline, r.asked_at >= database.now() - DAY)
    with database.read() as connection:
        return {row.staff_id: row.asked_by for row in connection.execute(query)}


def list_promotions(database: Database, hotline: str) -> list[Row[Any]]:
    """Return the open requests to make somebody a lead, oldest first: about, asked_by, asked_at."""
    r = s.raising.c
    query = select(r.about, r.asked_by, r.asked_at).where(r.hotline == hotline, r.asked_at >= database.now() - DAY)
    with database.read() as connection:
        return list(connection.execute(query.order_by(r.asked_at)))


def _has_other_lead(database: Database, lead: Account) -> bool:
    c = s.staff.c
    query = select(c.staff_id).where(c.hotline == lead.hotline, c.role == "lead", c.ended_at.is_(None))
    with database.read() as connection:
        return connection.execute(query.where(c.staff_id != lead.staff_id).limit(1)).first() is not None


def _request(database: Database, table: Table, key: Mapping[str, str], lead: Account, audit: tuple[str, str]) -> str:
    """Store or confirm a request. `audit`: the first word of its act in the audit log, and the object."""
    now = database.now()
    with write_as(database, lead.hotline) as connection:
        outcome = _store_or_confirm(connection, database, table, key, lead.staff_id)
        if outcome != ALREADY_ASKED:
            audit_log.append(connection, lead.actor, f"{audit[0]}_{outcome}", audit[1], now)
    return outcome


def _store_or_confirm(
    connection: Connection, database: Database, table: Table, key: Mapping[str, str], asked_by: str
) -> str:
    """Store the request, or delete it if another person made it. Requests older than a day are deleted first."""
    now, same_request = database.now(), and_(*(table.c[name] == value for name, value in key.items()))
    connection.execute(delete(table).where(same_request, table.c.asked_at < now - DAY))
    row = {**key, "asked_by": asked_by, "asked_at": now}
    if connection.execute(database.insert_or_ignore(table).values(row)).rowcount == 1:
        return ASKED
    statement = delete(table).where(same_request, table.c.asked_by != asked_by)
    return CONFIRMED if connection.execute(statement).rowcount == 1 else ALREADY_ASKED
