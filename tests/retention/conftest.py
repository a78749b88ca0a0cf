"""A fixture: an empty database of each kind."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from reports.store.engine.database import Database
from reports.store.schema.tables import made_for
from tests.support import databases


@pytest.fixture(params=databases.KINDS)
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    made = databases.migrated_database(request.param, request, tmp_path)
    if made.is_sqlite:
        with made.write() as connection:
            connection.execute(made_for.insert().values(mode="demo"))
    yield made
    made.close()
