"""Words without code and PIN, in a later call of the same phone: they reach staff and reveal no report.

The screens are those of a phone that has sent nothing, byte for byte. A hotline reads that the words came without code.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any
from unittest.mock import patch

import pytest
import redis
import time_machine

from gateway.submission.builder import ReportBuilder
from reports.countries.country import load_countries
from reports.store.schema import tables as t
from tests.safeguarding.call_paths import (
    CHANNELS,
    IN_DANGER,
    PHONE,
    TO_SEND,
    TO_SEND_SMS,
    TO_SENT,
    dial_path,
    dialled,
    number,
    send_texts,
)
from tests.safeguarding.outages import (
    NUMBERS,
    code_and_pin,
    database_unavailable,
    empty,
    later,
    redis_unavailable,
    session_not_saved,
)
from tests.support.app import App
from tests.support.databases import KINDS

pytestmark = pytest.mark.slow

WORDS, MORE = "He comes back at night", "and my sister saw it"
LATER = ("My report", "1")  # to the screen for words
HELPLINE = "vu-pikinini"
AGAIN = "Added. You can write more. In danger? Call police 111.\n1 = done\n0 Back\n00 Leave"
GOODBYE = "Thank you. Goodbye."


@pytest.fixture(params=KINDS)
def app(request: pytest.FixtureRequest, redis_url: str) -> Iterator[App]:
    """Web on SQLite, and on PostgreSQL with web's role."""
    roles = request.getfixturevalue("postgres").new_filled() if request.param == "postgresql" else None
    app = App(redis_url, roles=roles)
    yield app
    app.close()


def said(app: App) -> list[dict[str, Any]]:
    """Return the messages of all reports as the child helpline reads them."""
    messages = app.messages({row.report_id for row in app.rows(t.report)})
    return [one.data for one in messages if one.hotline == HELPLINE]


def heard(app: App, seconds: float = 121) -> list[dict[str, Any]]:
    """Let time pass, and return the incomplete reports as the child helpline reads them."""
    app.submit_due_within(seconds)
    return [one.data for one in app.bodies() if one.hotline == HELPLINE and one.data["completeness"] == "incomplete"]


@pytest.mark.rule("S-04")
@pytest.mark.parametrize("channel", CHANNELS)
def test_the_rest_of_the_words_goes_with_the_report(app: App, channel: str) -> None:
    phone = app.ussd(PHONE, channel)
    dial_path(phone, *TO_SENT, "Somebody writes to me")
    phone.drop_call()
    seen = dial_path(app.ussd(PHONE, channel), *LATER, WORDS, MORE, "1")
    assert seen[-3:] == [AGAIN, AGAIN, GOODBYE]
    [report] = app.rows(t.report)
    assert [(one["text"], one["without_code"], one["kind"]) for one in said(app)] == [
        (WORDS, True, "words"),
        (MORE, True, "words"),
    ]
    assert {one["report_id"] for one in said(app)} == {report.report_id}
    assert heard(app) == []


@pytest.mark.rule("S-04")
@pytest.mark.rule("S-06")
@pytest.mark.parametrize("channel", CHANNELS)
def test_a_phone_that_has_sent_nothing_sees_the_same_and_the_helpline_gets_the_words(app: App, channel: str) -> None:
    dial_path(app.ussd(PHONE, channel), *TO_SENT)
    with_report = dial_path(app.ussd(PHONE, channel), *LATER, WORDS, MORE, "1")
    without = dial_path(app.ussd(number(7), channel), *LATER, WORDS, MORE, "1")
    assert without == with_report
    assert "If not, Pikinini Helpline gets them." in without[2]
    [report] = heard(app)
    assert report["narrative"] == WORDS
    assert report["contact"]["allowed"] is False
    assert "WORDS_ONLY" in report["triage"]["flags"]
    assert [one["text"] for one in said(app) if one["report_id"] == report["report_id"]] == [MORE]
    assert app.count(t.report) == 2


@pytest.mark.rule("S-08")
@pytest.mark.parametrize("leaves", [True, False])
def test_words_that_were_added_stay_if_the_reporter_leaves_or_the_line_drops(app: App, *, leaves: bool) -> None:
    phone = app.ussd(PHONE, "africastalking")
    dial_path(phone, *LATER, WORDS)
    if leaves:
        assert phone.type("00").text == GOODBYE
    else:
        phone.drop_call()
    assert [report["narrative"] for report in heard(app, 0)] == [WORDS]


def test_after_an_hour_the_words_are_a_report_of_their_own(app: App) -> None:
    dial_path(app.ussd(PHONE), *TO_SENT)
    with later(minutes=59):
        dial_path(app.ussd(PHONE), *LATER, WORDS)
        assert [one["text"] for one in said(app)] == [WORDS]
    with later(minutes=61):
        dial_path(app.ussd(PHONE), *LATER, MORE)
    assert [one["text"] for one in said(app)] == [WORDS]
    assert [report["narrative"] for report in heard(app, 3 * 3600)] == [MORE]


def test_of_several_reports_the_last_one_gets_them(app: App) -> None:
    with time_machine.travel(app.database.now() / 1_000_000, tick=True) as clock:
        for category in ("Asks photos, money", "Bullying, threats", "No care or food"):
            clock.shift(60)
            dial_path(app.ussd(PHONE), "Report", "Soon", category, *TO_SENT[3:])
        dial_path(app.ussd(PHONE), *LATER, WORDS)
    last = max(app.rows(t.report), key=lambda row: row.created_at)
    assert [one["report_id"] for one in said(app)] == [last.report_id]


@pytest.mark.rule("S-26")
def test_the_hotline_that_was_left_out_does_not_get_them(app: App) -> None:
    dial_path(app.ussd(PHONE), *TO_SEND, "Leave one out", "Pikinini Helpline", "Send")
    dial_path(app.ussd(PHONE), *LATER, WORDS)
    assert said(app) == [] and heard(app) == []
    assert {row.recipient for row in app.rows(t.message)} != set()


@pytest.mark.rule("S-35")
def test_a_report_that_was_deleted_gets_nothing_more(app: App) -> None:
    pair = code_and_pin(dial_path(app.ussd(PHONE), *TO_SENT)[-1])
    assert dial_path(app.ussd(PHONE), "My report", *pair, "4", "Delete")[-1].startswith("Being deleted here.")
    assert dial_path(app.ussd(PHONE), *LATER, WORDS)[-1] == AGAIN
    assert "words" not in {one["kind"] for one in said(app)}
    assert [report["narrative"] for report in heard(app)] == [WORDS]


@pytest.mark.parametrize("channel", ["africastalking", "ussd"])
@pytest.mark.parametrize("reported", [True, False])
def test_without_the_database_or_redis_nothing_is_said_to_be_added(app: App, channel: str, *, reported: bool) -> None:
    """The same for a phone that has reported and one that has not."""
    if reported:
        dial_path(app.ussd(PHONE, channel), *TO_SENT)
    for away in (database_unavailable, redis_unavailable):
        phone = app.ussd(PHONE, channel)
        dial_path(phone, *LATER)
        with away(app):
            assert phone.type(WORDS).text == NUMBERS
    assert said(app) == [] and heard(app) == []


def test_a_repeat_of_the_request_adds_the_words_once(app: App) -> None:
    dial_path(app.ussd(PHONE, "africastalking"), *TO_SENT)
    for phone in (app.ussd(PHONE, "africastalking"), app.ussd(number(7), "africastalking")):
        added = dial_path(phone, *LATER, WORDS)[-1]
        assert phone.again().text == added == AGAIN
    assert [one["text"] for one in said(app)] == [WORDS]
    assert [report["narrative"] for report in heard(app)] == [WORDS]


def test_if_redis_has_forgotten_the_report_the_words_still_reach_a_hotline(app: App, redis_url: str) -> None:
    dial_path(app.ussd(PHONE), *TO_SENT)
    empty(redis_url)
    dial_path(app.ussd(PHONE), *LATER, WORDS)
    assert [report["narrative"] for report in heard(app)] == [WORDS]


def test_a_report_in_the_same_call_is_apart_from_the_words(app: App) -> None:
    """Unsent answers after the words are not delivered; a sent report is separate from the words."""
    phone = app.ussd(PHONE)
    dial_path(phone, *LATER, WORDS, "0", "0", "0", *TO_SEND)
    phone.type("00")
    app.submit_due_within(3600)
    [body] = [one.data for one in app.bodies() if one.hotline == HELPLINE]
    assert (body["completeness"], body["narrative"], body["category"]) == ("incomplete", WORDS, None)
    assert body["answers"] == []
    dial_path(app.ussd(number(8)), *LATER, WORDS, "0", "0", "0", *TO_SENT)
    bodies = [one.data for one in app.bodies() if one.hotline == HELPLINE][1:]
    assert [(one["completeness"], one["narrative"]) for one in bodies] == [("incomplete", WORDS), ("complete", None)]


@pytest.mark.rule("S-12")
def test_words_after_danger_was_taken_back_are_alone(app: App) -> None:
    """The reporter goes back to the home screen, which withdraws the answers, then adds words; the call drops."""
    phone = app.ussd(PHONE, "africastalking")
    dial_path(phone, *IN_DANGER[:4], *("0",) * 4, *LATER, WORDS)
    phone.drop_call()
    assert [(one["narrative"], one["danger"]) for one in heard(app)] == [(WORDS, None)]


@pytest.mark.rule("S-04")
def test_the_rest_of_the_words_goes_with_a_report_that_was_texted(app: App) -> None:
    """Words from a later call go to the phone's report, whichever channel it used."""
    send_texts(app.sms(PHONE), "hi", *TO_SEND_SMS, "Send")
    [report] = app.rows(t.report)
    assert dial_path(app.ussd(PHONE), *LATER, WORDS, MORE, "1")[-3:] == [AGAIN, AGAIN, GOODBYE]
    assert [(one["report_id"], one["text"], one["without_code"]) for one in said(app)] == [
        (report.report_id, WORDS, True),
        (report.report_id, MORE, True),
    ]
    assert heard(app) == []


def test_words_after_a_request_to_be_called_reach_the_hotline_that_calls(app: App) -> None:
    """A contact request is no report: the words make a report of their own for the hotline that the screen names."""
    send_texts(app.sms(PHONE), "call me", "Call 7am-9pm")
    [request] = app.rows(t.report)
    assert dial_path(app.ussd(PHONE), *LATER, WORDS)[-1] == AGAIN
    [words] = heard(app, 0)
    assert (words["narrative"], words["contact"]["allowed"]) == (WORDS, False)
    assert words["report_id"] != request.report_id
    asked = [one for one in app.bodies() if one.report_id == request.report_id]
    assert HELPLINE in {one.hotline for one in asked}


def test_a_request_to_be_called_after_a_report_takes_no_words_from_it(app: App) -> None:
    dial_path(app.ussd(PHONE), *TO_SENT)
    [report] = app.rows(t.report)
    send_texts(app.sms(PHONE), "call me", "Call 7am-9pm")
    dial_path(app.ussd(PHONE), *LATER, WORDS)
    assert [(one["report_id"], one["text"]) for one in said(app)] == [(report.report_id, WORDS)]
    assert heard(app) == []


# From the screens after the words, a person with the phone cannot find out whether it has sent a report.


def both(app: App, *replies: str, pause: float = 0) -> list[list[str]]:
    """Return the screens of a phone that has reported and of one that has not.

    `pause`: seconds before the last reply.
    """
    dial_path(app.ussd(PHONE), *TO_SENT)
    seen = []
    for who in (PHONE, number(7)):
        phone = app.ussd(who)
        screens = dial_path(phone, *replies[:-1])
        if pause:
            app.submit_due_within(pause)
        seen.append([*screens, phone.type(replies[-1]).text])
    return seen


HOME = ("0", "0", "0")


@pytest.mark.rule("S-04")
@pytest.mark.parametrize(
    ("replies", "pause"),
    [
        ((*TO_SEND, "Leave one out", "Pikinini Helpline", *("0",) * 9, *LATER, WORDS), 0),
        ((*LATER, WORDS, *HOME, *TO_SEND, "9"), 0),
        ((*LATER, WORDS, *HOME, *TO_SEND, "9"), 125),
        ((*LATER, WORDS, *HOME, *TO_SEND, "Leave one out", "Pikinini Helpline", "Send"), 0),
        ((*LATER, WORDS, *HOME, *TO_SEND, "00"), 0),
        ((*LATER, WORDS, *HOME, *IN_DANGER[:4]), 125),
    ],
    ids=["left out before", "deleted after", "deleted late", "left out after", "left after", "danger after"],
)
def test_no_later_screen_depends_on_whether_a_report_was_sent(app: App, replies: tuple[str, ...], pause: float) -> None:
    with_report, without = both(app, *replies, pause=pause)
    assert [_numbers_hidden(one) for one in with_report] == [_numbers_hidden(one) for one in without]


def _numbers_hidden(screen: str) -> str:
    return re.sub(r"\d{4}", "####", screen)


@pytest.mark.rule("S-04")
def test_while_a_report_waits_in_the_spool_words_are_taken_as_from_any_phone(app: App) -> None:
    phone = app.ussd(PHONE)
    dial_path(phone, *TO_SEND)
    with database_unavailable(app):
        assert phone.type("Send").text.startswith("Sent to Pikinini Helpline.")
    assert dial_path(app.ussd(PHONE), *LATER, WORDS)[-1] == AGAIN
    assert [report["narrative"] for report in heard(app, 0)] == [WORDS]


@pytest.mark.rule("S-04")
def test_words_that_no_hotline_of_the_report_can_open_are_taken_as_from_any_phone(app: App) -> None:
    dial_path(app.ussd(PHONE), *TO_SENT)
    with patch.object(ReportBuilder, "seal_messages", return_value=()):
        assert dial_path(app.ussd(PHONE), *LATER, WORDS)[-1] == AGAIN
    assert [report["narrative"] for report in heard(app, 0)] == [WORDS]


@pytest.mark.rule("S-26")
def test_a_hotline_that_was_left_out_never_gets_the_words_of_a_report_that_is_gone(app: App) -> None:
    screen = dial_path(app.ussd(PHONE), *TO_SEND, "Leave one out", "Pikinini Helpline", "Send")[-1]
    assert dial_path(app.ussd(PHONE), "My report", *code_and_pin(screen), "4", "Delete")[-1].startswith(
        "Being deleted here."
    )
    assert dial_path(app.ussd(PHONE), *LATER, WORDS)[-1] == AGAIN
    assert said(app) == [] and heard(app) == []
    assert [one.data["narrative"] for one in app.bodies()][-1] == WORDS, "another hotline of that report has them"


def test_a_path_that_is_walked_again_sends_no_words_twice(app: App, redis_url: str) -> None:
    for who in (PHONE, number(7)):
        if who == PHONE:
            dial_path(app.ussd(PHONE, "africastalking"), *TO_SENT)
        phone = app.ussd(who, "africastalking")
        assert dial_path(phone, *LATER, WORDS)[-1] == AGAIN
        with redis.Redis.from_url(redis_url) as client:
            for key in client.keys("s:*"):
                client.delete(key)
        assert phone.type(MORE).text == NUMBERS
    assert [one["text"] for one in said(app)] == [WORDS]
    assert [report["narrative"] for report in heard(app)] == [WORDS]


def test_words_that_redis_did_not_note_are_not_sent_again_with_the_next_reply(app: App) -> None:
    """Africa's Talking sends the next reply with all earlier ones."""
    for who in (PHONE, number(7)):
        if who == PHONE:
            dial_path(app.ussd(PHONE), *TO_SENT)
        phone = app.ussd(who, "africastalking")
        dial_path(phone, *LATER)
        with session_not_saved(app):
            assert phone.type(WORDS).text == AGAIN
        assert phone.type(MORE).text == NUMBERS
    assert [one["text"] for one in said(app)] == [WORDS]
    assert [report["narrative"] for report in heard(app)] == [WORDS]


@pytest.mark.parametrize("words", ["he said *call me* or *123#", "come*", f"{WORDS} * {MORE}"])
def test_an_asterisk_belongs_to_the_words(app: App, words: str) -> None:
    """Africa's Talking joins all replies by it. Such words ended the call with "Not working now"."""
    phone = app.ussd(number(7), "africastalking")
    assert dial_path(phone, *LATER, words)[-1] == AGAIN
    assert phone.type(words).text == AGAIN
    assert [report["narrative"] for report in heard(app)] == [words]
    assert [one["text"] for one in said(app)] == [words]


def test_keys_joined_by_an_asterisk_are_no_words(app: App) -> None:
    phone = app.ussd(number(7), "africastalking")
    dial_path(phone, *LATER)
    assert phone.type("1*3").text == NUMBERS
    assert heard(app) == []


def test_who_has_looked_at_the_screen_for_words_can_send_without_redis(app: App) -> None:
    phone = app.ussd(PHONE, "africastalking")
    dial_path(phone, *LATER, *HOME, *TO_SEND)
    with redis_unavailable(app):
        assert phone.type("Send").text.startswith("Sent to Pikinini Helpline.")


def test_two_phones_of_one_session_id_have_a_report_each(app: App) -> None:
    for who in (PHONE, number(7)):
        phone = app.ussd(who, "africastalking")
        phone.dial()
        phone.session = f"ATUid_{0:032x}"
        assert [phone.type(key).text for key in (*LATER, WORDS)][-1] == AGAIN
    assert [report["narrative"] for report in heard(app)] == [WORDS, WORDS]


def test_skipping_adds_nothing(app: App) -> None:
    assert dial_path(app.ussd(PHONE), *LATER, "1")[-1] == GOODBYE
    assert heard(app) == [] and app.count(t.report) == 0


@pytest.mark.rule("S-11")
def test_where_no_hotline_gets_words_without_a_report_code_and_pin_are_needed(redis_url: str) -> None:
    [cook_islands] = load_countries(("ck",), "demo")
    app = App(redis_url, {"COUNTRIES": "ck"})
    try:
        seen = dial_path(app.ussd("+68251234", code=dialled(cook_islands, "ussd")), "My report")[-1]
        assert seen == "Type your 8-digit code.\n0 Back\n00 Leave"
    finally:
        app.close()


@pytest.mark.parametrize("words", [WORDS, "he hits me"])
@pytest.mark.parametrize("channel", CHANNELS)
def test_words_at_the_code_prompt_open_the_screen_for_words(app: App, channel: str, words: str) -> None:
    """The sign says that they were not taken: before any word is sent, the screen names who gets it (S-12)."""
    asked = dial_path(app.ussd(number(1), channel), *LATER)[-1]
    phone = app.ussd(PHONE, channel)
    seen = dial_path(phone, "My report", words)[-1]
    again = asked.replace(" Type a few words.", "").replace("\n00 Leave", "")  # they give way to the sign
    assert seen == f"Sorry, try again.\n{again}" and "Pikinini Helpline gets them" in seen
    assert app.count(t.report) == app.count(t.pending) == 0
    assert phone.type(words).text == AGAIN
    [report] = heard(app)
    assert report["narrative"] == words
