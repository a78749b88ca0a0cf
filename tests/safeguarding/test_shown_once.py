"""Code and PIN are shown once: a reply that was not understood does not show them again, on any channel."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import redis
import time_machine

from tests.safeguarding.call_paths import CHANNELS, TO_SEND_SMS, TO_SENT, dial_path, number, send_texts
from tests.support.app import App
from tests.support.handsets_kannel import kannel_asks, kannel_says

pytestmark = pytest.mark.slow

CODE = re.compile(r"(?i)code \d{4} \d{4}|PIN \d{4}")
WORDS = "Zorrovik waits for me behind the shop"
HOME_SMS = "In danger? Call police 111.\n1 Report"


def texted(app: App, n: int, *more: str) -> list[str]:
    return send_texts(app.sms(number(n)), "hello", *TO_SEND_SMS, "Send", *more)


@pytest.mark.rule("X-01")
def test_code_and_pin_on_a_later_page_are_reached_by_more_and_then_shown_no_more(redis_url: str) -> None:
    """In an alphabet that leaves little room, as Tongan, the first page of Sent ends before them."""
    app = App(redis_url, {"COUNTRIES": "to", "TOKAUT_DRAFT_LANGUAGES": "to"})
    keys = ("Language", "Lea faka-Tonga", "1", "2", "98", "3", "1", "4", "1", "98", "1", "98", "1", *["98"] * 3)
    *before, sent, second, third, last = dial_path(app.ussd("+6767712301", "simulator", "*384*276#"), *keys)
    assert "ʻave" in sent
    assert CODE.search(second)
    assert not any(map(CODE.search, [*before, sent, third, last]))
    app.close()


@pytest.mark.product(parts=4)
@pytest.mark.rule("X-01")
@pytest.mark.parametrize("channel", CHANNELS)
@pytest.mark.parametrize("odd", [("x",), ("9",), ("x", "y"), ("x", "y", "z", "1"), ("98",), (" ",)])
def test_by_ussd_what_is_not_understood_brings_them_no_more(app: App, channel: str, odd: tuple[str, ...]) -> None:
    seen = dial_path(app.ussd(number(1), channel), *TO_SENT, *odd)
    assert CODE.search(seen[len(TO_SENT)])
    assert not any(map(CODE.search, seen[len(TO_SENT) + 1 :]))
    if not odd[-1].strip():
        assert "Sent to Pikinini Helpline." in seen[-1] and "Type a few. 1 = skip" in seen[-1]


@pytest.mark.parametrize("channel", CHANNELS)
def test_a_repeat_of_the_same_request_brings_the_same_bytes(app: App, channel: str) -> None:
    phone = app.ussd(number(1), channel)
    sent = dial_path(phone, *TO_SENT)[-1]
    assert phone.again().text == sent
    phone.type("x")
    assert not CODE.search(phone.again().text)


def test_a_path_that_goes_nowhere_brings_them_no_more(app: App) -> None:
    """Africa's Talking: the same session id, with a path that does not continue the stored one."""
    phone = app.ussd(number(1), "africastalking")
    dial_path(phone, *TO_SENT)
    phone.path = ["7", "7"]
    seen = phone.again().text
    assert seen.startswith("Sent to Pikinini Helpline.")
    assert not CODE.search(seen)


def test_by_sms_the_code_is_there_once_and_within_five_minutes(app: App) -> None:
    assert "2 Within 5 min: code" in texted(app, 1)[-1]
    assert CODE.search(texted(app, 2, "2")[-1])
    for n, odd in enumerate(("2", "7", "0" * 30)):
        seen = texted(app, 10 + n, "2", odd)[-1]
        assert not CODE.search(seen)
        assert "Within 5 min" not in seen
    with time_machine.travel(datetime.now(UTC), tick=True) as clock:
        phone = app.sms(number(3))
        send_texts(phone, "hello", *TO_SEND_SMS, "Send")
        clock.shift(timedelta(seconds=7 * 60 + 1))
        seen = send_texts(phone, "2")[0]
        assert not CODE.search(seen)
        assert "Within 5 min" not in seen
        assert "1 Add more" in seen


def test_by_sms_the_code_comes_for_an_answer_of_five_minutes_that_was_a_minute_each_way(app: App) -> None:
    assert "2 Within 5 min: code" in texted(app, 1)[-1]
    with time_machine.travel(datetime.now(UTC), tick=True) as clock:
        phone = app.sms(number(3))
        send_texts(phone, "hello", *TO_SEND_SMS, "Send")
        clock.shift(timedelta(minutes=6))
        assert CODE.search(send_texts(phone, "2")[0])


@pytest.mark.product(parts=2)
@pytest.mark.rule("X-02")
@pytest.mark.parametrize("text", ["hi", "ok", "?", "👍", "reprot", "hello", "halo"])
@pytest.mark.parametrize("first", [(), ("2",)])
def test_a_word_that_is_no_key_gets_what_any_phone_gets(app: App, text: str, first: tuple[str, ...]) -> None:
    fresh = send_texts(app.sms(number(1)), text, "1", "2")
    phone = app.sms(number(2))
    send_texts(phone, "hello", *TO_SEND_SMS, "Send", *first)
    assert send_texts(phone, text, "1", "2") == fresh


@pytest.mark.rule("S-22")
@pytest.mark.parametrize("words", [WORDS, "he is here"])
def test_words_typed_right_after_send_reach_the_report_and_show_nothing(app: App, words: str) -> None:
    phone = app.sms(number(1))
    send_texts(phone, "hello", *TO_SEND_SMS, "Send")
    assert send_texts(phone, words)[0].startswith(HOME_SMS)
    assert send_texts(phone, "He said it twice")[0].startswith(HOME_SMS)
    app.submit_due_within(60)
    last = max(app.bodies(), key=lambda kept: kept.revision)
    said = str(last.data)
    assert words in said
    assert "He said it twice" in said
    assert len({kept.report_id for kept in app.bodies()}) == 1
    assert send_texts(phone, "1")[0].startswith("Are you or a child in danger?"), "what is shown is what a key chooses"


def test_words_long_after_send_are_words_of_their_own(app: App) -> None:
    with time_machine.travel(datetime.now(UTC), tick=True) as clock:
        fresh = send_texts(app.sms(number(1)), WORDS)
        phone = app.sms(number(2))
        send_texts(phone, "hello", *TO_SEND_SMS, "Send")
        clock.shift(timedelta(minutes=11))
        assert send_texts(phone, WORDS) == fresh
        assert any(WORDS in str(kept.data) for kept in app.pending_revisions())


def lasting(redis_url: str) -> list[float]:
    with redis.Redis.from_url(redis_url) as client:
        return [client.pttl(key) / 1000 for key in client.scan_iter("s:*")]


@pytest.mark.parametrize("channel", CHANNELS)
def test_by_ussd_a_session_ends_three_minutes_after_send(app: App, redis_url: str, channel: str) -> None:
    phone = app.ussd(number(1), channel)
    dial_path(phone, *TO_SENT, WORDS)
    assert max(lasting(redis_url)) <= 180


def test_by_sms_texts_of_anybody_do_not_keep_a_session_beyond_half_an_hour(app: App, redis_url: str) -> None:
    texted(app, 1, "2")
    assert max(lasting(redis_url)) <= 1800


# Kannel without an operation


class TextOnlyKannel:
    """A network that sends only a text. `dials`: the text of a dial."""

    def __init__(self, app: App, phone: str, dials: str) -> None:
        self._app, self._phone, self._dials = app, phone, dials

    def dial(self) -> Any:
        return self.type(self._dials)

    def type(self, reply: str) -> Any:
        endpoint = f"/hooks/kannel/{self._app.plan.secrets.kannel}/ussd"
        answer = kannel_asks(self._app.http, endpoint, kannel_says(self._phone, "*111*163#", reply))
        assert answer.status_code == 200
        return answer


DIALS = ("*111*163#", "*111*163", "111*163#", "111*163", "163", "*163#", "163#", "*163", "", " ", "*999#")


@pytest.mark.rule("X-01")
@pytest.mark.rule("S-04")
@pytest.mark.parametrize("dials", DIALS)
def test_without_an_operation_every_form_of_a_dial_begins_anew(app: App, redis_url: str, dials: str) -> None:
    fresh = dial_path(app.ussd(number(1), "kannel"))[0]
    phone = TextOnlyKannel(app, number(2), dials)
    seen = dial_path(phone, *TO_SENT)
    assert seen[0] == fresh
    assert CODE.search(seen[-1])
    assert max(lasting(redis_url)) <= 900
    assert phone.dial().text == fresh
    with redis.Redis.from_url(redis_url) as client:
        client.delete(*[key for key in client.scan_iter("s:*") if client.pttl(key) > 60_000])  # of the fresh phone
    assert 0 < max(lasting(redis_url)) <= 60


@pytest.mark.parametrize("text", ["*111*163#", "*111*163", "111*163#"])
def test_the_neutral_form_takes_a_code_with_its_marks_for_a_dial(app: App, text: str) -> None:
    phone = app.ussd(number(1), "ussd")
    home = dial_path(phone, *TO_SENT)[0]
    assert phone.type(text).text == home


def test_where_the_operation_is_named_digits_are_a_reply(app: App) -> None:
    """A PIN may equal the end of a service code."""
    for channel in ("ussd", "kannel"):
        assert "PIN" in dial_path(app.ussd(number(1), channel), "My report", "163")[-1]
        assert "Who, where" not in dial_path(app.ussd(number(2), channel), *TO_SENT, "163")[-1]


@pytest.mark.parametrize("text", ["", "*111*163#", "111*163", "163", "163#"])
def test_a_new_call_under_an_old_id_of_africas_talking_begins_anew(app: App, text: str) -> None:
    phone = app.ussd(number(1), "africastalking")
    home, danger = dial_path(phone, *TO_SENT)[:2]
    phone.path = [text] if text else []
    assert phone.again().text == home
    assert phone.type("1").text == danger
