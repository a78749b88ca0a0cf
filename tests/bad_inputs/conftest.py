"""One installation for all tables. Each row gets it through `row`, whose check runs at the end of the row."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.bad_inputs.row import Row
from tests.support import leaks
from tests.support.town import Town


class Part:
    """One process of the town; a row may start it anew."""

    def __init__(self, town: Town, name: str) -> None:
        self._town = town
        self._name = name

    @property
    def pid(self) -> int | None:
        process = self._town.processes.get(self._name)
        return process and process.pid


@pytest.fixture(scope="session")
def bad_town() -> Iterator[Town]:
    town = Town(web_processes=2).up()
    leaks.ALLOWED.servers.extend(Part(town, name) for name in list(town.processes))
    yield town
    town.down()


@pytest.fixture
def row(bad_town: Town, request: pytest.FixtureRequest) -> Iterator[Row]:
    row = Row(bad_town)
    failed = request.session.testsfailed
    yield row
    try:
        if request.session.testsfailed == failed:  # a row that failed is told by itself
            row.check()
    finally:
        row.close()
