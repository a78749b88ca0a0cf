"""Telephone numbers that want no unsolicited SMS, stored as keyed hashes, and the keys of these hashes.

All functions raise DatabaseUnavailable unless the database confirmed the request.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import ColumnElement, and_, delete, exists, select

from reports.store.engine.database import Database
from reports.store.schema import tables as t


def add(database: Database, caller_key: bytes, *, said_at: int | None = None) -> None:
    """Store the opt-out of a number. `caller_key`: keyed hash of the number.

    `said_at`: when the number said so, in microseconds; an earlier opt-out is then from that time too, so that no START
    from between the two deletes it. Only `web` has the right to that.
    """
    o, at = t.optout.c, said_at or database.now()
    with database.write() as connection:
        if said_at is not None:
            connection.execute(delete(t.optout).where(o.caller_key == caller_key, o.at < said_at))
        connection.execute(database.insert_or_ignore(t.optout).values(caller_key=caller_key, at=at))


def remove(database: Database, caller_keys: Sequence[bytes], *, before: int | None = None) -> None:
    """Delete the opt-out of a number. `caller_keys`: its hashes under each key that it may have been stored with.

    `before`: only one from before this time in microseconds; the number has opted out again since.
    """
    is_meant: ColumnElement[bool] = t.optout.c.caller_key.in_(caller_keys)
    if before is not None:
        is_meant = and_(is_meant, t.optout.c.at < before)
    with database.write() as connection:
        connection.execute(delete(t.optout).where(is_meant))


def is_opted_out(database: Database, caller_keys: Sequence[bytes]) -> bool:
    """Return whether a number has opted out. `caller_keys`: its hashes under each key in use."""
    o = t.optout.c
    query = select(exists(select(o.caller_key).where(o.caller_key.in_(caller_keys))))
    with database.read() as connection:
        return bool(connection.execute(query).scalar())


def save_keys(database: Database, keys: Sequence[Mapping[str, Any]]) -> None:
    """Store rows of `optout_key`, given newest first; their times are set here. Existing rows are not changed."""
    now = database.now()
    with database.write() as connection:
        for age, row in enumerate(keys):
            connection.execute(database.insert_or_ignore(t.optout_key).values(**row, at=now - age))


def list_keys(database: Database) -> Sequence[Any]:
    """Return rows (id, mode, key_id, wrap, sealed), newest first; none until the gateway has stored them."""
    o = t.optout_key.c
    with database.read() as connection:
        return connection.execute(select(o.id, o.mode, o.key_id, o.wrap, o.sealed).order_by(o.at.desc())).all()
