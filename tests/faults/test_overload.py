"""Beyond its capacity a process finishes open calls, and answers new ones at once that it is busy."""

from __future__ import annotations

import pytest

from tests.faults.faulty_installation import FaultyInstallation
from tests.faults.overload import levels

pytestmark = [pytest.mark.slow, pytest.mark.faults]


def test_goodput_stays_and_no_answer_is_late_at_four_times_the_capacity(
    installation_of_two_hosts: FaultyInstallation,
) -> None:
    for best, seen in levels(installation_of_two_hosts, print):
        assert seen.goodput >= 0.9 * best
        assert max(seen.waits) <= 5
        assert seen.in_danger_broken == 0
