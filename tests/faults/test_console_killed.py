"""F8: the console is killed while it stores a hotline's callback: the callback is stored completely or not at all."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import requests

from tests.faults.conversations import TO_SEND, is_sent, new_phone_number, received_once, walk
from tests.faults.faulty_installation import FaultyInstallation
from tests.support.proxy import Proxy

pytestmark = [pytest.mark.slow, pytest.mark.faults, pytest.mark.xdist_group("console")]
HOTLINE = "vu-pikinini"
WORDS = "We have read it and we are here."
When = Callable[[Proxy, Callable[[], None]], None]


@pytest.fixture(scope="module")
def installation(shared_on_postgresql: FaultyInstallation) -> FaultyInstallation:
    shared_on_postgresql.start_console()
    return shared_on_postgresql


def in_the_middle(line: Proxy, do: Callable[[], None]) -> None:
    line.when_sent(b"INSERT INTO answer", do)


def after_the_commit(line: Proxy, do: Callable[[], None]) -> None:
    line.when_sent(b"INSERT INTO answer", lambda: line.when_replied(b"COMMIT", do))


def kept(installation: FaultyInstallation, report: str) -> tuple[int, ...]:
    of = f"report_id = '{report}'"
    return tuple(
        installation.count(f"{what} {of}")
        for what in ("delivery WHERE handling = 'accepted' AND", "answer WHERE", "note WHERE")
    )


@pytest.mark.rule("F8")
@pytest.mark.parametrize(("when", "left"), [(in_the_middle, (0, 0, 0)), (after_the_commit, (1, 1, 1))])
def test_what_a_hotline_says_is_whole_or_absent(
    installation: FaultyInstallation, when: When, left: tuple[int, ...]
) -> None:
    number = new_phone_number()
    assert is_sent(walk(installation.ussd_phone("africastalking", number), (*TO_SEND, "1")))
    report = received_once(installation, number)["report_id"]
    key = f"msg_{number}"
    assert installation.proxy
    when(installation.proxy, installation.kill_console)
    with pytest.raises(requests.ConnectionError):
        installation.hotline_client(HOTLINE).call(report, "accepted", key, message=WORDS)
    installation.processes["console"].wait(timeout=30)
    assert kept(installation, report) == left
    installation.start_console()
    again = installation.hotline_client(HOTLINE).call(report, "accepted", key, message=WORDS)
    assert (again.status_code, again.json().get("repeat", False)) == (200, bool(left[0]))
    assert kept(installation, report) == (1, 1, 1)
