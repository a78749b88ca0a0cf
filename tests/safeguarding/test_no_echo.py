"""An answer is never shown again; code and PIN are shown once (S-06, S-07)."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

import pytest
import time_machine

from tests.safeguarding.call_paths import CHANNELS, PHONE, TO_SEND, TO_SEND_SMS, TO_SENT, dial_path, number, send_texts
from tests.support.app import App

pytestmark = pytest.mark.slow

WORDS = "Lukaotem Zorrovik writes to me"
LABELS = ("Asks photos, money", "13-15", "Shefa", "SMS 8am-4pm")
AFTER = (("0",), ("1", "0"), (WORDS, "0"), ("0", "0"), ("9", "9"))
PIN = re.compile(r"PIN (\d{4})")
CODE = re.compile(r"Code (\d{4}) (\d{4})")


def told_again(screens: list[str]) -> list[str]:
    return [found for screen in screens for found in (*LABELS, "Lukaotem", "Zorrovik") if found in screen]


@pytest.mark.rule("S-06")
@pytest.mark.parametrize("channel", CHANNELS)
def test_nothing_that_was_answered_comes_back_on_a_later_screen(app: App, channel: str) -> None:
    """Not in this call, after a redial, or in My report. The choices of the open question are no echo."""
    phone = app.ussd(PHONE, channel)
    way = (*TO_SEND[:-1], LABELS[-1], "Send", WORDS)
    seen = dial_path(phone, *way)
    for answer in LABELS:
        assert not any(answer in screen for screen in seen[way.index(answer) + 1 :]), answer
    later = [phone.type("Skip").text for _ in range(12)] + dial_path(phone) + dial_path(phone, "Report")
    code, pin = "".join(CODE.findall("\n".join(seen))[0]), PIN.findall("\n".join(seen))[0]
    later += dial_path(phone, "My report", code, pin)[1:]
    assert told_again(later) == []


@pytest.mark.rule("S-06")
def test_nothing_that_was_answered_comes_back_by_sms(app: App) -> None:
    phone = app.sms(PHONE)
    seen = send_texts(
        phone, "REPORT", "1", *TO_SEND_SMS[1:-2], WORDS, LABELS[-1], "Send", "2", "1", "1", "Skip", "Skip"
    )
    assert any("Sent to" in screen for screen in seen)
    after = seen[8:]
    assert told_again(after) == []


@pytest.mark.product(parts=4)
@pytest.mark.rule("S-07")
@pytest.mark.parametrize("channel", CHANNELS)
@pytest.mark.parametrize("after", AFTER, ids=" ".join)
def test_code_and_pin_are_shown_once(app: App, channel: str, after: tuple[str, ...]) -> None:
    """Not after Back, in another call, or in My report. "Sorry, try again" is still the same screen."""
    phone = app.ussd(PHONE, channel)
    sent = dial_path(phone, *TO_SENT)[-1]
    code, pin = "".join(CODE.findall(sent)[0]), PIN.findall(sent)[0]
    seen = [phone.type(reply).text for reply in after if reply != "9" or phone.type(reply)]
    if "9" in after:  # not an answer to that screen, which is still open
        seen = []
    seen += [
        *dial_path(phone),
        *dial_path(phone, *TO_SEND),
        *dial_path(phone, "My report", code, pin),
        phone.type("0").text,
    ]
    assert not any(pin in re.findall(r"\d{4}", screen) or CODE.search(screen) for screen in seen)


@pytest.mark.rule("S-07")
def test_by_sms_there_is_no_code_until_it_is_asked_for_and_then_once(app: App) -> None:
    phone = app.sms(PHONE)
    before = send_texts(phone, "REPORT", "1", *TO_SEND_SMS[1:], "Send")
    assert before[-1].startswith("Sent to ")
    assert not any(PIN.search(reply) for reply in before)
    shown = send_texts(phone, "2")[0]
    pin = PIN.findall(shown)[0]
    assert "delete these texts" in shown
    after = send_texts(phone, "1", "0", "1", "0", "REPORT", "CODE", "2", "HELP")
    assert not any(pin in reply for reply in after)
    with time_machine.travel(datetime.now(UTC) + timedelta(minutes=31), tick=True):
        assert not any(pin in reply for reply in send_texts(phone, "hi", "2", "3"))


@pytest.mark.rule("S-07")
def test_my_report_says_how_it_stands_and_nothing_of_it(app: App) -> None:
    phone = app.ussd(PHONE)
    sent = dial_path(phone, *TO_SEND[:-1], LABELS[-1], "Send")[-1]
    phone.type(WORDS)
    screens = dial_path(app.ussd(number(7)), "My report", "".join(CODE.findall(sent)[0]), PIN.findall(sent)[0])
    assert screens[-1].startswith("We have it and are still sending it.")
    assert told_again(screens) == []
    assert "0101" not in "".join(screens)
