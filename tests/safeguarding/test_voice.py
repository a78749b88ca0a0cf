"""Calls by the keys of a telephone keep the rules of USSD calls."""

from __future__ import annotations

import re

import pytest
import redis

from gateway.sessions.store import SENT_SECONDS
from reports.store.schema import tables as t
from tests.safeguarding.call_paths import IN_DANGER, TO_SEND, TO_SENT, dial_path
from tests.support.app import App

pytestmark = pytest.mark.slow

CHANNELS = ("twilio_voice", "africastalking_voice")
CODE = re.compile(r"Code ([0-9]{4} [0-9]{4})\nPIN ([0-9]{4})")


@pytest.mark.parametrize("channel", CHANNELS)
def test_a_report(app: App, channel: str) -> None:
    call = app.ussd("+6785550101", channel)
    screens = dial_path(call, *TO_SENT)
    assert screens[0].startswith(
        "In danger? Call police 111.\nPikinini Helpline 163, free\nPress star to repeat\n1 Report\n"
    )
    assert CODE.search(screens[-1])
    kept = app.bodies()[0]
    assert (kept.data["channel"], kept.data["category"], kept.data["danger"]) == ("voice", "luring", "soon")


@pytest.mark.rule("S-12")
@pytest.mark.parametrize("channel", CHANNELS)
def test_a_dropped_call_in_danger_is_rescued_once(app: App, channel: str) -> None:
    call = app.ussd("+6785550101", channel)
    dial_path(call, *IN_DANGER[:4])
    assert app.bodies() == []
    call.drop_call()
    call.drop_call()
    app.submit_due_within(1)
    [kept] = app.bodies()
    assert (kept.data["completeness"], kept.data["channel"]) == ("incomplete", "voice")


@pytest.mark.rule("S-12")
@pytest.mark.parametrize("channel", CHANNELS)
def test_a_caller_who_falls_silent_is_rescued(app: App, channel: str) -> None:
    call = app.ussd("+6785550101", channel)
    question = dial_path(call, *IN_DANGER[:4])[-1]
    assert [call.silence().text, call.silence().text] == [question, question]
    ended = call.silence()
    assert (ended.text, ended.expects_reply) == ("Thank you. Goodbye.", False)
    call.drop_call()
    app.submit_due_within(1)
    assert len(app.bodies()) == 1


@pytest.mark.parametrize("channel", CHANNELS)
def test_code_and_pin_are_heard_until_another_key_is_pressed(app: App, channel: str) -> None:
    call = app.ussd("+6785550101", channel)
    sent = dial_path(call, *TO_SENT)[-1]
    assert call.silence().text == sent
    assert call.press("*").text == sent
    assert call.again().text == sent
    wrong = call.press("7").text
    assert not CODE.search(wrong)
    assert "PIN" not in wrong
    assert call.press("*").text == wrong
    for keys in ("0", "1", "*", "00"):
        assert not CODE.search(call.press(keys).text)
        if not call.verbs:
            break


@pytest.mark.parametrize("channel", CHANNELS)
def test_code_and_pin_can_be_repeated_for_longer_than_a_session_is_stored(
    app: App, channel: str, redis_url: str
) -> None:
    call = app.ussd("+6785550101", channel)
    sent = dial_path(call, *TO_SENT)[-1]
    with redis.Redis.from_url(redis_url) as client:
        [key] = client.keys("s:*")
        client.pexpire(key, 5000)
        assert call.press("*").text == sent
        assert SENT_SECONDS - 60 < client.ttl(key) <= SENT_SECONDS


@pytest.mark.parametrize("channel", CHANNELS)
def test_a_request_that_comes_again_takes_no_second_step(app: App, channel: str) -> None:
    """Otherwise one key pressed at the question about contact would also press Send."""
    call = app.ussd("+6785550101", channel)
    call.dial()
    for reply in (*TO_SENT, "9", "Add more", "0"):
        assert call.type(reply).text == call.again().text, reply
    assert app.count(t.report) == 1


@pytest.mark.parametrize("channel", CHANNELS)
def test_a_key_for_a_screen_that_was_answered_is_not_taken_at_the_next_one(app: App, channel: str) -> None:
    """If our answer is lost, the caller still hears the old screen, and presses a key or stays silent."""
    call = app.ussd("+6785550101", channel)
    dial_path(call, *TO_SEND)
    heard = list(call.verbs)
    sent = call.press("1").text
    assert CODE.search(sent)
    for keys in ("1", "9", "0"):
        call.verbs = list(heard)
        assert call.press(keys).text == sent
    call.verbs = list(heard)
    assert [call.silence().expects_reply for _ in range(2)] == [True, True]
    assert call.silence().text == sent


@pytest.mark.rule("S-08")
@pytest.mark.parametrize("channel", CHANNELS)
def test_two_zeros_also_leave_a_screen_that_was_answered(app: App, channel: str) -> None:
    """Otherwise the caller would hear code and PIN, in front of the person because of whom they leave."""
    call = app.ussd("+6785550101", channel)
    dial_path(call, *TO_SEND)
    heard = list(call.verbs)
    assert CODE.search(call.press("1").text)
    call.verbs = list(heard)
    ended = call.press("00")
    assert (ended.text, ended.expects_reply) == ("Thank you. Goodbye.", False)
    assert call.again().text == ended.text


@pytest.mark.parametrize("channel", CHANNELS)
def test_zero_goes_back_and_two_zeros_leave(app: App, channel: str) -> None:
    call = app.ussd("+6785550101", channel)
    home, danger, category, back = dial_path(call, "1", "2", "0")
    assert (danger, back) == (danger, danger)
    assert category.startswith("What happened?")
    assert call.press("0").text == home
    ended = call.press("00")
    assert (ended.text, ended.expects_reply) == ("Thank you. Goodbye.", False)


@pytest.mark.parametrize("channel", CHANNELS)
def test_my_report_by_code_and_pin(app: App, channel: str) -> None:
    found = CODE.search(dial_path(app.ussd("+6785550101", channel), *TO_SENT)[-1])
    assert found is not None
    state = dial_path(app.ussd("+6785550102", channel), "My report", found[1].replace(" ", "") + "#", found[2])[-1]
    assert "\n1 Messages (0)\n3 Contact\n4 Delete\n" in state


@pytest.mark.parametrize("channel", CHANNELS)
def test_no_words_are_asked_for(app: App, channel: str) -> None:
    """A telephone's keys cannot type words, so a reporter could not leave a screen that asks for them."""
    call = app.ussd("+6785550101", channel)
    screens = dial_path(call, *TO_SENT, "Add more", "Answer questions", *["1"] * 12)
    assert not [screen for screen in screens if "own words" in screen or "Type" in screen or "Write" in screen]
    assert screens[-1].startswith("Thank you\n")


@pytest.mark.rule("S-04")
@pytest.mark.parametrize("channel", CHANNELS)
def test_the_next_caller_hears_what_everybody_hears(app: App, channel: str) -> None:
    tours = (TO_SEND, IN_DANGER, ("2", "1"), ("4",), ("My report", "48219303#", "7350#"), ())
    fresh = [dial_path(app.ussd("+6785550102", channel), *tour) for tour in tours]
    for first in (TO_SENT, (*IN_DANGER, "Send"), IN_DANGER[:4], TO_SEND[:5], (*TO_SEND, "9")):
        call = app.ussd("+6785550103", channel)
        dial_path(call, *first)
        call.drop_call()
        assert [dial_path(app.ussd("+6785550103", channel), *tour) for tour in tours] == fresh


@pytest.mark.parametrize(("channel", "withheld"), [("twilio_voice", "+266696687"), ("africastalking_voice", "")])
def test_callers_without_a_number_are_different_people(app: App, channel: str, withheld: str) -> None:
    for number in ("anonymous", withheld, "anonymous", withheld):
        call = app.ussd(number, channel)
        dial_path(call, *IN_DANGER[:4])
        call.drop_call()
    app.submit_due_within(1)
    assert app.count(t.report) == 4


def test_only_languages_that_can_be_spoken_are_offered(app: App) -> None:
    """Bislama is offered by USSD; by voice it has neither a synthetic voice nor recordings."""
    languages = dial_path(app.ussd("+6785550101", "twilio_voice"), "5")[-1]
    assert "English" in languages and "Bislama" not in languages
    assert "Language" not in dial_path(app.ussd("+6785550101", "africastalking_voice"))[0]
    assert "Bislama" in dial_path(app.ussd("+6785550101", "ussd"), "5")[-1]
