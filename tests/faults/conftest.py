from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.faults.city import City
from tests.support.postgres import Postgres, binaries


@pytest.fixture
def city() -> Iterator[City]:
    """A new installation for each test: moved time does not go back."""
    city = City(web_processes=1).up()
    yield city
    city.down()


@pytest.fixture
def city_of_two() -> Iterator[City]:
    """A new installation for each test, with two web processes that both accept connections."""
    city = City(web_processes=2).up()
    city.until_all_web_processes_accept(2)
    yield city
    city.down()


@pytest.fixture(scope="module")
def shared() -> Iterator[City]:
    """One installation for all tests of a file. Their fixture `city` repairs what the test before broke."""
    city = City(web_processes=1).up()
    yield city
    city.down()


@pytest.fixture(scope="module")
def shared_on_postgresql() -> Iterator[City]:
    """The same on PostgreSQL, reached through a proxy."""
    found = binaries()
    if found is None:
        pytest.skip("no PostgreSQL binaries: `make setup` brings them")
    city = City(web_processes=1, postgres=Postgres(found).start()).up()
    yield city
    city.down()
