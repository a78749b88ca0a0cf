"""A thousand reporters dial at once, and a provider repeats the SMS of half a day: no long wait, no loss."""

from __future__ import annotations

import os
import random
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import pytest
import requests

from tests.faults.conversations import MAX_ANSWER_SECONDS
from tests.faults.faulty_installation import FaultyInstallation
from tests.faults.load_burst import all_at_once
from tests.support.wait import until

pytestmark = [pytest.mark.slow, pytest.mark.faults]
CALLERS = 1000
PROCESSES = 4  # the number that the server chooses on two cores
MESSAGES = 5000 if os.environ.get("LONG") == "1" else 500  # SMS of half a day that were not accepted
REPEATS = 3  # Africa's Talking sends each one again
AT_A_TIME = 8
HALF_A_DAY = 12 * 3600


@pytest.fixture
def installation() -> Iterator[FaultyInstallation]:
    installation = FaultyInstallation(web_processes=PROCESSES).up()
    installation.until_all_web_processes_accept(PROCESSES)
    yield installation
    installation.down()


def test_a_thousand_callers_at_once_all_come_to_sent(installation: FaultyInstallation) -> None:
    burst = all_at_once(installation, [f"+67875{n:05d}" for n in range(CALLERS)])
    assert set(burst.statuses) == {200}
    not_sent = [
        screen
        for screen in burst.sent.values()
        if not screen.startswith("CON Sent to Pikinini Helpline.\nAnswers: dial, 3 My report\nCode ")
    ]
    assert not_sent == []
    assert len(burst.sent) == CALLERS
    assert burst.slowest() <= MAX_ANSWER_SECONDS, burst.summary()
    until(lambda: installation.count("report") == CALLERS, "some reports were lost")
    # The spool may draw one code twice, in about one of twenty runs of this size: then the PIN differs.
    assert len({tuple(screen.splitlines()[2:4]) for screen in burst.sent.values()}) == CALLERS
    installation.until_finished(180)
    arrived_at = {line["body"]["data"]["report_id"] for line in installation.received()}
    assert len(arrived_at) == CALLERS


def test_half_a_day_of_texts_comes_at_once_and_calls_go_on(installation: FaultyInstallation) -> None:
    """The SMS come in random order and are stored once each; calls at the same time are answered as usual."""
    door = f"{installation.web}/hooks/africastalking/{installation.token('africastalking')}/sms"
    now = time.time()
    forms = [_text(n, now - random.Random(n).uniform(0, HALF_A_DAY)) for n in range(MESSAGES)] * REPEATS
    random.Random(1).shuffle(forms)
    lines = [requests.Session() for _ in range(AT_A_TIME)]

    def post(n: int) -> int:
        for _ in range(5):  # after 503 the provider sends the SMS again, in reality a minute later
            status = lines[n % AT_A_TIME].post(door, data=forms[n], timeout=20).status_code
            if status != 503:
                break
        return status

    with ThreadPoolExecutor(AT_A_TIME) as pool:
        posted = pool.map(post, range(len(forms)))
        burst = all_at_once(installation, [f"+67876{n:05d}" for n in range(20)])
        statuses = set(posted)
    for line in lines:
        line.close()
    assert statuses == {200}
    assert all(screen.startswith("CON Sent") for screen in burst.sent.values())
    assert burst.slowest(0.99) <= MAX_ANSWER_SECONDS, burst.summary()
    until(lambda: not installation.spooled(), "the spool is not emptied", 120)
    assert installation.count("pending WHERE kind = 'words'") == MESSAGES


def _text(n: int, sent_at: float) -> dict[str, str]:
    date = datetime.fromtimestamp(sent_at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    words = f"my cousin number {n} is in trouble"
    return {"from": f"+6787{n:06d}", "to": "163", "text": words, "date": date, "id": f"ATXid_backlog{n}"}
