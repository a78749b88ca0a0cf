"""What no lead does alone: let somebody back in, make somebody a lead, end or lower another lead.

One asks, another confirms within a day.
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
    """asked: another lead has to confirm it; confirmed: this is the other one; again: the same one twice."""
    return _request(database, s.recovery, {"staff_id": account.staff_id}, lead, ("recovery", account.staff_id))


def request_promotion(database: Database, about: str, name: str, lead: Account) -> str:
    """`about`: an account, or the name of somebody who has none yet. As `let_back`; alone: nobody could confirm it."""
    if not _others(database, lead):
        return NO_SECOND_LEAD
    told = ("lead", f"{lead.hotline}/{name}"[:80])
    return _request(database, s.raising, {"hotline": lead.hotline, "about": about}, lead, told)


def request_demotion(database: Database, account: Account, role: str, lead: Account) -> str:
    """End the account of a lead (`role` is empty), or give them another role. As `let_back`; who confirms may be the
    lead whom it is about."""
    told = ("end" if not role else f"role_{role}", account.staff_id)
    return _request(database, s.lowering, {"staff_id": account.staff_id, "role": role}, lead, told)


def list_demotions(database: Database, hotline: str) -> list[Row[Any]]:
    """staff_id, role, asked_by, asked_at; the oldest first."""
    c = s.lowering.c
    query = select(c.staff_id, c.role, c.asked_by, c.asked_at).join(s.staff, s.staff.c.staff_id == c.staff_id)
    query = query.where(s.staff.c.hotline == hotline, c.asked_at >= database.now() - DAY)
    with database.read() as connection:
        return list(connection.execute(query.order_by(c.asked_at)))


def list_recoveries(database: Database, hotline: str) -> dict[str, str]:
    """Account → who asked."""
    r = s.recovery.c
    query = select(r.staff_id, r.asked_by).join(s.staff, s.staff.c.staff_id == r.staff_id)
    query = query.where(s.staff.c.hotline == hotline, r.asked_at >= database.now() - DAY)
    with database.read() as connection:
        return {row.staff_id: row.asked_by for row in connection.execute(query)}


def list_promotions(database: Database, hotline: str) -> list[Row[Any]]:
    """about, asked_by, asked_at; the oldest first."""
    r = s.raising.c
    query = select(r.about, r.asked_by, r.asked_at).where(r.hotline == hotline, r.asked_at >= database.now() - DAY)
    with database.read() as connection:
        return list(connection.execute(query.order_by(r.asked_at)))


def _others(database: Database, lead: Account) -> bool:
    c = s.staff.c
    query = select(c.staff_id).where(c.hotline == lead.hotline, c.role == "lead", c.ended_at.is_(None))
    with database.read() as connection:
        return connection.execute(query.where(c.staff_id != lead.staff_id).limit(1)).first() is not None


def _request(database: Database, table: Table, key: Mapping[str, str], lead: Account, told: tuple[str, str]) -> str:
    """`told`: the audit's word for it, and about whom."""
    now = database.now()
    with write_as(database, lead.hotline) as connection:
        became = _outcome(connection, database, table, key, lead.staff_id)
        if became != ALREADY_ASKED:
            audit_log.append(connection, lead.actor, f"{told[0]}_{became}", told[1], now)
    return became


def _outcome(connection: Connection, database: Database, table: Table, key: Mapping[str, str], who: str) -> str:
    now, mine = database.now(), and_(*(table.c[name] == value for name, value in key.items()))
    connection.execute(delete(table).where(mine, table.c.asked_at < now - DAY))
    row = {**key, "asked_by": who, "asked_at": now}
    if connection.execute(database.insert_new(table).values(row)).rowcount == 1:
        return ASKED
    other = delete(table).where(mine, table.c.asked_by != who)
    return CONFIRMED if connection.execute(other).rowcount == 1 else ALREADY_ASKED
