"""A host's clock is wrong, processes are killed, and the clock is corrected: all reports arrive in real time.

Time is not moved on afterwards: words stored under the wrong clock must not wait for a later time.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator

import pytest

from tests.faults.conversations import DANGER_NOW, TO_SEND, is_sent, texts, ussd_phone_before_dialling, walk
from tests.faults.faulty_installation import TOKAUT_PROCESSES, FaultyInstallation
from tests.support.moved_clocks import ABSENT, LIBRARY
from tests.support.wait import until

pytestmark = [pytest.mark.slow, pytest.mark.skipif(LIBRARY is None, reason=ABSENT)]
HOUR, DAY = 3600, 86_400
SOON = 75  # seconds of real time: the lease of a killed worker lasts one minute
COLOURS = {(11 * HOUR, 0): "blue", (15 * DAY, 0): "green", (0, -2 * HOUR): "red", (-2 * HOUR, -4 * HOUR): "white"}
ROLES = ("urgent", "standard", "clock", "web")


@pytest.fixture(scope="module")
def installation() -> Iterator[FaultyInstallation]:
    installation = FaultyInstallation(web_processes=1, moves_clocks=True).up()
    yield installation
    installation.down()


@pytest.mark.product(parts=4)
@pytest.mark.parametrize(
    ("before", "after", "killed"),
    [
        pytest.param(11 * HOUR, 0, True, id="eleven-hours-ahead-and-set-right-by-a-restart"),
        pytest.param(15 * DAY, 0, False, id="two-weeks-ahead-for-a-moment"),
        pytest.param(0, -2 * HOUR, False, id="set-back-two-hours-while-it-runs"),
        pytest.param(-2 * HOUR, -4 * HOUR, True, id="set-back-again-and-killed"),
    ],
)
def test_what_was_said_under_a_wrong_clock_arrives(
    installation: FaultyInstallation, before: int, after: int, killed: bool
) -> None:
    assert installation.clocks
    installation.clocks.set(TOKAUT_PROCESSES, before)
    until(lambda: leads(installation, before), "no clock leads", SOON)
    installation.kill("hotline")
    report = ussd_phone_before_dialling(installation)
    assert is_sent(walk(report, (*TO_SEND, "1")))
    in_danger = ussd_phone_before_dialling(installation)
    walk(in_danger, (*DANGER_NOW, "1"))  # the call drops here
    until(lambda: tried(installation) > 0, "nobody has tried to deliver", SOON)
    words = texts(installation)
    said = f"they wait at the gate and the boat is {COLOURS[before, after]}"
    words.text(said)
    until(lambda: installation.count("pending WHERE kind = 'words'") == 1, "the words were not stored")
    waits = texts(installation)
    with installation.away("valkey"):
        waits.text("hello")
        assert installation.count("inbound WHERE waiting IS NOT NULL") == 1
    for name in ROLES if killed else ():
        installation.kill(name)
    installation.clocks.set(TOKAUT_PROCESSES, after)
    for name in ROLES if killed else ():
        installation.start(name)
    installation.start("hotline")
    installation.until_web_answers()
    until(lambda: leads(installation, after), "no clock leads", SOON)
    until(lambda: installation.count("inbound WHERE waiting IS NOT NULL") == 0, "an SMS was never played back", SOON)
    until(lambda: installation.count("pending") == 0, f"{pending(installation)} waits for a wrong clock's time", SOON)
    until(lambda: installation.count("delivery WHERE state = 'due'") == 0, "a delivery waits", SOON)
    arrived = [line["body"]["data"] for line in installation.received()]
    assert [one for one in arrived if one["contact"].get("msisdn") == report.phone], "Sent, and it never came"
    assert [one for one in arrived if one["completeness"] == "incomplete" and said in str(one["narrative"])]
    keys = defaultdict(set)
    for line in installation.received():
        data = line["body"]["data"]
        key = line["hotline"], data["report_id"], line["body"]["type"], data["revision"]
        keys[key].add(line["headers"]["webhook-id"])
    again = {key: ids for key, ids in keys.items() if len(ids) > 1}
    assert again == {}, "a hotline has one revision of a report under two keys, and would count it twice"
    created = Counter(key[:2] for key in keys if key[2] == "report.created")
    assert set(created.values()) == {1}, "a hotline has a report as new twice"


def leads(installation: FaultyInstallation, ahead: int) -> bool:
    """Return whether a clock renews its lease by the moved time."""
    now = f"CAST(strftime('%s', 'now') AS INTEGER) + {ahead}"
    return installation.count(f"lease WHERE name = 'clock' AND until / 1000000 BETWEEN {now} + 5 AND {now} + 20") == 1


def tried(installation: FaultyInstallation) -> int:
    return installation.count("delivery WHERE state = 'due' AND attempt > 0 AND lease_until IS NULL")


def pending(installation: FaultyInstallation) -> list[tuple[object, ...]]:
    return installation.ask("SELECT kind, priority, due_at FROM pending")
