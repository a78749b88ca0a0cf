"""What has its effect once, however often it comes: a call-back, and a form of staff whose button was pressed twice.

A key is kept in the transaction of the effect, so that one that failed may come again.
"""

from __future__ import annotations

from sqlalchemy import Connection, select

from reports.store import tables as t
from reports.store.database import Database


def is_first(connection: Connection, database: Database, key: bytes | None) -> bool:
    """Whether nothing with this key has had its effect; from here on this has. What has no key may come again."""
    if key is None:
        return True
    row = database.insert_new(t.callback).values(call_key=key, at=database.now())
    return bool(connection.execute(row).rowcount)


def has_come(database: Database, key: bytes | None) -> bool:
    if key is None:
        return False
    with database.read() as connection:
        return came(connection, key)


def came(connection: Connection, key: bytes) -> bool:
    """By a connection that is there."""
    return connection.execute(select(t.callback.c.call_key).where(t.callback.c.call_key == key)).first() is not None
