"""By SMS a report opened under My report closes after five minutes: the next person has no part in it."""

from __future__ import annotations

import pytest

from gateway.sessions.store import OPENED_SECONDS
from reports.store.schema import tables as t
from tests.safeguarding.call_paths import PHONE, TO_SENT, dial_path, number, send_texts
from tests.safeguarding.outages import code_and_pin, later
from tests.safeguarding.test_my_report import SentReport
from tests.support.app import App

pytestmark = pytest.mark.slow

WORDS = "The green kite is in the tall tree again"
MESSAGE = "the teal lamp is lit"


@pytest.fixture
def report(app: App) -> SentReport:
    code, pin = code_and_pin(dial_path(app.ussd(PHONE), *TO_SENT)[-1])
    app.parts.housekeeping.once()
    report = SentReport(app, code, pin, app.rows(t.report)[-1].report_id)
    assert report.put(MESSAGE).exit_code == 0
    return report


@pytest.mark.rule("S-04")
@pytest.mark.rule("S-35")
@pytest.mark.parametrize("opened", [(), ("1",), ("2",), ("4",)], ids=["state", "message", "write", "delete"])
@pytest.mark.parametrize("text", ["1", "4", "hi", "Delete", "Call 7am-9pm", WORDS, "tips", "00", "stop", "help"])
def test_after_five_minutes_a_text_is_answered_as_on_any_phone(
    app: App, report: SentReport, opened: tuple[str, ...], text: str
) -> None:
    phone = app.sms(number(44))
    assert send_texts(phone, "code", report.code, report.pin, *opened)[3 if opened else 2]
    with later(seconds=OPENED_SECONDS):
        assert send_texts(phone, text, "1", "hm") == send_texts(app.sms(number(45)), text, "1", "hm")
    assert report.messages() == []
    assert "Being deleted" not in report.opened()[0] and "\n1 Messages" in report.opened()[0]


@pytest.mark.rule("S-12")
def test_words_after_the_five_minutes_are_not_lost(app: App, report: SentReport) -> None:
    phone = app.sms(number(44))
    send_texts(phone, "code", report.code, report.pin, "2")
    with later(minutes=6):
        assert send_texts(phone, WORDS)[-1].startswith("Not sent yet.")
        app.submit_due_within(31 * 60)
    assert WORDS in {body.data["narrative"] for body in app.bodies()}


def test_code_and_pin_open_it_again_and_each_text_gives_five_minutes_more(app: App, report: SentReport) -> None:
    phone = app.sms(number(44))
    state = send_texts(phone, "code", report.code, report.pin)[-1]
    with later(minutes=4):
        assert MESSAGE in send_texts(phone, "1")[-1]
    with later(minutes=8):
        assert send_texts(phone, "0")[-1] == state
    with later(minutes=14):
        assert send_texts(phone, "1", "code", report.code, report.pin)[-1] == state


@pytest.mark.rule("S-12")
def test_words_that_wait_to_be_confirmed_are_delivered_whatever_the_next_person_does(
    app: App, report: SentReport
) -> None:
    phone = app.sms(number(44))
    send_texts(phone, WORDS, "code", report.code, report.pin)
    with later(minutes=6):
        assert send_texts(phone, "hi", "00")[-1] == ""
        app.submit_due_within(40 * 60)
    assert WORDS in {body.data["narrative"] for body in app.bodies()}
