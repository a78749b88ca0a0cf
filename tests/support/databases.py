"""The kinds of database that every test of the store runs on: SQLite quickly, PostgreSQL as it is in production."""

from __future__ import annotations

from pathlib import Path

import pytest

from reports.store.database import Database
from reports.store.tables import metadata
from tests.support.postgres import binaries

KINDS = ["sqlite", *([pytest.param("postgresql", marks=pytest.mark.slow)] if binaries() else [])]


def address_of(kind: str, request: pytest.FixtureRequest, folder: Path) -> str:
    """Of a database with nothing in it."""
    return f"sqlite:///{folder}/tokaut.db" if kind == "sqlite" else str(request.getfixturevalue("postgres_url"))


def with_tables(address: str, threads: int = 8) -> Database:
    made = Database(address, threads=threads)
    metadata.create_all(made.engine)
    return made
