"""Reports submitted without the reporter's return. Time is moved past each period. Each is submitted once."""

from __future__ import annotations

import time
from typing import Any

import pytest

from tests.faults.conversations import DANGER_NOW, is_sent, new_phone_number, of, say, ussd_phone_before_dialling, walk
from tests.faults.faulty_installation import FaultyInstallation
from tests.support.handsets import AfricasTalkingTexts
from tests.support.wait import until

pytestmark = pytest.mark.slow
REST = ("4", "3", "2")  # place, about, contact by SMS; the next screen is Send
MINUTE = 60
SLACK = 1_000_000  # microseconds, between two clocks


def new(installation: FaultyInstallation, before: int, count: int) -> list[dict[str, Any]]:
    """Wait for `count` bodies after the first `before`, check that there are no more, and return them."""
    installation.until_received(lambda arrived_at: len(arrived_at) >= before + count, f"not {count} came", 40)
    installation.until_finished()
    bodies = [line["body"] for line in installation.received()[before:]]
    assert len(bodies) == count, [(body["type"], body["data"]["report_id"]) for body in bodies]
    return bodies


@pytest.mark.rule("F27")
@pytest.mark.rule("S-12")
def test_danger_now_and_the_line_dropped(installation: FaultyInstallation) -> None:
    """F27: submitted after two minutes, once, as incomplete; a later call of the same phone completes that report."""
    before, number = len(installation.received()), new_phone_number()
    walk(ussd_phone_before_dialling(installation, number), DANGER_NOW)
    installation.move_time(100)
    assert installation.count("pending") == 1
    installation.move_time(40)
    (created,) = new(installation, before, 1)
    data = created["data"]
    assert (created["type"], data["completeness"], data["triage"]["priority"]) == ("report.created", "incomplete", "P1")
    assert data["contact"]["allowed"] is False
    installation.move_time(5 * MINUTE)
    new(installation, before, 1)

    installation.kill("clock")  # it is ahead of web by now: what web schedules for later would be due at once
    assert is_sent(walk(ussd_phone_before_dialling(installation, number), (*DANGER_NOW, *REST, "1")))
    installation.start("clock")
    _, updated = new(installation, before, 2)
    assert (updated["type"], updated["data"]["report_id"]) == ("report.updated", data["report_id"])
    assert (updated["data"]["completeness"], updated["data"]["contact"]["msisdn"]) == ("complete", number)


@pytest.mark.rule("S-12")
def test_danger_now_and_back_before_the_two_minutes(installation: FaultyInstallation) -> None:
    """One complete report is created, and nothing follows it."""
    before, number = len(installation.received()), new_phone_number()
    walk(ussd_phone_before_dialling(installation, number), DANGER_NOW)
    first = installation.ask("SELECT report_id FROM pending")[0][0]
    assert is_sent(walk(ussd_phone_before_dialling(installation, number), (*DANGER_NOW, *REST, "1")))
    (body,) = new(installation, before, 1)
    installation.move_time(10 * MINUTE)
    assert new(installation, before, 1) == [body]
    assert (body["data"]["report_id"], body["data"]["completeness"]) == (first, "complete")
    assert installation.count("pending") == 0


def test_words_that_were_never_sent(installation: FaultyInstallation) -> None:
    before = len(installation.received())
    phone = installation.sms_phone("africastalking", new_phone_number())
    assert isinstance(phone, AfricasTalkingTexts)
    phone.text("my cousin is in trouble pls")
    until(lambda: bool(phone.replies()), "no reply")
    assert phone.replies()[0].startswith("Not sent yet.")
    phone.again()
    installation.move_time(25 * MINUTE)
    assert installation.count("pending") == 1
    installation.move_time(6 * MINUTE)
    (body,) = new(installation, before, 1)
    data = body["data"]
    assert (body["type"], data["completeness"], data["triage"]["priority"]) == ("report.created", "incomplete", "P3")
    assert "WORDS_ONLY" in data["triage"]["flags"]
    assert data["narrative"] == "my cousin is in trouble pls"
    assert (data["contact"]["allowed"], "msisdn" in data["contact"]) == (False, False)
    installation.move_time(60 * MINUTE)
    new(installation, before, 1)


def test_words_that_were_deleted(installation: FaultyInstallation) -> None:
    before = len(installation.received())
    phone = installation.sms_phone("simulator", new_phone_number())
    phone.text("my cousin is in trouble pls")
    assert installation.count("pending") == 1
    phone.text("00")
    assert installation.count("pending") == 0
    installation.move_time(60 * MINUTE)
    new(installation, before, 0)


@pytest.mark.parametrize(
    ("danger", "priority"), [("1", "P1"), ("2", "P2"), ("3", "P3")], ids=["danger now", "soon", "no danger"]
)
def test_words_after_send_need_no_end_event(shared: FaultyInstallation, danger: str, priority: str) -> None:
    """Words typed after Send reach the hotline without delay, though no event reports the end of the call."""
    installation, number = shared, new_phone_number()
    way = (*DANGER_NOW, *REST, "1") if danger == "1" else ("1", danger, "7", "1", "4", "4", "2", "1")
    phone = ussd_phone_before_dialling(installation, number)
    assert is_sent(walk(phone, way))
    say(phone, "Somebody waits near the school every day")
    due = installation.ask("SELECT due_at FROM pending")
    assert all(row[0] <= time.time() * 1_000_000 + SLACK for row in due), "the words are put off"

    def words() -> list[str]:
        return [
            one["data"]["narrative"]
            for one in of(installation, number)
            if one["data"]["triage"]["priority"] == priority
        ]

    installation.until_received(
        lambda _: "Somebody waits near the school every day" in words(), "the words never came", 60
    )
    installation.until_finished()
    assert [one["type"] for one in of(installation, number)] == ["report.created", "report.updated"]
