"""Fixtures: an empty database of each kind with its own clock, and keys of hotlines."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from reports.store.engine.database import Database
from tests.support import databases
from tests.workers.filings import Desk
from tests.workers.room import Room


@pytest.fixture(params=databases.KINDS)
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    made = databases.migrated_database(request.param, request, tmp_path)
    yield made
    made.close()


@pytest.fixture
def desk(database: Database, tmp_path: Path) -> Iterator[Desk]:
    made = Desk.at(database, tmp_path / "keys")
    yield made
    for room in made.rooms:
        room.finish()  # else one of its threads opens the database again
    for moved in made.opened:
        moved.close()


@pytest.fixture
def room(desk: Desk) -> Room:
    return Room(desk)
