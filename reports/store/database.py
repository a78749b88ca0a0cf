"""One way to the database, SQLite or PostgreSQL, with durability set on each connection and one error for "away"."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import URL, Connection, Engine, ColumnElement, create_engine, event, func, literal, make_url, text
from sqlalchemy.exc import ArgumentError, DBAPIError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeout

POSTGRESQL = "postgresql+psycopg"
WRITE = {"write": True}  # marks a connection whose transaction begins IMMEDIATE on SQLite

SQLITE_SETTINGS = {  # set on each connection: the file keeps only the WAL
    "journal_mode": "WAL",  # first: the others build on it
    "synchronous": "2",  # FULL: each commit is on the disk before it returns
    "foreign_keys": "1",
    "busy_timeout": "1000",
    "secure_delete": "1",
    "trusted_schema": "0",
}
SQLITE_READ_BACK = {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1, "secure_delete": 1, "trusted_schema": 0}

POSTGRESQL_OPTIONS = (
    "-c synchronous_commit=on -c lock_timeout=1000 -c statement_timeout=2000 -c idle_in_transaction_session_timeout=10000"
)


class Away(Exception):
    """The database did not say yes: refused, slow, locked, full, or the outcome is unknown. Never says what was sent."""


class BadAddress(ValueError):
    """DATABASE_URL is not an address that can be used."""


class Database:
    """`address` is a SQLAlchemy URL; `offset` moves the clock (never in live mode), in seconds."""

    def __init__(self, address: str, *, threads: int = 8, offset: float = 0) -> None:
        self.url = _read_address(address)
        self.offset = int(offset * 1_000_000)
        self.is_sqlite = self.url.get_backend_name() == "sqlite"
        self.engine = _sqlite(self.url, threads) if self.is_sqlite else _postgresql(self.url, threads)

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """One short transaction; committed when the block ends. Raises Away where the commit is not certain."""
        with _away(), self.engine.connect().execution_options(**WRITE) as connection:
            warnings = _warnings(connection)
            with connection.begin():
                yield connection
            if warnings:  # "committed locally, but might not have been replicated": a second copy is not certain
                raise Away("the database warned at commit")

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """Reads only, each statement by itself: on SQLite it never locks out the writer."""
        with _away(), self.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            yield connection

    def now(self) -> int:
        """This host's clock in microseconds, moved by the offset."""
        return time.time_ns() // 1000 + self.offset

    def now_sql(self) -> ColumnElement[int]:
        """The clock that leases go by: the database's own, so that hosts' clocks do not matter; on SQLite this host's."""
        if self.is_sqlite:
            return literal(self.now())
        return func.cast(func.extract("epoch", func.clock_timestamp()) * 1_000_000, _bigint()) + self.offset

    def close(self) -> None:
        self.engine.dispose()


def _bigint() -> Any:
    from sqlalchemy import BigInteger

    return BigInteger
