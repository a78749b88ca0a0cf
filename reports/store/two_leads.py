"""What no lead does alone: let somebody back in, make somebody a lead, end or lower another lead.

One asks, another confirms within a day.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, Row, Table, and_, delete, select

from reports.store import auditing
from reports.store import staff_tables as s
from reports.store.accounts import Account
from reports.store.asking import writing_as
from reports.store.database import Database
from runtime.time_units import DAY

ASKED, CONFIRMED, AGAIN, ALONE = "asked", "confirmed", "again", "alone"


def let_back(database: Database, account: Account, lead: Account) -> str:
    """asked: another lead has to confirm it; confirmed: this is the other one; again: the same one twice."""
    return _say(database, s.recovery, {"staff_id": account.staff_id}, lead, ("recovery", account.staff_id))


def make_lead(database: Database, about: str, name: str, lead: Account) -> str:
    """`about`: an account, or the name of somebody who has none yet. As `let_back`; alone: nobody could confirm it."""
    if not _others(database, lead):
        return ALONE
    told = ("lead", f"{lead.hotline}/{name}"[:80])
    return _say(database, s.raising, {"hotline": lead.hotline, "about": about}, lead, told)


def lower(database: Database, account: Account, role: str, lead: Account) -> str:
    """End the account of a lead (`role` is empty), or give them another role. As `let_back`; who confirms may be the
    lead whom it is about."""
    told = ("end" if not role else f"role_{role}", account.staff_id)
    return _say(database, s.lowering, {"staff_id": account.staff_id, "role": role}, lead, told)


def lower_asked(database: Database, hotline: str) -> list[Row[Any]]:
    """staff_id, role, asked_by, asked_at; the oldest first."""
    c = s.lowering.c
    query = select(c.staff_id, c.role, c.asked_by, c.asked_at).join(s.staff, s.staff.c.staff_id == c.staff_id)
    query = query.where(s.staff.c.hotline == hotline, c.asked_at >= database.now() - DAY)
    with database.read() as connection:
        return list(connection.execute(query.order_by(c.asked_at)))


def let_back_asked(database: Database, hotline: str) -> dict[str, str]:
    """Account → who asked."""
    r = s.recovery.c
    query = select(r.staff_id, r.asked_by).join(s.staff, s.staff.c.staff_id == r.staff_id)
    query = query.where(s.staff.c.hotline == hotline, r.asked_at >= database.now() - DAY)
    with database.read() as connection:
        return {row.staff_id: row.asked_by for row in connection.execute(query)}


def make_lead_asked(database: Database, hotline: str) -> list[Row[Any]]:
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


def _say(database: Database, table: Table, key: Mapping[str, str], lead: Account, told: tuple[str, str]) -> str:
    """`told`: the audit's word for it, and about whom."""
    now = database.now()
    with writing_as(database, lead.hotline) as connection:
        became = _became(connection, database, table, key, lead.staff_id)
        if became != AGAIN:
            auditing.note(connection, lead.actor, f"{told[0]}_{became}", told[1], now)
    return became


def _became(connection: Connection, database: Database, table: Table, key: Mapping[str, str], who: str) -> str:
    now, mine = database.now(), and_(*(table.c[name] == value for name, value in key.items()))
    connection.execute(delete(table).where(mine, table.c.asked_at < now - DAY))
    row = {**key, "asked_by": who, "asked_at": now}
    if connection.execute(database.insert_new(table).values(row)).rowcount == 1:
        return ASKED
    other = delete(table).where(mine, table.c.asked_by != who)
    return CONFIRMED if connection.execute(other).rowcount == 1 else AGAIN
