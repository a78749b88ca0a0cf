"""Leases: one holder at a time, by the database's clock. The leading scheduler and the replay of waiting SMS use one.

A lease that ends further ahead than its duration allows counts as free: it was taken while a clock was wrong.
"""

from __future__ import annotations

from sqlalchemy import or_, select, update

from reports.store.engine.database import Database
from reports.store.engine.time_expressions import is_ahead
from reports.store.schema import tables as t
from runtime.time_units import SECOND


def acquire(database: Database, name: str, holder: str, seconds: float) -> bool:
    """Take or renew the lease `name` for `seconds`. Returns False while another holder has it."""
    c = t.lease.c
    now = database.now_sql()
    duration = int(seconds * SECOND)
    lease_end = now + duration
    with database.write() as connection:
        claim = update(t.lease).where(c.name == name, or_(c.holder == holder, ~is_ahead(c.until, now, duration)))
        if connection.execute(claim.values(holder=holder, until=lease_end)).rowcount:
            return True
        row = {"name": name, "holder": holder, "until": lease_end}
        return bool(connection.execute(database.insert_or_ignore(t.lease).values(row)).rowcount)


def release(database: Database, name: str, holder: str) -> None:
    """End the lease now, so that the next holder need not wait. The row stays: its time reveals a jump of the clock."""
    own_lease = update(t.lease).where(t.lease.c.name == name, t.lease.c.holder == holder)
    with database.write() as connection:
        connection.execute(own_lease.values(until=database.now_sql()))


def held_until(database: Database, name: str) -> int | None:
    """Return when the lease of its last holder ends or ended, in microseconds; None if it was never taken."""
    with database.read() as connection:
        return connection.execute(select(t.lease.c.until).where(t.lease.c.name == name)).scalar()
