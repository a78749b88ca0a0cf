"""A report in danger is submitted without Send; the reporter can withdraw it, and is told the truth (S-12, S-26)."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest

from gateway.submission.spool_drain import submit_late
from reports.store.schema import tables as t
from tests.safeguarding.call_paths import CHANNELS, IN_DANGER, PHONE, TO_SEND, dial_path, number, send_texts
from tests.safeguarding.outages import NUMBERS, database_unavailable, empty, later
from tests.support.app import App

pytestmark = pytest.mark.slow

LONG_AFTER = 700  # seconds; pending reports are submitted by then
TOLD = "The rest is deleted. Pikinini Helpline was told before, without your number. In danger? Call police 111."
DELETED = "Deleted: what you told us now."
WITHDRAWING = {
    "Delete": (IN_DANGER, "9"),
    "the helpline left out": (IN_DANGER, "Leave one out", "Pikinini Helpline"),
    "back, and no danger": (IN_DANGER[:4], "0", "0", "0", "No"),
    "back, and only soon": (IN_DANGER, "0", "0", "0", "0", "0", "0", "Soon"),
}


def incomplete(app: App) -> list[tuple[str, str]]:
    return [(kept.hotline, kept.data["completeness"]) for kept in app.bodies()]


@pytest.mark.rule("S-12")
@pytest.mark.parametrize("way", WITHDRAWING.values(), ids=WITHDRAWING)
@pytest.mark.parametrize("emptied", [False, True], ids=["kept", "Redis emptied"])
def test_each_way_back_stops_it_though_nobody_remembers_it(
    app: App, redis_url: str, way: tuple[Any, ...], emptied: bool
) -> None:
    """Even if the path is replayed without a session, the pending row is found in the database."""
    said, *back = way
    phone = app.ussd(PHONE, "africastalking")
    dial_path(phone, *said)
    assert app.count(t.pending) == 1
    if emptied:
        empty(redis_url)
    for reply in back:
        phone.type(reply)
    assert app.count(t.pending) == 0
    app.submit_due_within(LONG_AFTER)
    assert app.count(t.report) == 0


@pytest.mark.rule("S-12")
def test_redis_emptied_before_each_key_changes_nothing(app: App, redis_url: str) -> None:
    """Answered, withdrawn and answered again: the last state counts."""
    phone = app.ussd(PHONE, "africastalking")
    phone.dial()
    for reply in (*IN_DANGER[:4], "0", "0", "0", "No", "0", "Now", "Go on", "Asks photos, money"):
        empty(redis_url)
        phone.type(reply)
    assert app.count(t.pending) == 1
    app.submit_due_within(LONG_AFTER)
    assert incomplete(app) == [("vu-pikinini", "incomplete")]


@pytest.mark.product(parts=3)
@pytest.mark.rule("S-12")
@pytest.mark.rule("S-26")
@pytest.mark.parametrize("channel", CHANNELS)
@pytest.mark.parametrize("answers", [4, 5, 7])
def test_a_helpline_that_was_left_out_is_not_told_after_a_redial(app: App, channel: str, answers: int) -> None:
    """After a dropped call with the same first answers, a hotline that the reporter fears is still left out."""
    dial_path(app.ussd(PHONE, channel), *IN_DANGER, "Leave one out", "Pikinini Helpline")
    assert app.count(t.pending) == 0
    again = app.ussd(PHONE, channel)
    dial_path(again, *IN_DANGER[:answers])
    again.drop_call()
    app.submit_due_within(LONG_AFTER)
    assert app.count(t.report) == 0


@pytest.mark.rule("S-12")
@pytest.mark.rule("S-38")
@pytest.mark.parametrize("channel", CHANNELS)
@pytest.mark.parametrize("again", ["the same call", "a redial"])
def test_deleted_is_not_said_while_nothing_can_be_deleted(app: App, channel: str, again: str) -> None:
    """The numbers are shown instead; the draft stays, so the same key deletes it when the database is back."""
    phone = app.ussd(PHONE, channel)
    dial_path(phone, *IN_DANGER)
    with database_unavailable(app):
        seen = phone.type("9")
        assert (seen.text, seen.expects_reply) == (NUMBERS, False)
        assert (phone.again().text, phone.again().expects_reply) == (NUMBERS, False)
    assert app.count(t.pending) == 1
    if again == "a redial":
        phone = app.ussd(PHONE, channel)
        dial_path(phone, *IN_DANGER)
    assert phone.type("9").text == DELETED
    app.submit_due_within(LONG_AFTER)
    assert app.count(t.report) == 0


@pytest.mark.rule("S-12")
@pytest.mark.rule("S-38")
@pytest.mark.parametrize("channel", CHANNELS)
@pytest.mark.parametrize("said", [("9",), ("Leave one out", "Pikinini Helpline")], ids=["Delete", "left out"])
def test_who_goes_on_after_a_failed_deletion_is_heard(app: App, channel: str, said: tuple[str, ...]) -> None:
    """The deletion waits in the spool behind the report, and must not delete what is answered after it."""
    phone = app.ussd(PHONE, channel)
    with database_unavailable(app):
        dial_path(phone, *IN_DANGER)
        seen = [phone.type(reply) for reply in said]
        assert (seen[-1].text, seen[-1].expects_reply) == (NUMBERS, False)
    phone.type("0")
    assert app.count(t.pending) == 1
    app.parts.spool.drain(partial(submit_late, app.database))
    app.submit_due_within(LONG_AFTER)
    assert incomplete(app) == [("vu-pikinini", "incomplete")]


@pytest.mark.rule("S-12")
@pytest.mark.rule("S-38")
@pytest.mark.parametrize("channel", CHANNELS)
def test_what_could_not_be_deleted_goes_if_nobody_comes_back(app: App, channel: str) -> None:
    phone = app.ussd(PHONE, channel)
    dial_path(phone, *IN_DANGER)
    with database_unavailable(app):
        phone.type("9")
    app.submit_due_within(LONG_AFTER)
    assert incomplete(app) == [("vu-pikinini", "incomplete")]


@pytest.mark.rule("S-12")
@pytest.mark.rule("S-38")
@pytest.mark.parametrize("channel", CHANNELS)
def test_delete_after_it_went_says_that_the_helpline_was_told(app: App, channel: str) -> None:
    phone = app.ussd(PHONE, channel)
    dial_path(phone, *IN_DANGER)
    app.submit_due_within(121)
    seen = phone.type("9")
    assert (seen.text, seen.expects_reply) == (TOLD, False)
    app.submit_due_within(LONG_AFTER)
    assert incomplete(app) == [("vu-pikinini", "incomplete")]


@pytest.mark.rule("S-12")
@pytest.mark.rule("S-38")
def test_delete_after_it_went_says_so_by_sms_and_after_redis_was_emptied(app: App, redis_url: str) -> None:
    sms_dispatcher = app.sms(PHONE)
    send_texts(sms_dispatcher, "REPORT", "1", *IN_DANGER[1:-1], "My cousin is in trouble at home", "No")
    app.submit_due_within(LONG_AFTER)
    assert send_texts(sms_dispatcher, "9") == [TOLD]
    caller = app.ussd("+6785550102", "africastalking")
    dial_path(caller, *IN_DANGER)
    app.submit_due_within(121)
    empty(redis_url)
    assert caller.type("9").text == TOLD
    assert incomplete(app) == [("vu-pikinini", "incomplete")] * 2


@pytest.mark.rule("S-12")
@pytest.mark.rule("S-38")
@pytest.mark.parametrize("channel", CHANNELS)
def test_an_answer_after_it_went_can_be_taken_back_and_what_went_before_it_cannot(app: App, channel: str) -> None:
    phone = app.ussd(PHONE, channel)
    dial_path(phone, *IN_DANGER[:-1])
    app.submit_due_within(121)
    phone.type(IN_DANGER[-1])
    assert app.count(t.pending) == 1
    assert phone.type("9").text == TOLD
    app.submit_due_within(LONG_AFTER)
    assert incomplete(app) == [("vu-pikinini", "incomplete")]


@pytest.mark.rule("S-04")
@pytest.mark.rule("S-38")
@pytest.mark.parametrize("channel", CHANNELS)
def test_after_a_redial_deleted_means_this_call_alone_and_is_the_same_for_everybody(app: App, channel: str) -> None:
    """The helpline has the answers of the first call; the screen neither says so nor says that they are deleted."""
    dial_path(app.ussd(PHONE, channel), *IN_DANGER)
    app.submit_due_within(121)
    assert incomplete(app) == [("vu-pikinini", "incomplete")]
    with later(minutes=5):
        seen = dial_path(app.ussd(PHONE, channel), *IN_DANGER, "9")[-1]
        assert seen == dial_path(app.ussd(number(2), channel), *IN_DANGER, "9")[-1] == DELETED


@pytest.mark.rule("S-04")
@pytest.mark.rule("S-38")
@pytest.mark.parametrize("channel", CHANNELS)
@pytest.mark.parametrize("answers", [5, 7])
@pytest.mark.parametrize("is_first_delivered", [False, True])
def test_after_a_redial_what_this_call_told_the_helpline_is_not_called_deleted(
    app: App, channel: str, answers: int, is_first_delivered: bool
) -> None:
    """Whoever is on the phone knows what they told; the screen is that of a phone that never called before."""
    dial_path(app.ussd(PHONE, channel), *IN_DANGER)
    if is_first_delivered:
        app.submit_due_within(121)
    with later(minutes=5):
        seen = []
        for phone in (app.ussd(PHONE, channel), app.ussd(number(2), channel)):
            dial_path(phone, *IN_DANGER[:answers])
            app.submit_due_within(500)
            seen.append([phone.type(reply).text for reply in (*IN_DANGER[answers:], "9")])
    assert seen[0] == seen[1] and seen[0][-1] == TOLD
    assert app.count(t.pending) == 0


@pytest.mark.rule("S-38")
def test_by_sms_what_was_told_after_help_is_not_called_deleted(app: App) -> None:
    report = ("REPORT", "1", *IN_DANGER[1:-1])
    phone = app.sms(PHONE)
    send_texts(phone, *report, "HELP", "1", *IN_DANGER[1:-1])
    app.submit_due_within(LONG_AFTER)
    assert send_texts(phone, "My cousin is in trouble at home", "9", "No", "9")[-1] == TOLD


@pytest.mark.rule("S-12")
@pytest.mark.parametrize("emptied", [False, True], ids=["kept", "Redis emptied"])
def test_where_nothing_was_left_behind_deleted_is_the_truth(app: App, redis_url: str, emptied: bool) -> None:
    phone = app.ussd(PHONE, "africastalking")
    dial_path(phone, *TO_SEND)
    if emptied:
        empty(redis_url)
    assert phone.type("9").text == DELETED
    assert app.count(t.report) == 0
