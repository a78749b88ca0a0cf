"""Fixtures: an empty database of each kind with its own clock, and keys of hotlines."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from reports.store.engine.database import Database
from tests.support import databases
from tests.workers.sample_store import SampleStore
from tests.workers.scheduler_harness import SchedulerHarness


@pytest.fixture(params=databases.KINDS)
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    made = databases.migrated_database(request.param, request, tmp_path)
    yield made
    made.close()


@pytest.fixture
def store(database: Database, tmp_path: Path) -> Iterator[SampleStore]:
    made = SampleStore.create(database, tmp_path / "keys")
    yield made
    for harness in made.harnesses:
        harness.finish()  # else one of its threads opens the database again
    for moved in made.opened:
        moved.close()


@pytest.fixture
def harness(store: SampleStore) -> SchedulerHarness:
    return SchedulerHarness(store)
