"""After three wrong replies a notice covers the screen: by SMS the screen stays in the thread, and can be answered."""

from __future__ import annotations

import pytest

from reports.store.schema import tables as t
from tests.safeguarding.call_paths import PHONE, TO_SEND_SMS, dial_path, send_texts
from tests.support.app import App

pytestmark = pytest.mark.slow

WRONG = ("hm", "eh", "huh")
NOTICE = "To answer, type one of the numbers on the next screen."
AGE = ("hi", "Report", "Soon", "Asks photos, money", "Me")
ANSWERS = {
    "key of age": (AGE, "7", "Where are you?"),
    "label of age": (AGE, "13-15", "Where are you?"),
    "line of age": (AGE, "4 13-15", "Where are you?"),
    "send": (("hi", *TO_SEND_SMS), "SEND", "Sent to "),
    "more": (("hi", "Report", "Soon", "Asks photos, money", "Me", "13-15"), "Penama", "Tell us in your own words."),
}


@pytest.mark.parametrize("case", ANSWERS)
def test_by_sms_an_answer_to_the_covered_screen_is_taken(app: App, case: str) -> None:
    before, answer, following = ANSWERS[case]
    seen = send_texts(app.sms(PHONE), *before, *WRONG, answer)
    assert NOTICE in seen[-2] and seen[-1].startswith(following)


def test_the_keys_of_the_notice_come_first(app: App) -> None:
    for reply in ("1", "0", "Go on", "1 Go on"):
        phone = app.sms(PHONE)
        question = send_texts(phone, *AGE)[-1]
        assert send_texts(phone, *WRONG, reply)[-1] == question
        send_texts(phone, "00")


def test_who_sends_what_a_screen_offered_is_never_met_with_silence(app: App) -> None:
    phone = app.sms(PHONE)
    seen = send_texts(phone, *AGE, *WRONG, "eh", "hm", "hm", "hm", "7", "Shefa", "1", "1", "SEND")
    assert seen[-6] == "" and seen[-5].startswith("Where are you?") and seen[-1].startswith("Sent to ")
    assert app.count(t.report) == 1


def test_by_ussd_only_the_keys_of_the_notice_count(app: App) -> None:
    """There the covered screen is not visible."""
    seen = dial_path(app.ussd(PHONE), *AGE[1:], *WRONG, "7", "13-15")
    assert NOTICE in seen[-2] and seen[-1] == seen[-2] == seen[-3]
