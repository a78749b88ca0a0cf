"""Long answers by SMS: complete if the network joins them, and in order if it does not."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
import time_machine

from tests.safeguarding.call_paths import PHONE, TO_SEND_SMS, number, send_texts
from tests.support.app import App

pytestmark = pytest.mark.slow

TO_WORDS = ("hello", *TO_SEND_SMS[:-2])
ASKED = "May staff contact you?"
LONG = " ".join(f"{n} and then it happened once more," for n in range(40)) + "\nat night \U0001f62d"
# Parts as a network without concatenation forwards them: each of 153 characters, the last one shorter.
PARTS = (LONG[:153], LONG[153:306], "at home.", "OK", "no way", "and then he")


def heard(app: App) -> list[str | None]:
    [body] = [kept.data for kept in app.bodies() if kept.hotline == "vu-pikinini"]
    assert all(one["screen"] in ("report.words", "home.first_words") for one in body["unasked"])
    return [body["narrative"], *(one["text"] for one in body["unasked"])]


@pytest.mark.rule("S-06")
def test_a_text_that_came_in_one_piece_is_kept_as_it_came(app: App) -> None:
    phone = app.sms(PHONE)
    assert send_texts(phone, *TO_WORDS, LONG)[-1].startswith(ASKED)
    assert send_texts(phone, "No", "Send")[-1].startswith("Sent to ")
    assert heard(app) == [LONG]


@pytest.mark.rule("S-06")
@pytest.mark.parametrize("count", range(2, len(PARTS) + 1))
def test_parts_that_come_one_by_one_are_all_kept_in_their_order(app: App, count: int) -> None:
    """Even short parts are neither wrong keys nor answers to the question that is asked meanwhile."""
    phone = app.sms(PHONE)
    replies = send_texts(phone, *TO_WORDS, *PARTS[:count])[len(TO_WORDS) :]
    assert all(reply.startswith(ASKED) for reply in replies[:5])
    assert send_texts(phone, "No", "Send")[-1].startswith("Sent to ")
    assert heard(app) == list(PARTS[:count])


@pytest.mark.rule("S-12")
def test_first_words_in_parts_are_all_heard_though_nothing_follows(app: App) -> None:
    phone = app.sms(PHONE)
    for reply in send_texts(phone, LONG[:153], LONG[153:160], "he is ba", "ck"):
        assert reply.startswith("Not sent yet. In danger? Call police 111."), reply
    app.submit_due_within(31 * 60)
    assert heard(app) == [LONG[:153], LONG[153:160], "he is ba", "ck"]


@pytest.mark.rule("S-38")
def test_a_key_after_a_part_is_a_key(app: App) -> None:
    """Digits and labels are answers, also after a part of the words."""
    for n, key in enumerate(("1", "No", " no ", "１")):
        phone = app.sms(number(n))
        assert send_texts(phone, *TO_WORDS, PARTS[0], "at home.", key)[-1].startswith("Send to Pikinini Helpline"), key


def test_long_after_it_was_written_a_short_text_is_an_odd_answer(app: App) -> None:
    phone = app.sms(PHONE)
    send_texts(phone, *TO_WORDS, PARTS[0])
    with time_machine.travel(datetime.now(UTC) + timedelta(minutes=11), tick=True):
        assert send_texts(phone, "perhaps")[0].startswith("Sorry, try again.\n" + ASKED)


def test_a_machine_behind_the_words_is_not_answered_for_ever(app: App) -> None:
    """Each text of the machine looks like a continuation of the text before."""
    phone = app.sms(PHONE)
    replies = send_texts(phone, *TO_WORDS, PARTS[0], *["We are closed"] * 20)
    assert sum(bool(reply) for reply in replies) <= len(TO_WORDS) + 1 + 5
