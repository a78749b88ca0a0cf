from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.faults.faulty_installation import FaultyInstallation
from tests.support.postgres import Postgres, binaries


@pytest.fixture
def installation() -> Iterator[FaultyInstallation]:
    """A new installation for each test, because time is never moved back."""
    installation = FaultyInstallation(web_processes=1).up()
    yield installation
    installation.down()


@pytest.fixture
def installation_of_two_hosts() -> Iterator[FaultyInstallation]:
    """A new installation for each test, with two web processes that both accept connections."""
    installation = FaultyInstallation(web_processes=2).up()
    installation.until_all_web_processes_accept(2)
    yield installation
    installation.down()


@pytest.fixture(scope="module")
def shared() -> Iterator[FaultyInstallation]:
    """One installation for all tests of a file. Their fixture `installation` repairs the faults of the test before."""
    installation = FaultyInstallation(web_processes=1).up()
    yield installation
    installation.down()


@pytest.fixture(scope="module")
def shared_on_postgresql() -> Iterator[FaultyInstallation]:
    """The same on PostgreSQL, reached through a proxy."""
    found = binaries()
    if found is None:
        pytest.skip("no PostgreSQL binaries: `make setup` brings them")
    installation = FaultyInstallation(web_processes=1, postgres=Postgres(found).start()).up()
    yield installation
    installation.down()
