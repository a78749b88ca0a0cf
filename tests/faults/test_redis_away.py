"""Valkey is killed, emptied or frozen: numbers are always shown, calls by Africa's Talking continue, no SMS is lost."""

from __future__ import annotations

import pytest
import redis
import requests

from tests.faults.conversations import (
    EMERGENCY_SCREEN,
    TO_SEND,
    is_sent,
    new_phone_number,
    of,
    promptly,
    received_once,
    say,
    texts,
    ussd_phone_before_dialling,
    walk,
)
from tests.faults.faulty_installation import FaultyInstallation
from tests.support.handsets import JsonUssd
from tests.support.wait import until

pytestmark = pytest.mark.slow


@pytest.fixture
def installation(shared: FaultyInstallation) -> FaultyInstallation:
    """Wait until web uses Redis again: after a failure it does not try for five seconds."""
    until(lambda: shared.ussd_phone("ussd", new_phone_number()).dial().expects_reply, "Redis is not used again")
    return shared


def json_ussd(installation: FaultyInstallation) -> JsonUssd:
    phone = installation.ussd_phone("ussd", new_phone_number())
    assert isinstance(phone, JsonUssd)
    return phone


@pytest.mark.parametrize("how", ["away", "frozen"])
def test_the_home_screen_comes_with_its_number(installation: FaultyInstallation, how: str) -> None:
    with getattr(installation, how)("valkey"):
        seen = promptly(ussd_phone_before_dialling(installation).dial)
        assert (seen.text.splitlines()[0], seen.expects_reply) == ("In danger? Call police 111.", True)
        seen = promptly(json_ussd(installation).dial)
        assert (EMERGENCY_SCREEN in seen.text, seen.expects_reply) == (True, False)


@pytest.mark.rule("F9")
@pytest.mark.rule("F10")
@pytest.mark.parametrize("how", ["away", "frozen"])
@pytest.mark.parametrize("begun", [0, 3])
def test_a_call_that_brings_its_whole_path_goes_on_to_sent(
    installation: FaultyInstallation, how: str, begun: int
) -> None:
    """F9, F10; also if the call began while Redis was available."""
    phone = ussd_phone_before_dialling(installation)
    if begun:
        walk(phone, TO_SEND[:begun])
    with getattr(installation, how)("valkey"):
        seen = walk(phone, (*TO_SEND[begun:], "1"), dial=not begun)
        assert is_sent(seen)
        assert promptly(phone.again) == seen
    received_once(installation, phone.phone)


@pytest.mark.parametrize("how", ["away", "frozen"])
def test_a_call_of_which_only_the_last_reply_is_known_ends_with_the_numbers(
    installation: FaultyInstallation, how: str
) -> None:
    phone = json_ussd(installation)
    walk(phone, TO_SEND[:3])
    with getattr(installation, how)("valkey"):
        seen = say(phone, TO_SEND[3])
        assert (EMERGENCY_SCREEN in seen.text, seen.expects_reply) == (True, False)


@pytest.mark.parametrize("how", ["away", "frozen"])
def test_a_call_that_carries_on_from_a_dropped_one_is_still_one_report(
    installation: FaultyInstallation, how: str
) -> None:
    """Found by the experiment: without Redis there is no draft, and replaying Send made another report."""
    first = ussd_phone_before_dialling(installation)
    walk(first, TO_SEND[:4])
    phone = installation.ussd_phone("africastalking", first.phone)
    sent = walk(phone, (*TO_SEND, "1"))
    with getattr(installation, how)("valkey"):
        assert promptly(phone.again) == sent
        say(phone, "1")
        say(phone, "they wait at the gate")
        say(phone, "00")
        installation.until_received(lambda _: bool(of(installation, first.phone)), "it never came", 40)
    installation.move_time(130)
    installation.until_received(lambda _: len(of(installation, first.phone)) >= 2, "the words never came", 40)
    installation.until_finished()
    created, *updated = of(installation, first.phone)
    assert (created["type"], {body["type"] for body in updated}) == ("report.created", {"report.updated"})
    assert {body["data"]["report_id"] for body in updated} == {created["data"]["report_id"]}
    # On a slow machine the replayed Send may be in the spool under another number, and so may the words. Staff see the
    # last revision.
    last = max(updated, key=lambda body: body["data"]["revision"])
    assert "they wait at the gate" in str(last["data"])


def test_redis_is_away_in_the_middle_and_comes_back(installation: FaultyInstallation) -> None:
    """The stored session is then older than the path: screens may repeat, but the report is sent once."""
    phone = ussd_phone_before_dialling(installation)
    walk(phone, TO_SEND[:3])
    with installation.away("valkey"):
        assert is_sent(walk(phone, (*TO_SEND[3:], "1"), dial=False))
        until(lambda: installation.count("host WHERE redis_down = 1") == 1, "no operator is shown it", 30)
    until(lambda: json_ussd(installation).dial().expects_reply, "Redis is not used again")
    until(lambda: installation.count("host WHERE redis_down = 1") == 0, "it is shown for ever", 30)
    seen = say(phone, "0")
    for _ in range(8):
        if not seen.expects_reply:
            break
        seen = say(phone, "1" if seen.text.startswith("Send to") else "00" if is_sent(seen) else "2")
    received_once(installation, phone.phone)


@pytest.mark.parametrize("how", ["away", "frozen"])
def test_a_text_is_kept_and_answered_when_redis_is_back(installation: FaultyInstallation, how: str) -> None:
    phone = texts(installation)
    with getattr(installation, how)("valkey"):
        phone.text("hello")  # answered with 200: web has stored it, the provider need not
        assert installation.count("inbound WHERE waiting IS NOT NULL") == 1
        phone.again()
        assert installation.count("inbound WHERE waiting IS NOT NULL") == 1
    until(lambda: bool(phone.replies()), "the text was never answered", 60)
    until(lambda: installation.count("inbound WHERE waiting IS NOT NULL") == 0, "it still waits")
    assert phone.replies()[0].startswith("In danger? Call police 111.\n1 Report")
    phone.text("report")
    until(lambda: len(phone.replies()) > 1, "no reply")
    assert phone.replies()[1:] == [phone.replies()[-1]]
    assert phone.replies()[1].startswith("Are you or a child in danger?")


def test_redis_and_the_database_away(installation: FaultyInstallation) -> None:
    """An SMS is refused, so that the provider sends it again; a call still reaches Sent, by the spool."""
    phone, sms_dispatcher = ussd_phone_before_dialling(installation), texts(installation)
    with installation.away("valkey"), installation.locked():
        sms_dispatcher.write("hello")
        assert sms_dispatcher.post().status_code == 503
        assert is_sent(walk(phone, (*TO_SEND, "1")))
        assert installation.spooled() == 1
        assert requests.get(f"{installation.web}/healthz", timeout=5).ok
    received_once(installation, phone.phone)
    assert installation.spooled() == 0
    sms_dispatcher.again()  # the provider does this a minute later
    until(lambda: bool(sms_dispatcher.replies()), "the text was never answered", 60)


def test_words_added_while_redis_and_the_database_are_away(installation: FaultyInstallation) -> None:
    """Found by the experiment: the words got an id of their own in the spool and came as a second report."""
    phone = ussd_phone_before_dialling(installation)
    assert is_sent(walk(phone, (*TO_SEND, "1")))
    received_once(installation, phone.phone)
    with installation.away("valkey"), installation.locked():
        say(phone, "they wait at the gate")
        assert installation.spooled() >= 1
    installation.until_received(lambda _: len(of(installation, phone.phone)) == 2, "the words never came", 40)
    installation.until_finished()
    assert [body["type"] for body in of(installation, phone.phone)] == ["report.created", "report.updated"]
    assert of(installation, phone.phone)[1]["data"]["narrative"] == "they wait at the gate"


@pytest.mark.rule("F11")
@pytest.mark.parametrize("after", [0, 3, len(TO_SEND)])
def test_redis_emptied_in_mid_walk(installation: FaultyInstallation, after: int) -> None:
    """F11: a path is replayed to its current screen; a session without a path begins again at the home screen."""
    phone, other = ussd_phone_before_dialling(installation), json_ussd(installation)
    walk(phone, TO_SEND[:after])
    walk(other, TO_SEND[:after])
    with redis.Redis(unix_socket_path=installation.environment["REDIS_URL"].removeprefix("unix://")) as client:
        client.flushall()
    assert is_sent(walk(phone, (*TO_SEND[after:], "1"), dial=False))
    seen = say(other, "1")
    assert (seen.text.splitlines()[0], seen.expects_reply) == ("In danger? Call police 111.", True)
    received_once(installation, phone.phone)
    assert not of(installation, other.phone)


def test_redis_emptied_after_sent(installation: FaultyInstallation) -> None:
    phone = ussd_phone_before_dialling(installation)
    sent = walk(phone, (*TO_SEND, "1"))
    with redis.Redis(unix_socket_path=installation.environment["REDIS_URL"].removeprefix("unix://")) as client:
        client.flushall()
    assert phone.again() == sent
    assert say(phone, "0").text == "Thank you. Goodbye."
    received_once(installation, phone.phone)
