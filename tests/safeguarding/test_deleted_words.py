"""Words of a phone that wait unsent: they stay together, and a refusal or a quick exit deletes all of them for good."""

from __future__ import annotations

import json
from contextlib import nullcontext
from datetime import UTC, datetime

import pytest
import redis
import time_machine

from reports.store.schema import tables as t
from tests.safeguarding.call_paths import PHONE, TO_SEND_SMS, number, send_texts
from tests.safeguarding.outages import database_unavailable, later
from tests.safeguarding.test_waiting_words import HALF_AN_HOUR, at_text, heard, post_webhook
from tests.support.app import App

pytestmark = [pytest.mark.slow, pytest.mark.rule("S-12")]

FIRST, SECOND = "My cousin is in trouble at home", "She is afraid to go there today"
BY_KEYWORD = [("HELP",), ("LANGUAGE", "2"), ("LANGUAGE", "0"), ("TIPS", "0")]
DELETED = ["Deleted: what you told us now.", "I aot finis: wanem we yu talem naoia."]
OTHER = ("Report", "No", "Bullying, threats", "My child", "6-9", "Tafea", "1")


# Two texts


@pytest.mark.parametrize("between", BY_KEYWORD, ids=" ".join)
@pytest.mark.parametrize("refusal", ["delete", "dont send", "00"])
def test_a_refusal_deletes_both_of_two_texts(app: App, between: tuple[str, ...], refusal: str) -> None:
    replies = send_texts(app.sms(PHONE), FIRST, *between, SECOND, refusal)
    assert "00 " in replies[-2], "the screen says what becomes of the words"
    assert replies[-1] in ([""] if refusal == "00" else DELETED)
    assert app.count(t.pending) == 0
    app.submit_due_within(HALF_AN_HOUR)
    assert heard(app) == []


@pytest.mark.parametrize("between", BY_KEYWORD, ids=" ".join)
def test_two_texts_are_one_report(app: App, between: tuple[str, ...]) -> None:
    send_texts(app.sms(PHONE), FIRST, *between, SECOND)
    app.submit_due_within(HALF_AN_HOUR)
    assert heard(app) == [(FIRST, [SECOND], "incomplete")]


def test_two_texts_and_a_send_are_one_report(app: App) -> None:
    send_texts(app.sms(PHONE), FIRST, "HELP", SECOND, "1", *OTHER[1:], "No", "Send")
    app.submit_due_within(HALF_AN_HOUR)
    assert heard(app) == [(FIRST, [SECOND], "complete")]


def test_a_text_after_the_first_was_delivered_is_added_to_it(app: App) -> None:
    """The question is still open, since HELP came within half an hour; the words before it are due sooner."""
    with time_machine.travel(datetime.now(UTC), tick=False) as clock:
        send_texts(app.sms(PHONE), FIRST)
        clock.shift(20 * 60)
        send_texts(app.sms(PHONE), "HELP")
        clock.shift(15 * 60)
        app.submit_due_within(0)
        assert heard(app) == [(FIRST, [], "incomplete")]
        assert send_texts(app.sms(PHONE), SECOND, "delete")[-1].startswith("The rest is deleted. Pikinini Helpline was")
        app.submit_due_within(HALF_AN_HOUR)
    assert heard(app) == [(FIRST, [], "incomplete")]


@pytest.mark.parametrize("between", [("HELP",), ("TIPS", "0"), ("1", "No")], ids=" ".join)
@pytest.mark.parametrize("is_spooled", [False, True])
def test_further_texts_do_not_postpone_the_first(app: App, between: tuple[str, ...], is_spooled: bool) -> None:
    """The reply to it promised half an hour."""
    with time_machine.travel(datetime.now(UTC), tick=False) as clock:
        send_texts(app.sms(PHONE), FIRST)
        clock.shift(25 * 60)
        with database_unavailable(app) if is_spooled else nullcontext():
            send_texts(app.sms(PHONE), *between)
            clock.shift(60)
            send_texts(app.sms(PHONE), SECOND)
        app.parts.housekeeping.once()
        clock.shift(3 * 60)
        app.submit_due_within(0)
        assert heard(app) == []
        clock.shift(2 * 60)
        app.submit_due_within(0)
        assert heard(app) == [(FIRST, [SECOND], "incomplete")]


def test_of_many_texts_each_is_heard_within_half_an_hour(app: App) -> None:
    with time_machine.travel(datetime.now(UTC), tick=False) as clock:
        for n in range(6):
            send_texts(app.sms(PHONE), f"{FIRST}, time {n}")
            for _ in range(25):
                clock.shift(60)
                app.submit_due_within(0)
    assert [len(said) for _, said, _ in heard(app)] == [1, 3, 5]


# A refusal on any screen


ELSEWHERE = [("HELP",), ("1",), ("1", "No"), ("1", *OTHER[1:-1]), ("LANGUAGE", "1"), ("TIPS",), ("CODE",)]


@pytest.mark.parametrize("between", ELSEWHERE, ids=" ".join)
@pytest.mark.parametrize("refusal", ["delete", "dont send this"])
def test_a_refusal_works_on_every_screen(app: App, between: tuple[str, ...], refusal: str) -> None:
    assert send_texts(app.sms(PHONE), FIRST, *between, refusal)[-1] == DELETED[0]
    app.submit_due_within(HALF_AN_HOUR)
    assert heard(app) == []


def test_with_no_words_waiting_a_refusal_is_a_text_like_others(app: App) -> None:
    assert send_texts(app.sms(PHONE), "hi", "delete")[-1].startswith("Sorry, try again.\nIn danger?")
    told = send_texts(app.sms(PHONE), "REPORT", "1", "Now", "Go on", FIRST, "dont send this")[-1]
    assert told != DELETED[0], "a screen has promised these words to the helpline"
    app.submit_due_within(601)
    assert heard(app) == [(None, [FIRST, "dont send this"], "incomplete")]


def test_what_a_refusal_deletes_is_not_what_my_report_opened(app: App) -> None:
    """`Delete` is a choice there."""
    phone = app.sms(PHONE)
    send_texts(phone, FIRST, "HELP", "CODE", "1234 5678", "delete")
    app.submit_due_within(HALF_AN_HOUR)
    assert heard(app) == []


# After the answer about a call


NO_CALL = [("call me", "No"), ("HELP", "call me", "No"), ("HELP", "call me", "Call 7am-9pm")]


@pytest.mark.parametrize("between", NO_CALL, ids=" ".join)
@pytest.mark.parametrize("last", [("delete",), ("dont send",), ("00",), ("STOP",), (SECOND, "delete")], ids=" ".join)
def test_a_refusal_after_an_answer_about_a_call_deletes_the_words(
    app: App, between: tuple[str, ...], last: tuple[str, ...]
) -> None:
    replies = send_texts(app.sms(PHONE), FIRST, *between, *last)
    assert replies[-1] in ("", DELETED[0])
    app.submit_due_within(HALF_AN_HOUR)
    assert [report for report in heard(app) if report[2] == "incomplete"] == []


@pytest.mark.parametrize("between", NO_CALL[:2], ids=" ".join)
def test_a_report_after_no_to_a_call_has_the_words(app: App, between: tuple[str, ...]) -> None:
    report = ("REPORT" if "HELP" in between else "Go on and send", *OTHER[1:])
    assert send_texts(app.sms(PHONE), FIRST, *between, *report, "No", "Send")[-1].startswith("Sent to ")
    app.submit_due_within(HALF_AN_HOUR)
    assert heard(app) == [(FIRST, [], "complete")]


@pytest.mark.rule("S-11")
def test_a_report_at_send_goes_on_after_no_to_a_call(app: App) -> None:
    """A number is no answer there: it may be meant for the question before."""
    phone = app.sms(PHONE)
    asked = send_texts(phone, "hi", *TO_SEND_SMS, "call me", "No", "1")
    assert asked[-1] == asked[-4] and asked[-1].startswith("Send to ")
    assert send_texts(phone, "call me", "No", "Send")[-1].startswith("Sent to ")
    assert [report[2] for report in heard(app)] == ["complete"]


@pytest.mark.rule("S-04")
@pytest.mark.parametrize("begun", [(), (FIRST,), ("hi", *TO_SEND_SMS)], ids=len)
def test_no_to_a_call_says_the_same_whether_or_not_one_was_asked_for(app: App, begun: tuple[str, ...]) -> None:
    send_texts(app.sms(PHONE), "call me", "Call 7am-9pm")
    with later(minutes=40):
        said = [send_texts(app.sms(who), *begun, "call me", "No", "hm") for who in (PHONE, number(7))]
    assert said[0] == said[1]


# For good


def sent_later(app: App, minutes: int, *texts: str) -> str:
    """Send a whole report some minutes later; return what the helpline received, as text."""
    with time_machine.travel(datetime.now(UTC)) as clock:
        clock.shift(minutes * 60)
        assert send_texts(app.sms(PHONE), "hi", *texts, "Call 7am-9pm", "Send")[-1].startswith("Sent to ")
        app.submit_due_within(HALF_AN_HOUR)
        return json.dumps([one.data for one in app.bodies() if one.hotline == "vu-pikinini"])


@pytest.mark.parametrize("last", ["00", "STOP", "delete"])
@pytest.mark.parametrize("back", [("0", "0", "0"), ()], ids=["at the words", "at a question"])
def test_deleted_words_never_travel_with_the_next_report(app: App, last: str, back: tuple[str, ...]) -> None:
    send_texts(app.sms(PHONE), FIRST, "1", *OTHER[1:3], *back, last)
    assert app.count(t.pending) == 0
    assert FIRST not in sent_later(app, 20, *OTHER)


@pytest.mark.rule("S-09")
def test_after_stop_nothing_of_an_open_report_comes_back(app: App) -> None:
    """After `00` its reporter may go on by the same two answers; STOP ends that, too."""
    send_texts(app.sms(PHONE), "hi", "Report", *TO_SEND_SMS[1:-1], "STOP")
    assert TO_SEND_SMS[-2] not in sent_later(app, 20, *TO_SEND_SMS[:-2], "1")


@pytest.mark.rule("S-09")
@pytest.mark.parametrize("begun", [(FIRST, "1", *OTHER[1:3]), ("hi", *OTHER[:-1], FIRST)], ids=["first", "narrative"])
def test_the_providers_own_opt_out_deletes_them_for_good(app: App, begun: tuple[str, ...]) -> None:
    for n, text in enumerate(begun):
        assert at_text(app, text, f"a{n}") == 200
    assert post_webhook(app, "optout", phoneNumber=PHONE, senderId="163") == 200
    for n, text in enumerate(("hi", *OTHER, "No", "Send")):
        assert at_text(app, text, f"b{n}") == 200
    [body] = [one for one in app.bodies() if one.hotline == "vu-pikinini"]
    assert FIRST not in json.dumps(body.data)


@pytest.mark.rule("S-09")
def test_the_providers_own_opt_out_deletes_a_draft_that_outlived_its_session(app: App) -> None:
    """A session is stored for half an hour, a draft ten minutes longer."""
    for n, text in enumerate(("hi", *OTHER[:-1], FIRST)):
        assert at_text(app, text, f"a{n}") == 200
    with redis.Redis.from_url(app.plan.settings["REDIS_URL"]) as client:
        client.delete(*client.keys("s:*"))
        assert len(client.keys("d:*")) == 1
        assert post_webhook(app, "optout", phoneNumber=PHONE, senderId="163") == 200
        assert client.keys("d:*") == []
    for n, text in enumerate(("hi", *OTHER, "No", "Send")):
        assert at_text(app, text, f"b{n}") == 200
    [body] = [one for one in app.bodies() if one.hotline == "vu-pikinini"]
    assert FIRST not in json.dumps(body.data)


# A report that HELP or a keyword interrupts


@pytest.mark.rule("S-11")
@pytest.mark.parametrize("keyword", [("HELP",), ("TIPS", "0"), ("LANGUAGE", "1")], ids=" ".join)
def test_the_next_persons_report_has_no_words_of_an_interrupted_one(app: App, keyword: tuple[str, ...]) -> None:
    begun = (*TO_SEND_SMS[:-2], FIRST)
    send_texts(app.sms(PHONE), "hi", *begun, *keyword)
    assert FIRST not in sent_later(app, 20, *OTHER)
    assert FIRST in sent_later(app, 21, *TO_SEND_SMS[:-2], "1"), "the same two answers continue it, as a redial does"


CATEGORY, HARM = TO_SEND_SMS[2], "Hurt, touched, forced"
RISEN = [("Now", "1", CATEGORY), ("Now", "1", HARM), ("Now", SECOND)]


@pytest.mark.parametrize("keyword", [("HELP",), ("HELP", "HELP"), ("TIPS", "0")], ids=" ".join)
@pytest.mark.parametrize("risen", RISEN, ids=" ".join)
def test_words_before_help_are_in_the_rescue_when_the_danger_rises(
    app: App, keyword: tuple[str, ...], risen: tuple[str, ...]
) -> None:
    send_texts(app.sms(PHONE), "hi", *TO_SEND_SMS[:-2], FIRST, *keyword, "REPORT", *risen)
    app.submit_due_within(601)
    [report] = [one.data for one in app.bodies() if one.hotline == "vu-pikinini"]
    assert FIRST in json.dumps(report) and report["completeness"] == "incomplete"


def test_an_answer_about_danger_that_changed_continues_the_same_category(app: App) -> None:
    begun = ("hi", *TO_SEND_SMS[:-2], FIRST, "HELP")
    send_texts(app.sms(PHONE), *begun, "REPORT", "No", *TO_SEND_SMS[2:-2], "1", "No", "Send")
    assert heard(app) == [(FIRST, [], "complete")]


@pytest.mark.parametrize("danger", ["No", "Now"])
def test_after_another_conversation_a_changed_danger_continues_nothing(app: App, danger: str) -> None:
    """Another person may hold the phone."""
    send_texts(app.sms(PHONE), "hi", *TO_SEND_SMS[:-2], FIRST, "HELP")
    with later(minutes=32):
        send_texts(app.sms(PHONE), "hi", "REPORT", danger, *(("1",) if danger == "Now" else ()), CATEGORY, "Shefa")
    app.submit_due_within(HALF_AN_HOUR * 3)
    assert FIRST not in json.dumps([one.data for one in app.bodies()])


@pytest.mark.rule("S-26")
def test_after_help_a_call_is_not_asked_of_a_hotline_that_was_left_out(app: App) -> None:
    left_out = ("hi", *TO_SEND_SMS, "Leave one out", "Pikinini Helpline")
    send_texts(app.sms(PHONE), *left_out, "HELP", "call me", "Call 7am-9pm")
    assert app.bodies() == []
