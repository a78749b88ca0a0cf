"""The first screens, the same for everybody, and how to leave (S-01, S-02, S-04, S-08, S-10)."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

import pytest
import time_machine

from reports.store.schema import tables as t
from tests.safeguarding.call_paths import (
    CHANNELS,
    COUNTRIES,
    IN_DANGER,
    PHONE,
    TO_SEND,
    TO_SEND_SMS,
    TO_SENT,
    dial_path,
    dialled,
    number,
    police,
    send_texts,
)
from tests.support.app import App

pytestmark = pytest.mark.slow


@pytest.mark.rule("S-01")
@pytest.mark.parametrize("iso", COUNTRIES)
def test_the_emergency_number_is_on_the_first_screen_of_every_call(app: App, iso: str) -> None:
    country = COUNTRIES[iso]
    for n, channel in enumerate(CHANNELS):
        phone = app.ussd(number(n), channel, dialled(country, "ussd"))
        for way in ((), ("1",), ("1", "2", "1"), ("3", "12345678", "0000"), ("00",)):
            assert police(country) in dial_path(phone, *way)[0], way


FIRST_TEXTS = ("REPORT", "report", "1", "HELP", "INFO", "TIPS", "LAW", "CODE", "0", "98", "", "call me", "START", "7",
               "Somebody takes my money every day", "👍", "?")  # fmt: skip


@pytest.mark.rule("S-01")
@pytest.mark.rule("S-05")
@pytest.mark.parametrize("iso", COUNTRIES)
def test_the_first_reply_to_any_text_has_the_number_and_says_that_texts_stay(app: App, iso: str) -> None:
    country = COUNTRIES[iso]
    for n, text in enumerate(FIRST_TEXTS):
        [reply] = send_texts(app.sms(number(n), dialled(country, "sms")), text)
        assert police(country) in reply, text
        assert "Texts stay on this phone." in reply, text


@pytest.mark.rule("S-05")
@pytest.mark.parametrize(
    ("text", "opens", "then", "next_"),
    [
        ("LAW", "1 What the law says", "1", "Sexual pictures of children"),
        ("law!", "1 What the law says", "0", "In danger? Call police 111.\n1 Report"),
        ("CODE", "Type your 8-digit code.", "48219303", "Type your 4-digit PIN."),
        ("my report", "Type your 8-digit code.", "0", "In danger? Call police 111.\n1 Report"),
        ("LANGUAGE", "Language / Lanwis", "Bislama", "Long denja?"),
        ("Lanwis", "Language / Lanwis", "0", "In danger? Call police 111.\n1 Report"),
        ("TIPS", "Tips. Who for?", "0", "In danger? Call police 111.\n1 Report"),
    ],
)
def test_a_first_text_opens_what_it_names(app: App, text: str, opens: str, then: str, next_: str) -> None:
    phone = app.sms(PHONE)
    first, second = send_texts(phone, text, then)
    assert "polis 111" in first or "police 111" in first
    assert opens in first, first
    assert second.startswith(next_), second


@pytest.mark.rule("S-05")
def test_no_question_by_sms_comes_before_the_warning(app: App) -> None:
    """Each first text gets the warning before any question; the first question of the tips comes with it."""
    question = re.compile(r"\?\n1 (?!Report|Go on)")
    for n, text in enumerate(FIRST_TEXTS):
        for m, more in enumerate(("1", "REPORT", "2")):
            seen = send_texts(app.sms(number(n * 10 + m)), text, more, "1")
            asked = next((at for at, reply in enumerate(seen) if question.search(reply)), None)
            told = any("Texts stay on this phone." in reply for reply in seen[: (asked or 0) + 1])
            assert asked is None or told, (text, more)


@pytest.mark.rule("S-05")
@pytest.mark.rule("S-04")
def test_after_half_an_hour_of_silence_any_text_gets_the_home_screen(app: App) -> None:
    """That text may come from another person, who must not see the open question."""
    for n, text in enumerate(("hi", "1", "Me", "0")):
        phone = app.sms(number(n))
        home = send_texts(phone, "REPORT", "1", "Soon", "Asks photos, money")[0]
        with time_machine.travel(datetime.now(UTC) + timedelta(minutes=31), tick=True):
            assert send_texts(phone, text) == [home], text


@pytest.mark.rule("S-02")
@pytest.mark.parametrize("channel", CHANNELS)
def test_two_inputs_bring_both_numbers(app: App, channel: str) -> None:
    """Dial, Report, Now: the reporter has seen 111 and 163 after two keys, and has answered one question."""
    seen = dial_path(app.ussd(PHONE, channel), "1", "1")
    assert seen[1].startswith("Are you or a child in danger?")
    assert "police 111" in seen[2] and "163" in seen[2] and "1 Go on" in seen[2]


@pytest.mark.rule("S-04")
@pytest.mark.rule("X-01")
@pytest.mark.parametrize("channel", CHANNELS)
def test_a_redial_shows_everybody_the_same_home_screen(app: App, channel: str) -> None:
    """New number, a draft at each screen, in danger, sent, added to, left, code locked: the same bytes."""
    home = dial_path(app.ussd(number(0), channel))
    for n in range(len(TO_SENT) + 1):
        phone = app.ussd(number(10 + n), channel)
        dial_path(phone, *TO_SENT[:n])
        assert dial_path(phone) == home, f"after {n} answers"
    for n, way in enumerate(((*IN_DANGER[:5],), (*TO_SENT, "Somebody writes to me"), ("1", "00"))):
        phone = app.ussd(number(30 + n), channel)
        dial_path(phone, *way)
        assert dial_path(phone) == home, way
    thief = app.ussd(number(40), channel)
    code = "".join(re.findall(r"Code (\d{4}) (\d{4})", dial_path(thief, *TO_SENT)[-1])[0])
    for _ in range(6):
        dial_path(thief, "My report", code, "0000")
    assert dial_path(thief) == home


@pytest.mark.rule("S-04")
@pytest.mark.rule("S-06")
@pytest.mark.rule("X-01")
@pytest.mark.parametrize("channel", CHANNELS)
def test_a_walk_that_carries_on_an_old_one_shows_nothing_of_it(app: App, channel: str) -> None:
    """The same two answers continue the same report without showing it; other answers make another report."""
    fresh = dial_path(app.ussd(number(0), channel), *TO_SEND)
    brother = ("Report", "Soon", "Missing child", "My child", "6-9", "Tafea", "No")
    fresh_brother = dial_path(app.ussd(number(1), channel), *brother)
    phone = app.ussd(PHONE, channel)
    dial_path(phone, *TO_SEND[:5])
    assert dial_path(phone, *brother) == fresh_brother
    assert dial_path(phone, *TO_SEND) == fresh
    phone.type("Send")
    dial_path(phone, *brother, "Send")
    ages = [kept.data["child"]["age_band"] for kept in app.bodies() if kept.hotline == "vu-pikinini"]
    assert sorted(ages) == ["13-15", "6-9"]
    assert app.count(t.report) == 2


@pytest.mark.rule("S-08")
@pytest.mark.rule("S-10")
@pytest.mark.parametrize("channel", CHANNELS)
def test_leaving_is_one_answer_on_every_screen_and_the_same_for_everybody(app: App, channel: str) -> None:
    ways = [TO_SENT[:n] for n in range(len(TO_SENT) + 1)]
    ways += [IN_DANGER[:n] for n in range(3, 6)]
    ways += [(*TO_SEND, "Leave one out"), (*TO_SENT, "1"), (*TO_SENT, "my own words")]
    ways += [("3",), ("3", "12345678"), ("3", "12345678", "0000"), ("9", "9", "9")]
    for n, way in enumerate(ways):
        phone = app.ussd(number(n), channel)
        dial_path(phone, *way)
        seen = phone.type("００" if n % 3 == 2 and way[: len(TO_SENT)] != TO_SENT else "00")
        assert (seen.text, seen.expects_reply) == ("Thank you. Goodbye.", False), way


@pytest.mark.rule("S-08")
@pytest.mark.rule("S-10")
def test_leaving_by_sms_makes_no_phone_sound(app: App) -> None:
    for n in range(len(TO_SEND_SMS) + 2):
        phone = app.sms(number(n))
        assert send_texts(phone, "hello", *(*TO_SEND_SMS, "Send")[:n], "00")[-1] == ""


@pytest.mark.rule("S-10")
def test_stop_in_the_middle_gets_no_reply_and_what_was_said_in_danger_goes(app: App) -> None:
    phone = app.sms(PHONE)
    assert send_texts(phone, "hello", *IN_DANGER[:5], "STOP")[-1] == ""
    assert [kept.data["completeness"] for kept in app.pending_revisions()] == ["incomplete"]
