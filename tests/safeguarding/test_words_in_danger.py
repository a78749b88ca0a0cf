"""Words that a person types instead of a choice: in danger they are delivered even without a category."""

from __future__ import annotations

import pytest

from reports.store.schema import tables as t
from tests.reports.schema_check import CLOSED_SCHEMA
from tests.safeguarding.call_paths import CHANNELS, PHONE, dial_path, send_texts
from tests.support.app import App, DecryptedRevision

pytestmark = pytest.mark.slow

KNIFE = "he has a knife come now"
SHORT = "my dad hits"  # too short for free text elsewhere
UNCLE = "My uncle hurts me every night"
RESCUE_USSD, RESCUE_SMS, UNCONFIRMED = 121, 601, 1801  # seconds


def helpline(app: App) -> list[DecryptedRevision]:
    """Return what the child helpline received, oldest first."""
    bodies = app.bodies()
    assert {body.hotline for body in bodies} <= {"vu-pikinini"}
    for body in bodies:
        CLOSED_SCHEMA.validate(body.data)
    return bodies


def unasked(body: DecryptedRevision) -> list[str]:
    return [said["text"] for said in body.data["unasked"]]


@pytest.mark.rule("S-02")
@pytest.mark.parametrize("answer", ["yes", "Yes!", "now", "i am", "yes now", "9"])
def test_each_answer_to_the_question_about_danger_by_sms_brings_the_number(app: App, answer: str) -> None:
    assert "Call police 111" in send_texts(app.sms(PHONE), "hi", "Report", answer)[-1]


@pytest.mark.rule("S-12")
@pytest.mark.parametrize("words", [KNIFE, SHORT])
@pytest.mark.parametrize("before", [("Report", "Now"), ("Report", "Now", "Go on")], ids=["numbers", "category"])
@pytest.mark.parametrize("channel", CHANNELS)
def test_by_ussd_words_after_now_are_delivered_without_a_category(
    app: App, channel: str, before: tuple[str, ...], words: str
) -> None:
    dial_path(app.ussd(PHONE, channel), *before, words)
    app.submit_due_within(RESCUE_USSD - 10)
    assert helpline(app) == []
    app.submit_due_within(RESCUE_USSD)
    [body] = helpline(app)
    assert unasked(body) == [words]
    assert (body.data["danger"], body.data["category"], body.data["completeness"]) == ("now", None, "incomplete")
    assert body.data["triage"]["priority"] == "P1" and body.data["contact"]["allowed"] is False


@pytest.mark.rule("S-12")
def test_by_ussd_words_at_the_question_about_danger_go_with_the_answer_now(app: App) -> None:
    dial_path(app.ussd(PHONE), "Report", KNIFE, "Now")
    app.submit_due_within(RESCUE_USSD)
    [body] = helpline(app)
    assert unasked(body) == [KNIFE]


@pytest.mark.rule("S-12")
@pytest.mark.parametrize("last", [(), ("00",), ("STOP",)], ids=["silence", "00", "STOP"])
def test_by_sms_words_after_now_are_delivered_at_the_period_of_danger(app: App, last: tuple[str, ...]) -> None:
    phone = app.sms(PHONE)
    send_texts(phone, "hello", "1", "1", UNCLE, KNIFE, *last)
    app.submit_due_within(RESCUE_SMS - 10)
    assert helpline(app) == []
    app.submit_due_within(RESCUE_SMS)
    [body] = helpline(app)
    assert unasked(body) == [UNCLE, KNIFE]


@pytest.mark.rule("S-12")
@pytest.mark.parametrize("words", ["help me", "Help me!", "HELP PLS", "help please"])
@pytest.mark.parametrize("before", [("Now",), ("Now", "Go on")], ids=["numbers", "category"])
def test_by_sms_words_after_now_that_resemble_help_are_delivered(app: App, before: tuple[str, ...], words: str) -> None:
    [*_, reply] = send_texts(app.sms(PHONE), "hello", "Report", *before, words)
    assert "police 111" in reply
    app.submit_due_within(RESCUE_SMS)
    [body] = helpline(app)
    assert unasked(body) == [words]


@pytest.mark.rule("S-12")
@pytest.mark.parametrize("before", [("Now",), ("Now", "Go on")], ids=["numbers", "category"])
def test_by_sms_words_in_danger_with_code_and_pin_are_delivered_without_their_digits(
    app: App, before: tuple[str, ...]
) -> None:
    """The screen has promised to deliver them; code and PIN open the earlier report on any phone."""
    words = "He is here again, my code is 3286 1120 and my PIN 0745"
    [*_, reply] = send_texts(app.sms(PHONE), "hello", "Report", *before, words)
    assert "code" not in reply
    app.submit_due_within(RESCUE_SMS)
    [body] = helpline(app)
    assert unasked(body) == ["He is here again, my code is •••• •••• and my PIN ••••"]


@pytest.mark.rule("S-12")
def test_words_first_and_then_now_wait_for_the_period_of_danger_only(app: App) -> None:
    send_texts(app.sms(PHONE), UNCLE, "1", "Now")
    app.submit_due_within(RESCUE_SMS)
    [body] = helpline(app)
    assert (body.data["narrative"], body.data["danger"]) == (UNCLE, "now")


@pytest.mark.rule("S-12")
@pytest.mark.parametrize("before", [(), ("Soon",), ("No",)], ids=["danger", "soon", "no"])
def test_by_sms_words_before_a_report_is_begun_are_as_a_first_text(app: App, before: tuple[str, ...]) -> None:
    phone = app.sms(PHONE)
    seen = send_texts(phone, "hello", "1", *before, UNCLE)
    assert seen[-1].startswith("Not sent yet.") and "gets it within 30 min" in seen[-1]
    app.submit_due_within(UNCONFIRMED)
    [body] = helpline(app)
    assert (body.data["narrative"], body.data["triage"]["flags"]) == (UNCLE, ["INCOMPLETE", "NO_CONTACT", "WORDS_ONLY"])


@pytest.mark.rule("S-12")
@pytest.mark.parametrize("danger", ["Soon", "No", "Not sure"])
def test_by_ussd_words_at_another_danger_wait_for_send(app: App, danger: str) -> None:
    """No screen promises that they are delivered without Send."""
    seen = dial_path(app.ussd(PHONE), "Report", danger, UNCLE)
    assert seen[-1].startswith("Sorry, try again.") and "gets it" not in "".join(seen)
    assert app.count(t.pending) == 0


@pytest.mark.rule("S-12")
def test_the_answer_now_without_words_and_category_delivers_nothing(app: App) -> None:
    dial_path(app.ussd(PHONE), "Report", "Now", "nwo")
    assert app.count(t.pending) == 0


@pytest.mark.rule("S-12")
@pytest.mark.parametrize("kind", ["ussd", "sms"])
def test_words_without_a_category_and_the_whole_report_after_them_are_one_report(app: App, kind: str) -> None:
    if kind == "ussd":
        dial_path(app.ussd(PHONE), "Report", "Now", KNIFE, "1", "Asks photos, money", "Shefa", "Me", "No", "Send")
    else:
        send_texts(app.sms(PHONE), "hi", "1", "1", KNIFE, "1", "Asks photos, money", "Shefa", "Me", "1", "No", "Send")
    app.submit_due_within(UNCONFIRMED)
    reports = {body.report_id for body in app.bodies()}
    assert len(reports) == 1 and all(unasked(body) == [KNIFE] for body in app.bodies())
    assert {body.data["completeness"] for body in app.bodies()} == {"complete"}


@pytest.mark.rule("S-12")
def test_back_from_now_takes_the_promise_back_and_now_gives_it_again(app: App) -> None:
    phone = app.ussd(PHONE)
    dial_path(phone, "Report", "Now", KNIFE, "0")
    assert app.count(t.pending) == 0
    phone.type("Now")
    assert app.count(t.pending) == 1
