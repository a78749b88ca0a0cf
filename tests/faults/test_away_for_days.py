"""F22: a hotline is unavailable for three days. Others get urgent reports in time, on-call is alerted, all arrive."""

from __future__ import annotations

import os
import threading
from collections import Counter
from collections.abc import Iterator
from functools import partial
from typing import Any

import pytest

from reports.escalation import ESCALATION_TIMES
from runtime.time_units import DAY, SECOND
from tests.faults.conversations import TO_SEND, is_sent, new_phone_number, of, walk
from tests.faults.faulty_installation import FaultyInstallation
from tests.faults.json_lines import lines
from tests.support.ports import free_port
from tests.support.wait import until
from tokaut.local_stack.hotline_server import DemoHotlineServer
from workers import retry_policy

pytestmark = [pytest.mark.slow, pytest.mark.faults]
DAYS = 3 if os.environ.get("LONG") == "1" else 1
ON_CALL = "+6785550190"
FIRST = "vu-pikinini"
OTHERS = ("vu-womens-centre", "vu-police")
DANGER_NOW = ("1", "1", "1", "7", "4", "1", "2", "1")  # now, Go on, bullying, Shefa, me, SMS; Send
LONGEST = retry_policy.POLICIES["P2"].later_delay * (
    1 + retry_policy.POLICIES["P2"].jitter
)  # microseconds between two tries


class TwoHotlineServers(FaultyInstallation):
    """The first hotline's server can be stopped; one server in this process receives for the other hotlines."""

    def __init__(self) -> None:
        self.hotline_port = free_port()
        beside = {f"HOTLINE_{name.upper().replace('-', '_')}": f"127.0.0.1:{self.hotline_port}" for name in OTHERS}
        addresses = {f"{name}_URL": f"http://{at}/{of}" for (name, at), of in zip(beside.items(), OTHERS, strict=True)}
        private = {f"{name}_PRIVATE": at for name, at in beside.items()}
        told = {"TOKAUT_ON_CALL": ON_CALL, "TOKAUT_ALERT_CHANNEL": "africastalking", "TOKAUT_ALERT_FROM": "163"}
        super().__init__(settings={**addresses, **private, **told})
        self.beside = self.folder / "beside.jsonl"
        self.others = DemoHotlineServer(self.hotline_port, self.plan.secrets.hotlines, self.beside)
        threading.Thread(target=self.others.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()

    def down(self) -> None:
        self.others.shutdown()
        self.others.server_close()
        self.others.received.close()
        super().down()

    def at_the_others(self, number: str) -> list[dict[str, Any]]:
        return [line for line in lines(self.beside) if line["body"]["data"]["contact"].get("msisdn") == number]


@pytest.fixture
def installation() -> Iterator[TwoHotlineServers]:
    installation = TwoHotlineServers()
    installation.up()
    yield installation
    installation.down()


def attempts(installation: FaultyInstallation) -> int:
    return int(str(installation.ask(f"SELECT sum(attempt) FROM delivery WHERE hotline = '{FIRST}'")[0][0]))


def goes_on(installation: FaultyInstallation, tried: int, told: int) -> bool:
    """Return whether delivery was retried and an on-call person was alerted again."""
    return attempts(installation) > tried and len(installation.provider.to(ON_CALL)) > told


@pytest.mark.rule("F22")
def test_a_hotline_that_is_away_for_days(installation: TwoHotlineServers) -> None:
    danger, soon = new_phone_number(), new_phone_number()
    with installation.away("hotline"):
        assert is_sent(walk(installation.ussd_phone("africastalking", danger), DANGER_NOW))
        assert is_sent(walk(installation.ussd_phone("africastalking", soon), (*TO_SEND, "1")))
        in_time = ESCALATION_TIMES["P1"].received // SECOND
        until(lambda: bool(installation.at_the_others(danger)), "nobody has it", in_time)
        for _ in range(DAYS):
            before = attempts(installation), len(installation.provider.to(ON_CALL))
            installation.move_time(DAY // SECOND)
            until(partial(goes_on, installation, *before), "not tried, or nobody was told", 90)
        states = installation.ask(f"SELECT state, count(*) FROM delivery WHERE hotline = '{FIRST}' GROUP BY state")
        assert states == [("due", 2)]
    installation.move_time(int(LONGEST // SECOND) + 1)
    installation.until_finished(120)
    assert [len(of(installation, number)) for number in (danger, soon)] == [1, 1]
    keys = Counter(
        (line["hotline"], line["body"]["data"]["report_id"])
        for line in (*installation.received(), *lines(installation.beside))
    )
    assert set(keys.values()) == {1}
    assert installation.count("delivery WHERE state != 'delivered'") == 0
