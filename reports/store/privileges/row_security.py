"""Transactions of the console on behalf of hotlines. PostgreSQL shows and accepts their rows only.

The rows are those of `rights.ROW_POLICIES`. SQLite has no row-level security, so every statement names the hotlines
itself, too.
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
    """Open a transaction for these hotlines, committed when the block ends.

    Raises DatabaseUnavailable as `Database.write` does.
    """
    with database.write() as connection:
        _set_hotlines(database, connection, hotlines)
        yield connection


@contextmanager
def read_as(database: Database, *hotlines: str) -> Iterator[Connection]:
    """Open a connection that only reads, for these hotlines.

    The setting ends with its transaction, so PostgreSQL needs one. SQLite must not have one.
    """
    with database.read() if database.is_sqlite else database.write() as connection:
        _set_hotlines(database, connection, hotlines)
        yield connection


def _set_hotlines(database: Database, connection: Connection, hotlines: tuple[str, ...]) -> None:
    if not database.is_sqlite:
        is_local = True  # the setting lasts until the transaction ends
        connection.execute(select(func.set_config(HOTLINES_SETTING, ",".join(hotlines), is_local)))


def reveal_report(database: Database, connection: Connection, report_id: str) -> None:
    """Let this transaction see the deliveries of a report to all its hotlines.

    The state of the report is derived from all of them. Call it only once it is known that the report was given to the
    hotline that asks.
    """
    if not database.is_sqlite:
        connection.execute(select(func.set_config(REPORT_SETTING, report_id, True)))
