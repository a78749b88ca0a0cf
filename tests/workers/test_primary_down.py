"""All processes are real; the primary hotline is down. Within 60 s a fallback has the report, and a phone a text."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime
from typing import Any

import pytest

from tests.support.installation import Installation
from tests.support.ports import free_port
from tests.support.wait import until

pytestmark = pytest.mark.slow

ON_CALL = "+6785550191"
IN_DANGER = ("Report", "Now", "Go on", "Bullying, threats", "Shefa", "Me", "No", "Send")
REPORTS = 30
SIXTY = 60


@pytest.fixture
def installation() -> Iterator[Installation]:
    """An installation in which no server listens for Vanuatu's child helpline."""
    nowhere = f"127.0.0.1:{free_port()}"
    down = {"HOTLINE_VU_PIKININI_URL": f"http://{nowhere}/", "HOTLINE_VU_PIKININI_PRIVATE": nowhere}
    texted = {"TOKAUT_ON_CALL": ON_CALL, "TOKAUT_ALERT_CHANNEL": "africastalking", "TOKAUT_ALERT_FROM": "22384"}
    made = Installation({**down, **texted}).up()
    yield made
    made.down()


@pytest.mark.rule("S-39")
def test_p1_is_at_a_fallback_within_60_seconds_and_a_phone_rings(
    installation: Installation, record_property: Any
) -> None:
    for n in range(REPORTS):
        phone = installation.ussd_phone("africastalking", f"+67855501{n:02}")
        phone.dial()
        for reply in IN_DANGER:
            screen = phone.type(reply).text
        assert "Sent to Pikinini Helpline." in screen
    installation.until_received(lambda all_: len(all_) >= REPORTS, "not all are at the fallback", seconds=90)
    waited = sorted(map(_waited, installation.received()))
    record_property("printed", f"{REPORTS} P1, primary down: {waited[0]} to {waited[-1]} s from Send to the fallback")
    assert {one["hotline"] for one in installation.received()} == {"vu-womens-centre"}
    assert waited[-1] <= SIXTY
    until(lambda: len(installation.provider.to(ON_CALL)) > 0, "nobody on call was texted", seconds=60)
    text = installation.provider.to(ON_CALL)[0]
    assert re.fullmatch(r"DRILL Tokaut: P1, \d+ reports? not delivered \([0-9a-f]{6}\)\. Next: tokaut watch", text)
    assert ON_CALL not in "".join(installation.log(name).read_text() for name in installation.processes)


def _waited(received: dict[str, Any]) -> int:
    """Return the whole seconds from Send to the accepted attempt."""
    sent = datetime.fromisoformat(received["body"]["data"]["sent_at"])
    headers = {name.lower(): value for name, value in received["headers"].items()}
    return int(headers["webhook-timestamp"]) - int(sent.timestamp())
