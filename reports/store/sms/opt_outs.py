"""Numbers that want no SMS they did not ask for, as keyed hashes, and by which key those are made.

All raise DatabaseUnavailable where the database did not surely say yes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import delete, exists, select

from reports.store.engine.database import Database
from reports.store.schema import tables as t


def add(database: Database, caller_key: bytes) -> None:
    with database.write() as connection:
        connection.execute(database.insert_new(t.optout).values(caller_key=caller_key, at=database.now()))


def remove(database: Database, caller_keys: Sequence[bytes]) -> None:
    """`caller_keys`: of one number, under each key that it may have been hashed with."""
    with database.write() as connection:
        connection.execute(delete(t.optout).where(t.optout.c.caller_key.in_(caller_keys)))


def is_opted_out(database: Database, caller_keys: Sequence[bytes]) -> bool:
    o = t.optout.c
    query = select(exists(select(o.caller_key).where(o.caller_key.in_(caller_keys))))
    with database.read() as connection:
        return bool(connection.execute(query).scalar())


def save_keys(database: Database, keys: Sequence[Mapping[str, Any]]) -> None:
    """Keep rows of `optout_key` but for their time, newest first; what is there stays as it is."""
    now = database.now()
    with database.write() as connection:
        for age, row in enumerate(keys):
            connection.execute(database.insert_new(t.optout_key).values(**row, at=now - age))


def list_keys(database: Database) -> Sequence[Any]:
    """Rows (id, mode, key_id, wrap, sealed), newest first; none where web has not said yet."""
    o = t.optout_key.c
    with database.read() as connection:
        return connection.execute(select(o.id, o.mode, o.key_id, o.wrap, o.sealed).order_by(o.at.desc())).all()
