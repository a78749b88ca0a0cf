"""Idempotency keys of callbacks and of forms of staff: a request that is sent twice has its effect once."""

from __future__ import annotations

from sqlalchemy import Connection, select

from reports.store.engine.database import Database
from reports.store.schema import tables as t


def claim_key(connection: Connection, database: Database, key: bytes | None) -> bool:
    """Store an idempotency key and return whether it is new.

    Call it in the transaction of the effect. Without a key the request may be repeated, and the result is always True.
    """
    if key is None:
        return True
    row = database.insert_or_ignore(t.callback).values(call_key=key, at=database.now())
    return bool(connection.execute(row).rowcount)


def was_key_used(database: Database, key: bytes | None) -> bool:
    """Return whether a request with this key has had its effect. False without a key."""
    if key is None:
        return False
    with database.read() as connection:
        return key_exists(connection, key)


def key_exists(connection: Connection, key: bytes) -> bool:
    """Return whether the key is stored, on an open connection."""
    return connection.execute(select(t.callback.c.call_key).where(t.callback.c.call_key == key)).first() is not None


def delete_old_keys(database: Database, older: int) -> int:
    """Delete idempotency keys older than `older` microseconds, and return how many.

    A callback with a signature of that age is refused for its age, so its key is not needed any more.
    """
    is_old = t.callback.c.at < database.now_sql() - older
    return database.delete_any(t.callback, is_old)
