"""For whom the console asks: each use of the database says it, and PostgreSQL shows and takes no other rows.

The rows are those of `rights.ROWS`. SQLite knows no rights, so every statement names the hotlines itself, too.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Connection, func, select

from reports.store.engine.database import Database

HOTLINES_SETTING = "tokaut.hotlines"
REPORT_SETTING = "tokaut.report"


@contextmanager
def write_as(database: Database, *hotlines: str) -> Iterator[Connection]:
    """One transaction, committed when the block ends. Raises DatabaseUnavailable as `Database.write` does."""
    with database.write() as connection:
        _set_hotlines(database, connection, hotlines)
        yield connection


@contextmanager
def read_as(database: Database, *hotlines: str) -> Iterator[Connection]:
    """Reads only. What is said ends with a transaction, so PostgreSQL needs one; SQLite must not have one."""
    with database.read() if database.is_sqlite else database.write() as connection:
        _set_hotlines(database, connection, hotlines)
        yield connection


def _set_hotlines(database: Database, connection: Connection, hotlines: tuple[str, ...]) -> None:
    if not database.is_sqlite:
        connection.execute(select(func.set_config(HOTLINES_SETTING, ",".join(hotlines), True)))  # True: until its end


def reveal_report(database: Database, connection: Connection, report_id: str) -> None:
    """From here on this transaction sees to whom else this report was given, and what they do: the state of the report
    is worked out from all of them. Say it only once it is known that the report was given to who asks.
    """
    if not database.is_sqlite:
        connection.execute(select(func.set_config(REPORT_SETTING, report_id, True)))
