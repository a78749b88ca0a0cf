"""How an SMS conversation ends: the contents of the inbox, the texts sent once, and silence (S-08, S-10)."""

from __future__ import annotations

import re

import pytest

from tests.safeguarding.call_paths import IN_DANGER, PHONE, TO_SEND_SMS, number, send_texts
from tests.support.app import App

pytestmark = pytest.mark.slow

HOW_TO_DELETE = "Thank you. To delete: open this thread, Options, Delete. Do the same in Sent."
SENT = ("hello", *TO_SEND_SMS, "Send")
TOPIC_WORDS = re.compile(r"\b(abuse|sex|child|hurt|police|report|helpline|hotline|violence|crime)\b", re.IGNORECASE)
DONE = {
    "at once": (),
    "after a code": ("2",),
    "after more words": ("Add more", "2", "it was the same person"),
    "after questions": ("Add more", "1", "Skip"),
}
EVERYWHERE = {
    "home": (),
    "a typing error": ("TIPPS",),
    "tips": ("TIPS",),
    "a tip": ("TIPS", "1", "1"),
    "the law": ("LAW",),
    "a code": ("CODE",),
    "a wrong code": ("CODE", "12345678", "0000"),
    "languages": ("LANGUAGE",),
    "another language": ("LANGUAGE", "Bislama"),
    "the numbers": ("9", "9", "9"),
    "in danger": IN_DANGER[:2],
    "after HELP": ("Report", "Soon", "HELP"),
    "first words": ("LANGUAGE", "0", "somebody follows me home"),
    "own words": TO_SEND_SMS[:-2],
    "Send": TO_SEND_SMS,
    "Sent": SENT[1:],
    "Leave one out": (*TO_SEND_SMS, "Leave one out"),
    "the code": (*SENT[1:], "2"),
    "more questions": (*SENT[1:], "Add more", "1"),
}


@pytest.mark.rule("S-07")
@pytest.mark.parametrize("way", DONE.values(), ids=DONE)
def test_how_to_delete_is_said_exactly_once(app: App, way: tuple[str, ...]) -> None:
    """With Done, as the last reply: after that every text gets the usual home screen."""
    phone = app.sms(PHONE)
    seen = send_texts(phone, *SENT, *way, "0")
    if seen[-1] != HOW_TO_DELETE:  # a question comes first
        seen += send_texts(phone, *["0"] * 6)
    told = [reply for reply in seen if reply == HOW_TO_DELETE]
    assert len(told) == 1, seen
    assert not TOPIC_WORDS.search(HOW_TO_DELETE)
    again = send_texts(phone, "0", "hello")
    assert HOW_TO_DELETE not in again
    assert again[0].startswith("In danger? Call police 111.\n1 Report\n") or again[0] == ""


@pytest.mark.rule("S-07")
def test_a_repeat_of_done_by_the_network_says_nothing_new(app: App) -> None:
    phone = app.sms(PHONE)
    send_texts(phone, *SENT, "0")
    before = phone.replies()
    phone.again()
    assert set(phone.replies()[len(before) :]) <= {HOW_TO_DELETE}


@pytest.mark.product(parts=3)
@pytest.mark.rule("S-08")
@pytest.mark.rule("S-10")
@pytest.mark.parametrize("way", EVERYWHERE.values(), ids=EVERYWHERE)
@pytest.mark.parametrize("leave", ["00", "００", " 00 "])
def test_leaving_is_silent_from_everywhere_and_leaves_the_home_screen(
    app: App, way: tuple[str, ...], leave: str
) -> None:
    """The phone makes no sound, no question is asked, and the next person reads what everybody reads."""
    phone = app.sms(PHONE)
    fresh = send_texts(app.sms(number(9)), "hi")
    exact = "00" if way == EVERYWHERE["own words"] else leave  # any other word would be part of the report
    assert send_texts(phone, "hello", *way, exact)[-1] == ""
    assert send_texts(phone, "hi") == fresh
