"""Beyond its capacity a process finishes the calls under way, and tells the others at once that it is busy."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.faults.city import City
from tests.faults.overload import levels

pytestmark = [pytest.mark.slow, pytest.mark.faults]


@pytest.fixture
def city() -> Iterator[City]:
    city = City(web_processes=2).up()
    city.until_all_of_web_answer(2)
    yield city
    city.down()


def test_goodput_stays_and_no_answer_is_late_at_four_times_the_capacity(city: City) -> None:
    for best, seen in levels(city, print):
        assert seen.goodput >= 0.9 * best
        assert max(seen.waits) <= 5
        assert seen.in_danger_broken == 0
