"""The database is locked or its disk full: "Sent" by the spool. If the spool is full too: NOT SENT and the numbers."""

from __future__ import annotations

import resource
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import requests

from tests.faults.conversations import (
    EMERGENCY_SCREEN,
    TO_SEND,
    code_and_pin,
    is_sent,
    new_phone_number,
    of,
    received_once,
    say,
    walk,
)
from tests.faults.faulty_installation import FaultyInstallation
from tests.support.handsets import AfricasTalkingTexts
from tests.support.wait import until

pytestmark = pytest.mark.slow
CHANNELS = ["africastalking", "ussd"]
ROOM_FOR_THE_SPOOL = 40_000  # bytes of one file: less than a transaction needs in the write-ahead log
ROOM_FOR_NOTHING = 500


@pytest.fixture
def installation(shared: FaultyInstallation) -> FaultyInstallation:
    """Wait until web uses the database again: after three failures it does not try for half a minute."""

    def is_used() -> bool:
        if shared.spooled() > 8:  # web empties it once it uses the database again; more entries would only prolong that
            return False
        before = shared.count("report")
        return (
            is_sent(walk(shared.ussd_phone("ussd", new_phone_number()), (*TO_SEND, "1")))
            and shared.count("report") > before
        )

    until(is_used, "the database is not used again", 60)
    shared.until_finished(120)
    return shared


@contextmanager
def files_no_larger_than(installation: FaultyInstallation, size: int) -> Iterator[None]:
    """Simulate a full disk: writes by web beyond `size` bytes fail. Data already written stays."""
    pids = installation.web_workers()
    for pid in pids:
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))
    try:
        yield
    finally:
        for pid in pids:
            resource.prlimit(pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))


@pytest.mark.rule("F17")
@pytest.mark.parametrize("channel", CHANNELS)
def test_sent_by_the_spool_while_the_database_is_locked(installation: FaultyInstallation, channel: str) -> None:
    """F17"""
    phone = installation.ussd_phone(channel, new_phone_number())
    walk(phone, TO_SEND)
    with installation.locked():
        seen = say(phone, "1")
        assert is_sent(seen)
        assert installation.spooled() == 1
        assert phone.again() == seen
        assert installation.spooled() == 1
    received_once(installation, phone.phone)
    assert installation.spooled() == 0


def test_the_whole_call_while_the_database_is_locked(installation: FaultyInstallation) -> None:
    phone = installation.ussd_phone("africastalking", new_phone_number())
    with installation.locked():
        assert is_sent(walk(phone, (*TO_SEND, "1")))
        assert say(phone, "0").text == "Thank you. Goodbye."
    received_once(installation, phone.phone)


def test_words_added_while_the_database_is_locked_come_too(installation: FaultyInstallation) -> None:
    phone = installation.ussd_phone("africastalking", new_phone_number())
    with installation.locked():
        assert is_sent(walk(phone, (*TO_SEND, "1")))
        assert say(phone, "at home * at school").text.startswith("Added. You can write more.")
        say(phone, "00")
    words = [("report.created", None), ("report.updated", "at home * at school")]
    installation.until_received(lambda _: len(of(installation, phone.phone)) == 2, "the words never came", 40)
    assert [(body["type"], body["data"]["narrative"]) for body in of(installation, phone.phone)] == words


def test_words_added_before_the_spool_was_emptied_come_too(installation: FaultyInstallation) -> None:
    """The words are submitted at once: they come with the report, or after it if the spool was emptied first."""
    phone = installation.ussd_phone("africastalking", new_phone_number())
    walk(phone, TO_SEND)
    with installation.locked():
        sent = say(phone, "1")
        assert is_sent(sent)
    say(phone, "they wait at the gate")
    installation.until_received(
        lambda _: "they wait at the gate" in said(installation, phone.phone), "the words never came", 40
    )
    installation.until_finished()
    installation.move_time(130)
    installation.until_finished()
    bodies = of(installation, phone.phone)
    types = sorted(body["type"] for body in bodies)  # a hotline may get them in any order
    assert types == ["report.created", "report.updated"][: len(bodies)]
    assert {body["data"]["completeness"] for body in bodies} == {"complete"}
    newest = max(bodies, key=lambda body: body["data"]["revision"])
    assert newest["data"]["narrative"] == "they wait at the gate"
    assert len({body["data"]["report_id"] for body in bodies}) == 1
    opens = ("3", *code_and_pin(sent))
    until(  # a slow machine may answer "Not working now", and the reporter dials again
        lambda: walk(installation.ussd_phone("africastalking", new_phone_number()), opens).text.startswith(
            "Pikinini Helpline has it."
        ),
        "My report does not open",
    )


def said(installation: FaultyInstallation, number: str) -> list[str | None]:
    """Return the words in each body that the hotline received from this phone, oldest first."""
    return [body["data"]["narrative"] for body in of(installation, number)]


@pytest.mark.rule("F18")
@pytest.mark.parametrize("channel", CHANNELS)
def test_sent_by_the_spool_while_the_disk_of_the_database_is_full(
    installation: FaultyInstallation, channel: str
) -> None:
    """F18"""
    phone = installation.ussd_phone(channel, new_phone_number())
    walk(phone, TO_SEND)
    with files_no_larger_than(installation, ROOM_FOR_THE_SPOOL):
        assert is_sent(say(phone, "1"))
        assert installation.spooled() == 1
    received_once(installation, phone.phone)


@pytest.mark.rule("F19")
@pytest.mark.rule("F20")
@pytest.mark.parametrize("channel", CHANNELS)
@pytest.mark.rule("S-03")
def test_neither_takes_it(installation: FaultyInstallation, channel: str) -> None:
    """F19, F20: never "Sent"; the emergency numbers; and once there is space, one key sends the report."""
    phone = installation.ussd_phone(channel, new_phone_number())
    walk(phone, TO_SEND)
    with files_no_larger_than(installation, ROOM_FOR_NOTHING):
        seen = say(phone, "1")
        assert (seen.text, seen.expects_reply) == (
            f"NOT SENT. {EMERGENCY_SCREEN} Please dial and try again in 10 minutes.",
            False,
        )
        assert installation.spooled() == 0
        assert not of(installation, phone.phone)
    assert is_sent(say(phone, "1"))
    received_once(installation, phone.phone)


def test_not_sent_and_dialled_again(installation: FaultyInstallation) -> None:
    phone = installation.ussd_phone("africastalking", new_phone_number())
    walk(phone, TO_SEND)
    with files_no_larger_than(installation, ROOM_FOR_NOTHING):
        assert say(phone, "1").text.startswith("NOT SENT.")
    assert is_sent(walk(phone, (*TO_SEND, "1")))
    received_once(installation, phone.phone)


def test_a_text_while_nothing_can_be_written_is_left_to_the_provider(installation: FaultyInstallation) -> None:
    sms_dispatcher = installation.sms_phone("africastalking", new_phone_number())
    assert isinstance(sms_dispatcher, AfricasTalkingTexts)
    sms_dispatcher.write("hello")
    with installation.locked():
        assert sms_dispatcher.post().status_code == 503
    sms_dispatcher.again()
    until(lambda: bool(sms_dispatcher.replies()), "the text was never answered", 60)
    assert sms_dispatcher.replies()[0].startswith("In danger? Call police 111.\n1 Report")


def test_web_is_up_while_the_database_is_away(installation: FaultyInstallation) -> None:
    """Load balancers ask /healthz whether web runs; /readyz reports the state of its services."""
    with installation.locked():
        assert requests.get(f"{installation.web}/healthz", timeout=5).ok
