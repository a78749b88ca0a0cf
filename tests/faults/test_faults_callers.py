"""Faults of providers and reporters: repeated, simultaneous, reordered and late requests; dropped calls; reused ids."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import pytest
import redis

from tests.faults.conversations import (
    DANGER_NOW,
    EMERGENCY_SCREEN,
    TO_SEND,
    is_sent,
    new_phone_number,
    of,
    received_once,
    say,
    texts,
    ussd_phone_before_dialling,
    walk,
)
from tests.faults.faulty_installation import FaultyInstallation
from tests.support.wait import until

pytestmark = [pytest.mark.slow, pytest.mark.faults, pytest.mark.xdist_group("callers")]
HOME = "In danger? Call police 111.\nPikinini Helpline 163, free\n1 Report"
THREE_HOURS = 3 * 3600


@pytest.fixture(scope="module")
def installation() -> Iterator[FaultyInstallation]:
    installation = FaultyInstallation(web_processes=2).up()
    yield installation
    installation.down()


@pytest.mark.rule("F26")
def test_every_request_twice_and_send_twenty_times_at_once(installation: FaultyInstallation) -> None:
    phone = ussd_phone_before_dialling(installation)
    assert phone.dial() == phone.again()
    for reply in TO_SEND:
        assert phone.type(reply) == phone.again()
    phone.path.append("1")
    with ThreadPoolExecutor(20) as pool:
        seen = list(pool.map(lambda _: phone.again(), range(20)))
    assert is_sent(seen[0])
    assert set(seen) == {seen[0]}
    received_once(installation, phone.phone)


@pytest.mark.rule("F26")
def test_requests_in_another_order(installation: FaultyInstallation) -> None:
    """An older request gets the current screen; the newest one continues."""
    phone = ussd_phone_before_dialling(installation)
    walk(phone, TO_SEND[:4])
    current = phone.again()
    path = list(phone.path)
    for length in (2, 3, 1):
        phone.path = path[:length]
        assert phone.again() == current
    phone.path = path
    assert is_sent(walk(phone, (*TO_SEND[4:], "1"), dial=False))
    received_once(installation, phone.phone)


@pytest.mark.rule("F26")
@pytest.mark.parametrize("forgotten", [False, True])
def test_send_three_hours_late(installation: FaultyInstallation, forgotten: bool) -> None:
    """The session has expired by then; the path alone finds the report again, with the code that was shown."""
    phone = ussd_phone_before_dialling(installation)
    sent = walk(phone, (*TO_SEND, "1"))
    received_once(installation, phone.phone)
    if forgotten:
        with redis.Redis.from_url(installation.environment["REDIS_URL"]) as client:
            client.flushall()
    assert phone.again() == sent
    received_once(installation, phone.phone)


@pytest.mark.rule("F26")
def test_a_text_three_hours_late_presses_no_key_and_its_words_are_kept(installation: FaultyInstallation) -> None:
    phone = texts(installation)
    for text in ("hi", *TO_SEND[:2]):
        had = len(phone.replies())
        phone.text(text)
        until(lambda had=had: len(phone.replies()) > had, "no reply")  # type: ignore[misc]
    had = phone.replies()[-1]
    late = datetime.fromtimestamp(time.time() - THREE_HOURS, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    phone.write("6")
    phone.last["date"] = late
    phone.again()
    until(lambda: phone.replies()[-1] == had and len(phone.replies()) > len(TO_SEND[:2]) + 1, "another screen came")


@pytest.mark.rule("F27")
@pytest.mark.parametrize("screens", range(len(TO_SEND) + 1))
def test_dropped_at_each_screen_and_the_id_used_again_by_another_number(
    installation: FaultyInstallation, screens: int
) -> None:
    phone = ussd_phone_before_dialling(installation)
    walk(phone, TO_SEND[:screens])
    phone.drop_call()
    other = ussd_phone_before_dialling(installation)
    other.session = phone.session
    seen = other.again()
    assert seen.text.startswith(HOME)
    assert walk(ussd_phone_before_dialling(installation, phone.phone), ()).text.startswith(HOME)
    assert is_sent(walk(other, (*TO_SEND, "1"), dial=False))
    received_once(installation, other.phone)
    assert of(installation, phone.phone) == []


@pytest.mark.rule("F27")
@pytest.mark.rule("S-12")
def test_danger_now_and_the_network_says_that_the_line_is_gone(installation: FaultyInstallation) -> None:
    before = len(installation.received())
    phone = ussd_phone_before_dialling(installation)
    walk(phone, DANGER_NOW)
    phone.drop_call()
    phone.drop_call()
    installation.until_received(lambda arrived_at: len(arrived_at) > before, "it never came", 40)
    installation.until_finished()
    incomplete = [line["body"]["data"] for line in installation.received()[before:]]
    assert [data["completeness"] for data in incomplete] == ["incomplete"]


@pytest.mark.rule("F12")
def test_redis_is_full(installation: FaultyInstallation) -> None:
    """As if Redis were unavailable: a path continues, the neutral form gets the numbers, an SMS is stored."""
    with redis.Redis.from_url(installation.environment["REDIS_URL"]) as client:
        client.config_set("maxmemory", 1)
        try:
            phone, sms_dispatcher = ussd_phone_before_dialling(installation), texts(installation)
            assert is_sent(walk(phone, (*TO_SEND, "1")))
            seen = installation.ussd_phone("ussd", new_phone_number()).dial()
            assert (EMERGENCY_SCREEN in seen.text, seen.expects_reply) == (True, False)
            sms_dispatcher.text("hello")
        finally:
            client.config_set("maxmemory", 0)
    until(lambda: installation.ussd_phone("ussd", new_phone_number()).dial().expects_reply, "Redis is not used again")
    received_once(installation, phone.phone)
    until(lambda: bool(sms_dispatcher.replies()), "the text was never answered", 60)


@pytest.mark.rule("F21")
@pytest.mark.parametrize("how", ["torn", "another byte"])
def test_an_entry_of_the_spool_that_cannot_be_read(installation: FaultyInstallation, how: str) -> None:
    """The entry is moved to `bad` and never deleted; the other entries arrive."""
    spool = installation.plan.folder.inside / "spool"
    broken, whole = ussd_phone_before_dialling(installation), ussd_phone_before_dialling(installation)
    walk(broken, TO_SEND)
    walk(whole, TO_SEND)
    bad = len(list((spool / "bad").iterdir()))
    with installation.locked():
        assert is_sent(say(broken, "1"))
        (entry,) = spool.glob("*.box")
        data = entry.read_bytes()
        entry.write_bytes(data[:-7] if how == "torn" else data[:50] + bytes([data[50] ^ 1]) + data[51:])
        assert is_sent(say(whole, "1"))
    received_once(installation, whole.phone)
    assert len(list((spool / "bad").iterdir())) == bad + 1
    assert of(installation, broken.phone) == []
