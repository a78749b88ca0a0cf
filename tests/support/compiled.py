"""Compile each SQL statement once in a test process; its hundreds of databases execute the same statements.

SQLAlchemy caches compiled statements by engine and dialect. Here all engines share one cache, and two dialects are
equal if they speak to the same release of the same database.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy.dialects.postgresql.psycopg import PGDialect_psycopg
from sqlalchemy.dialects.sqlite.pysqlite import SQLiteDialect_pysqlite
from sqlalchemy.engine import Dialect, Engine
from sqlalchemy.util import LRUCache

STATEMENTS = 3_000  # more than all tests together execute
SHARED: LRUCache[Any, Any] = LRUCache(STATEMENTS)


def install() -> None:
    """Share the cache for the rest of this process; calling it again has no effect."""
    Engine._compiled_cache = property(lambda _: SHARED, lambda *_: None)  # type: ignore[assignment]
    for dialect in (PGDialect_psycopg, SQLiteDialect_pysqlite):
        dialect.__eq__ = _are_equal  # type: ignore[method-assign, assignment]
        dialect.__hash__ = _hash  # type: ignore[method-assign, assignment]


def _are_equal(one: Dialect, other: object) -> bool:
    return type(one) is type(other) and one.server_version_info == other.server_version_info


def _hash(dialect: Dialect) -> int:
    return hash(type(dialect))
