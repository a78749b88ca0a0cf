"""F6: a worker is frozen during a request, beyond its lease. Another delivers the report, and its result is final."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.faults.conversations import TO_SEND, is_sent, new_phone_number, received_once, walk
from tests.faults.faulty_installation import FaultyInstallation
from tests.support.frozen import freeze
from tests.support.wait import until

pytestmark = [pytest.mark.slow, pytest.mark.faults]
LONG = os.environ.get("LONG") == "1"
LEASE = 60  # seconds
BY_ANOTHER = 150 if LONG else 40  # seconds: in the long form the worker is frozen until its lease expires


def lies_unread(installation: FaultyInstallation) -> bool:
    """Return whether a request lies unread in the hotline's receive queue."""
    door = f":{installation.plan.where.hotline_port:04X}"
    lines = (line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:])
    return any(at.endswith(door) and state == "01" and int(queues[9:], 16) for _, at, _, state, queues, *_ in lines)


def goes_on(installation: FaultyInstallation) -> None:
    """Let the hotline accept the report with 204, which the frozen worker does not read."""
    os.kill(installation.pid("hotline"), signal.SIGCONT)


def is_gone(installation: FaultyInstallation) -> None:
    """Restart the hotline, so that the request fails without an answer when the worker continues."""
    with installation.away("hotline"):
        pass


@pytest.mark.rule("F6")
@pytest.mark.parametrize(("then", "says"), [(goes_on, "delivered"), (is_gone, "delivery_lease_lost")])
def test_a_worker_frozen_in_its_call_undoes_nothing(
    installation: FaultyInstallation, then: Callable[[FaultyInstallation], None], says: str
) -> None:
    number = new_phone_number()
    freeze(installation.pid("hotline"))
    assert is_sent(walk(installation.ussd_phone("africastalking", number), (*TO_SEND, "1")))
    until(lambda: lies_unread(installation), "no worker called")
    with installation.frozen("urgent"):
        then(installation)
        if not LONG:
            installation.move_time(LEASE + 1, ["clock"])
        until(
            lambda: installation.count("delivery WHERE state = 'delivered'") == 1, "nobody else brought it", BY_ANOTHER
        )
        before = installation.log("urgent").read_text()
    until(lambda: f'"{says}"' in installation.log("urgent").read_text()[len(before) :], "it never woke up", 30)
    received_once(installation, number)
    columns = "state, attempt, last_class, last_status"
    assert installation.ask(f"SELECT {columns} FROM delivery") == [("delivered", 2, "delivered", 204)]
