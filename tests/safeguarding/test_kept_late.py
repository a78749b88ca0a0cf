"""NOT SENT was shown, and a slow disk stored the report nevertheless: the next statement is true (S-26, S-38)."""

from __future__ import annotations

from contextlib import nullcontext
from typing import Any

import pytest

from reports.store.schema import tables as t
from tests.safeguarding.call_paths import (
    CHANNELS,
    IN_DANGER,
    PHONE,
    TO_SEND,
    TO_SEND_SMS,
    TO_SENT,
    dial_path,
    send_texts,
)
from tests.safeguarding.outages import code_and_pin, database_unavailable
from tests.safeguarding.stored_late import FAULTS, Fault, in_the_spool, newest, not_sent
from tests.support.app import App

pytestmark = [pytest.mark.slow, pytest.mark.rule("S-38")]

FURTHER = "The green bicycle stands by the shop"
ASKED = "Being deleted here. Now delete these texts: open this thread, Options, Delete. Do the same in Sent."
AFTER = pytest.mark.parametrize(
    "after", [nullcontext, database_unavailable], ids=["all is back", "the database is away"]
)


def heard(app: App) -> dict[str, dict[str, Any]]:
    """Return the newest body of each hotline, and check that there is one report."""
    found = newest(app)
    assert app.count(t.report) == 1 and app.count(t.pending) == 0
    return found


@pytest.mark.product(parts=2)
@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
@AFTER
@pytest.mark.parametrize("filed_between", [False, True], ids=["", "filed in between"])
def test_what_is_texted_before_it_is_sent_again_is_heard(
    app: App, fault: Fault, after: Fault, filed_between: bool
) -> None:
    phone = app.sms(PHONE)
    send_texts(phone, "REPORT", "1", *TO_SEND_SMS[1:])
    with fault(app):
        not_sent(send_texts(phone, "Send")[0])
    if filed_between:
        app.parts.housekeeping.once()
    with after(app):
        _, sent = send_texts(phone, FURTHER, "Send")
    assert sent.startswith("Sent to ")
    for data in heard(app).values():
        assert data["completeness"] == "complete"
        assert data["narrative"] == TO_SEND_SMS[-2]
        assert FURTHER in [one["text"] for one in data["unasked"]]


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
@AFTER
def test_what_is_added_again_is_heard(app: App, fault: Fault, after: Fault) -> None:
    """After Send: an addition that was stored late does not replace the next one."""
    phone = app.sms(PHONE)
    send_texts(phone, "REPORT", "1", *TO_SEND_SMS[1:], "Send", "Add more", "Write more")
    with fault(app):
        not_sent(send_texts(phone, "It was in the morning")[0])
    with after(app):
        assert send_texts(phone, FURTHER)[0].startswith("Added.")
    for data in heard(app).values():
        assert FURTHER in [one["text"] for one in data["additions"]]


@pytest.mark.product(parts=3)
@pytest.mark.parametrize("channel", CHANNELS)
@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
@AFTER
def test_dialled_again_the_code_that_is_shown_opens_what_was_said_last(
    app: App, channel: str, fault: Fault, after: Fault
) -> None:
    with fault(app):
        not_sent(dial_path(app.ussd(PHONE, channel), *TO_SENT)[-1])
    with after(app):
        sent = dial_path(app.ussd(PHONE, channel), *TO_SEND[:-1], "SMS 8am-4pm", "Send")[-1]
    assert [data["contact"]["how"] for data in heard(app).values()] == ["sms"] * 3
    opened = dial_path(app.ussd("+6785550171"), "My report", *code_and_pin(sent))[-1]
    assert "wrong" not in opened and "Code" not in opened, opened


@pytest.mark.rule("S-26")
@pytest.mark.parametrize("channel", CHANNELS)
def test_who_is_left_out_the_second_time_is_not_told_by_the_first(app: App, channel: str) -> None:
    with in_the_spool(app):
        not_sent(dial_path(app.ussd(PHONE, channel), *TO_SENT)[-1])
    with database_unavailable(app):
        dial_path(app.ussd(PHONE, channel), *TO_SEND, "Leave one out", "Pikinini Helpline", "Send")
    assert list(heard(app)) == ["vu-womens-centre", "vu-police"]


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
def test_who_does_not_come_back_is_heard(app: App, fault: Fault) -> None:
    with fault(app):
        not_sent(dial_path(app.ussd(PHONE), *TO_SENT)[-1])
    assert {data["completeness"] for data in heard(app).values()} == {"complete"}


@pytest.mark.parametrize("channel", CHANNELS)
def test_deleted_is_true(app: App, channel: str) -> None:
    with in_the_spool(app):
        not_sent(dial_path(app.ussd(PHONE, channel), *TO_SENT)[-1])
    assert dial_path(app.ussd(PHONE, channel), *TO_SEND, "9")[-1] == "Deleted: what you told us now."
    assert newest(app) == {}


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
@pytest.mark.parametrize("contact", ["No", "SMS 7am-9pm"])
def test_of_what_is_filed_deletion_is_asked(app: App, fault: Fault, contact: str) -> None:
    """As with code and PIN: the hotlines that have the report are told that its reporter wants it deleted."""
    phone = app.sms(PHONE)
    send_texts(phone, "REPORT", "1", *TO_SEND_SMS[1:-1], contact)
    with fault(app):
        not_sent(send_texts(phone, "Send")[0])
    app.parts.housekeeping.once()
    assert send_texts(phone, "9") == [ASKED]
    assert "delete_asked" in {row.act for row in app.rows(t.audit)}
    assert {row.recipient for row in app.rows(t.message)} == set(heard(app))


@pytest.mark.rule("S-28")
@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
@pytest.mark.parametrize("answers", [(*IN_DANGER[1:-1], FURTHER, "No"), TO_SEND_SMS[1:]], ids=["in danger", "not now"])
def test_of_what_is_filed_after_help_deletion_is_asked(app: App, fault: Fault, answers: tuple[str, ...]) -> None:
    """The report continues the one before HELP; but whoever pressed Send here knows what they told."""
    phone = app.sms(PHONE)
    send_texts(phone, "REPORT", "1", *answers, "HELP", "1", *answers)
    with fault(app):
        not_sent(send_texts(phone, "Send")[0])
    app.parts.housekeeping.once()
    assert send_texts(phone, "9") == [ASKED]
    assert {row.recipient for row in app.rows(t.message)} == set(heard(app))


@pytest.mark.product(parts=3)
@pytest.mark.rule("S-05")
@pytest.mark.parametrize("channel", CHANNELS)
@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
def test_who_dials_next_learns_nothing_of_it(app: App, channel: str, fault: Fault) -> None:
    fresh = dial_path(app.ussd("+6785550172", channel), *TO_SEND, "9")
    with fault(app):
        not_sent(dial_path(app.ussd(PHONE, channel), *TO_SENT)[-1])
    app.parts.housekeeping.once()
    assert dial_path(app.ussd(PHONE, channel), *TO_SEND, "9") == fresh
