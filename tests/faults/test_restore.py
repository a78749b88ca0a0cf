"""A backup from the middle of a run is restored: no sent report is lost, and hotlines see the same keys."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections import defaultdict

import pytest

from tests.faults.conversations import TO_SEND, is_sent, new_phone_number, of, received_once, say, walk
from tests.faults.faulty_installation import FaultyInstallation

pytestmark = pytest.mark.slow

STOPPED = ("web", "urgent", "standard", "clock")


def tokaut(installation: FaultyInstallation, *command: str) -> str:
    whole = [sys.executable, "-m", "tokaut", *command]
    done = subprocess.run(whole, env=installation.environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def send(installation: FaultyInstallation) -> str:
    """Send a report and return its number for contact, which identifies the hotline's copy."""
    number = new_phone_number()
    phone = installation.ussd_phone("africastalking", number)
    walk(phone, TO_SEND)
    assert is_sent(say(phone, "1"))
    return number


def keys(installation: FaultyInstallation) -> dict[tuple[str, str], set[str]]:
    """Return the keys under which each hotline got each report."""
    found = defaultdict(set)
    for line in installation.received():
        found[line["hotline"], line["body"]["data"]["report_id"]].add(line["headers"]["webhook-id"])
    return found


def test_restored_from_the_middle_of_a_run(installation: FaultyInstallation) -> None:
    medium = installation.folder / "medium"
    before = [send(installation) for _ in range(3)]
    installation.until_received(lambda _: all(of(installation, number) for number in before), "the first never came")
    installation.until_finished()
    for name in ("urgent", "standard", "clock"):
        installation.kill(name)
    under_way = [send(installation) for _ in range(3)]
    tokaut(installation, "backup", str(medium))
    assert installation.count("delivery WHERE state = 'due'") == len(under_way)

    for name in ("urgent", "standard", "clock"):
        installation.start(name)
    installation.until_received(
        lambda _: all(of(installation, number) for number in under_way), "the next never came", 40
    )
    after = [send(installation) for _ in range(3)]
    installation.until_received(
        lambda _: all(of(installation, number) for number in after), "those after it never came"
    )
    with installation.locked():
        spooled = [send(installation) for _ in range(2)]
        assert installation.spooled() == 2
        for name in STOPPED:  # killed, the master would leave worker processes that empty the spool for a moment
            installation.kill(name, signal.SIGTERM)
    (copy,) = medium.iterdir()
    said = tokaut(installation, "restore", str(copy))
    assert "is kept as" in said
    tokaut(installation, "migrate")
    for name in STOPPED:
        installation.start(name)
        installation.until_web_answers()
    installation.until_received(
        lambda _: all(of(installation, number) for number in spooled), "what was in the spool never came", 90
    )
    installation.until_finished()

    assert all(of(installation, number) for number in (*before, *under_way, *after, *spooled))
    assert all(len(found) == 1 for found in keys(installation).values()), "a report came under a second key"
    known = {key for found in keys(installation).values() for key in found}
    again = {str(row[0]) for row in installation.ask("SELECT delivery_id FROM delivery WHERE state = 'delivered'")}
    assert len(known) == len((*before, *under_way, *after, *spooled))
    assert again < known and len(again) == len((*before, *under_way, *spooled)), "what was under way did not go again"
    received_once(installation, send(installation))
