"""One holder at a time, by the database's clock: the leading clock, the process that replays waiting SMS.

A lease that ends further ahead than anybody takes one for is free: the clock it went by was wrong.
"""

from __future__ import annotations

from sqlalchemy import or_, select, update

from reports.store.engine.database import Database
from reports.store.engine.time_expressions import is_ahead
from reports.store.schema import tables as t
from runtime.time_units import SECOND


def acquire(database: Database, name: str, holder: str, seconds: float) -> bool:
    """Take or renew the lease for so many seconds; false while somebody else holds it."""
    c = t.lease.c
    now = database.now_sql()
    length = int(seconds * SECOND)
    until = now + length
    with database.write() as connection:
        free = update(t.lease).where(c.name == name, or_(c.holder == holder, ~is_ahead(c.until, now, length)))
        if connection.execute(free.values(holder=holder, until=until)).rowcount:
            return True
        row = {"name": name, "holder": holder, "until": until}
        return bool(connection.execute(database.insert_new(t.lease).values(row)).rowcount)


def release(database: Database, name: str, holder: str) -> None:
    """The next one need not wait; when this one went is kept, so that a jump of the clock is seen."""
    mine = update(t.lease).where(t.lease.c.name == name, t.lease.c.holder == holder)
    with database.write() as connection:
        connection.execute(mine.values(until=database.now_sql()))


def held_until(database: Database, name: str) -> int | None:
    """Until when the last holder of a lease had it; None where nobody ever had."""
    with database.read() as connection:
        return connection.execute(select(t.lease.c.until).where(t.lease.c.name == name)).scalar()
