from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.faults.city import City
from tests.support.postgres import Postgres, binaries


@pytest.fixture
def city() -> Iterator[City]:
    """One for each test: time that was moved does not go back."""
    city = City(web_processes=1).up()
    yield city
    city.down()


@pytest.fixture
def city_of_two() -> Iterator[City]:
    """One for each test, with two processes of web that both accept connections."""
    city = City(web_processes=2).up()
    city.until_all_of_web_answer(2)
    yield city
    city.down()


@pytest.fixture(scope="module")
def shared() -> Iterator[City]:
    """One for all tests of a file; its `city` is this one, with what the test before broke in use again."""
    city = City(web_processes=1).up()
    yield city
    city.down()


@pytest.fixture(scope="module")
def shared_on_postgresql() -> Iterator[City]:
    found = binaries()
    if found is None:
        pytest.skip("no PostgreSQL binaries: `make setup` brings them")
    city = City(web_processes=1, postgres=Postgres(found).start()).up()
    yield city
    city.down()
