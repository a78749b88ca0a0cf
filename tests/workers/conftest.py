"""A database of each kind, empty, and keys."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from reports.store.database import Database
from reports.store.tables import metadata
from tests.support.postgres import binaries
from tests.workers.filings import Desk

KINDS = ["sqlite", *([pytest.param("postgresql", marks=pytest.mark.slow)] if binaries() else [])]


@pytest.fixture(params=KINDS)
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    if request.param == "sqlite":
        address = f"sqlite:///{tmp_path / 'tokaut.db'}"
    else:
        address = request.getfixturevalue("postgres_url")
    made = empty(address)
    yield made
    made.close()


def empty(address: str) -> Database:
    made = Database(address)
    metadata.create_all(made.engine)
    return made


@pytest.fixture
def desk(database: Database, tmp_path: Path) -> Iterator[Desk]:
    made = Desk.at(database, tmp_path / "keys")
    yield made
    for moved in made.opened:
        moved.close()
