"""The quick exit as people type it: the line as shown, with signs and blanks, and with the letter O."""

from __future__ import annotations

import pytest

from tests.safeguarding.call_paths import CHANNELS, PHONE, TO_SEND_SMS, dial_path, number, send_texts
from tests.support.app import App

pytestmark = pytest.mark.slow

EXITS = ["00", "00.", " 00 ", "0 0", "OO", "oo", "0O", "00!", "00 Leave", "00 leave.", "Leave", "Leave!"]
ON_WORDS = [exit_ for exit_ in EXITS if not exit_.startswith("Leave")]  # there a word is the answer
BY_USSD = {"home": (), "danger": ("Report",), "place": ("Report", "Soon", "Asks photos, money", "Me", "13-15")}
BY_SMS = {"home": ("hi",), "danger": ("hi", "Report"), "send": ("hi", *TO_SEND_SMS)}


@pytest.mark.rule("S-08")
@pytest.mark.parametrize("channel", CHANNELS)
@pytest.mark.parametrize("before", BY_USSD)
def test_by_ussd_every_form_leaves(app: App, before: str, channel: str) -> None:
    for exit_ in EXITS:
        phone = app.ussd(PHONE, channel)
        dial_path(phone, *BY_USSD[before])
        seen = phone.type(exit_)
        assert (seen.text, seen.expects_reply) == ("Thank you. Goodbye.", False), exit_


@pytest.mark.rule("S-08")
@pytest.mark.rule("S-10")
@pytest.mark.parametrize("before", BY_SMS)
def test_by_sms_every_form_leaves(app: App, before: str) -> None:
    home = send_texts(app.sms(PHONE), "hi")
    for n, exit_ in enumerate(EXITS):
        phone = app.sms(number(n))
        send_texts(phone, *BY_SMS[before])
        assert send_texts(phone, exit_, "1") == ["", *home], exit_


@pytest.mark.rule("S-08")
def test_where_words_are_asked_for_every_form_with_a_key_leaves(app: App) -> None:
    before = ("hi", "Report", "Soon", "Asks photos, money", "Me", "13-15", "Shefa")
    for n, exit_ in enumerate(ON_WORDS):
        phone = app.sms(number(n))
        assert send_texts(phone, *before)[-1].startswith("Tell us in your own words.")
        assert send_texts(phone, exit_)[-1] == "", exit_
    phone = app.ussd(PHONE)
    for exit_ in ON_WORDS:
        dial_path(phone, "My report", exit_)
        assert phone.again().text == "Thank you. Goodbye.", exit_


@pytest.mark.rule("S-08")
def test_what_only_begins_with_it_does_not_leave(app: App) -> None:
    for text in ("000", "00 he is here", "0 0 0", "00 Back", "O", "leave me"):
        seen = dial_path(app.ussd(PHONE), "Report", text)[-1]
        assert seen != "Thank you. Goodbye.", text
