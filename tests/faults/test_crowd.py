"""A thousand callers at the same moment: nobody waits too long, nobody is lost."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.faults.city import City
from tests.faults.crowd import all_at_once
from tests.faults.walking import PROMISED
from tests.support.wait import until

pytestmark = [pytest.mark.slow, pytest.mark.faults, pytest.mark.xdist_group("faults-crowd")]
CALLERS = 1000


@pytest.fixture
def city() -> Iterator[City]:
    city = City(web_processes=4).up()  # as the server chooses on two cores
    yield city
    city.down()


def test_a_thousand_callers_at_once_all_come_to_sent(city: City) -> None:
    crowd = all_at_once(city, [f"+67875{n:05d}" for n in range(CALLERS)])
    assert set(crowd.statuses) == {200}
    not_sent = [
        screen for screen in crowd.sent.values() if not screen.startswith("CON Sent to Pikinini Helpline.\nCode ")
    ]
    assert not_sent == []
    assert len(crowd.sent) == CALLERS
    assert crowd.slowest() <= PROMISED, crowd.told()
    until(lambda: city.count("report") == CALLERS, "some reports were lost")
    assert len({screen.splitlines()[1] for screen in crowd.sent.values()}) == CALLERS
    city.until_finished(180)
    came = {line["body"]["data"]["report_id"] for line in city.received()}
    assert len(came) == CALLERS
