"""Beyond its capacity a process finishes the calls under way, and tells new ones at once that it is busy."""

from __future__ import annotations

import pytest

from tests.faults.city import City
from tests.faults.overload import levels

pytestmark = [pytest.mark.slow, pytest.mark.faults]


def test_goodput_stays_and_no_answer_is_late_at_four_times_the_capacity(city_of_two: City) -> None:
    for best, seen in levels(city_of_two, print):
        assert seen.goodput >= 0.9 * best
        assert max(seen.waits) <= 5
        assert seen.in_danger_broken == 0
