"""F6: a worker is frozen in a call for longer than its lease. Another delivers the report, and its result stands."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.faults.city import City
from tests.faults.conversations import TO_SEND, is_sent, new_phone_number, received_once, walk
from tests.support.frozen import freeze
from tests.support.wait import until

pytestmark = [pytest.mark.slow, pytest.mark.faults]
LONG = os.environ.get("LONG") == "1"
LEASE = 60  # seconds
BY_ANOTHER = 150 if LONG else 40  # seconds: in the long form it is frozen for as long as the lease lasts


def lies_unread(city: City) -> bool:
    """A call has been sent and lies at the hotline's door."""
    door = f":{city.plan.where.hotline_port:04X}"
    lines = (line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:])
    return any(at.endswith(door) and state == "01" and int(queues[9:], 16) for _, at, _, state, queues, *_ in lines)


def goes_on(city: City) -> None:
    """It takes the report and answers with 204, and the worker does not listen."""
    os.kill(city.pid("hotline"), signal.SIGCONT)


def is_gone(city: City) -> None:
    """The call ends without an answer: once the worker wakes up, it has failed."""
    with city.away("hotline"):
        pass


@pytest.mark.rule("F6")
@pytest.mark.parametrize(("then", "says"), [(goes_on, "delivered"), (is_gone, "delivery_lease_lost")])
def test_a_worker_frozen_in_its_call_undoes_nothing(city: City, then: Callable[[City], None], says: str) -> None:
    number = new_phone_number()
    freeze(city.pid("hotline"))
    assert is_sent(walk(city.ussd_phone("africastalking", number), (*TO_SEND, "1")))
    until(lambda: lies_unread(city), "no worker called")
    with city.frozen("urgent"):
        then(city)
        if not LONG:
            city.move_time(LEASE + 1, ["clock"])
        until(lambda: city.count("delivery WHERE state = 'delivered'") == 1, "nobody else brought it", BY_ANOTHER)
        before = city.log("urgent").read_text()
    until(lambda: f'"{says}"' in city.log("urgent").read_text()[len(before) :], "it never woke up", 30)
    received_once(city, number)
    columns = "state, attempt, last_class, last_status"
    assert city.ask(f"SELECT {columns} FROM delivery") == [("delivered", 2, "delivered", 204)]
