"""A hotline's private key is missing at the workers. Time is moved, so this needs an installation of its own."""

from __future__ import annotations

import pytest

from tests.faults.conversations import TO_SEND, is_sent, new_phone_number, of, walk
from tests.faults.faulty_installation import FaultyInstallation
from tests.support.wait import until

pytestmark = [pytest.mark.slow, pytest.mark.faults]


@pytest.mark.rule("F29")
def test_a_hotlines_key_is_missing_at_the_workers(installation: FaultyInstallation) -> None:
    """Delivery waits, and once the key is back the report arrives, at the latest with the next hourly attempt."""
    folder = installation.plan.folder.inside / "keys" / "private"
    (folder / "vu-pikinini").rename(folder.parent / "taken-away")
    installation.move_time(1)  # restarts the workers, which have the key in memory
    phone = installation.ussd_phone("africastalking", new_phone_number())
    assert is_sent(walk(phone, (*TO_SEND, "1")))
    until(lambda: installation.count("delivery WHERE last_class = 'no_key'") > 0, "it is not poison", 40)
    assert not of(installation, phone.phone)
    (folder.parent / "taken-away").rename(folder / "vu-pikinini")
    installation.move_time(3700)
    installation.until_received(lambda _: bool(of(installation, phone.phone)), "it never came", 60)
