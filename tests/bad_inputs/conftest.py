"""One installation for all tables. Each test gets it through `row`, whose check runs at the end of the test."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.bad_inputs.row import Row
from tests.support import leaks
from tests.support.installation import Installation


class Part:
    """One process of the installation; a test may restart it."""

    def __init__(self, installation: Installation, name: str) -> None:
        self._installation = installation
        self._name = name

    @property
    def pid(self) -> int | None:
        process = self._installation.processes.get(self._name)
        return process and process.pid


@pytest.fixture(scope="session")
def faulty_installation() -> Iterator[Installation]:
    installation = Installation(web_processes=2).up()
    leaks.ALLOWED.servers.extend(Part(installation, name) for name in list(installation.processes))
    yield installation
    installation.down()


@pytest.fixture
def row(faulty_installation: Installation, request: pytest.FixtureRequest) -> Iterator[Row]:
    row = Row(faulty_installation)
    failed = request.session.testsfailed
    yield row
    try:
        if request.session.testsfailed == failed:  # a failed row has reported its own failure
            row.check()
    finally:
        row.close()
