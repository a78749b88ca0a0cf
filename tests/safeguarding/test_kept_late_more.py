"""NOT SENT twice or more, or with further faults: the highest revision has the last answers."""

from __future__ import annotations

from contextlib import nullcontext
from typing import Any
from unittest.mock import patch

import pytest

from reports.store.spool import SpoolWriteError
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
from tests.safeguarding.outages import NUMBERS, code_and_pin, database_unavailable, session_not_saved
from tests.safeguarding.stored_late import (
    FAULTS,
    Fault,
    ends_not_sent,
    in_both,
    in_the_database,
    in_the_spool,
    newest,
    not_sent,
    nowhere,
)
from tests.support.app import App

pytestmark = [pytest.mark.slow, pytest.mark.rule("S-38")]

SMS = ("REPORT", "1", *TO_SEND_SMS[1:])
DANGER_SMS = ("REPORT", "1", *IN_DANGER[1:-1], "It happens on the way home every day", "No")
FURTHER = "The green bicycle stands by the shop"
LEFT_OUT = ("Leave one out", "Pikinini Helpline")
every_channel = pytest.mark.parametrize("channel", CHANNELS)
every_fault = pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
any_fault = pytest.mark.parametrize("fault", [*FAULTS.values(), nowhere], ids=[*FAULTS, "nowhere"])


def opens(app: App, *screens: str) -> None:
    for screen in screens:
        seen = dial_path(app.ussd("+6785550171"), "My report", *code_and_pin(screen))[-1]
        assert "Code or PIN is not right" not in seen, seen


def is_sent(seen: str) -> None:
    assert seen.startswith("Sent to "), seen


# Number


@every_channel
def test_a_call_that_carries_on_and_both_are_late(app: App, channel: str) -> None:
    dial_path(app.ussd(PHONE, channel), *TO_SEND[:3])
    ends_not_sent(app, in_both, app.ussd(PHONE, channel), *TO_SEND)
    is_sent(dial_path(app.ussd(PHONE, channel), *TO_SEND[:-1], "SMS 8am-4pm", "Send")[-1])
    assert [one["contact"]["how"] for one in newest(app).values()] == ["sms"] * 3


@pytest.mark.product(parts=3)
@every_channel
@every_fault
def test_sent_after_two_not_sent(app: App, channel: str, fault: Fault) -> None:
    ends_not_sent(app, fault, app.ussd(PHONE, channel), *TO_SEND)
    app.parts.housekeeping.once()
    ends_not_sent(app, in_the_spool, app.ussd(PHONE, channel), *TO_SEND)
    is_sent(dial_path(app.ussd(PHONE, channel), *TO_SEND[:-1], "SMS 8am-4pm", "Send")[-1])
    assert [one["contact"]["how"] for one in newest(app).values()] == ["sms"] * 3


def test_words_after_two_not_sent(app: App) -> None:
    phone = app.sms(PHONE)
    send_texts(phone, *SMS)
    for fault in (in_the_database, in_the_spool):
        with fault(app):
            not_sent(send_texts(phone, "Send")[0])
    is_sent(send_texts(phone, FURTHER, "Send")[-1])
    assert all(FURTHER in str(one["unasked"]) for one in newest(app).values())


@pytest.mark.rule("S-26")
@every_channel
def test_who_is_left_out_the_first_and_the_last_time_is_not_told(app: App, channel: str) -> None:
    with in_the_database(app):
        not_sent(dial_path(app.ussd(PHONE, channel), *TO_SEND, *LEFT_OUT, "Send")[-1])
    ends_not_sent(app, in_the_spool, app.ussd(PHONE, channel), *TO_SEND)
    is_sent(dial_path(app.ussd(PHONE, channel), *TO_SEND, *LEFT_OUT, "Send")[-1])
    assert "vu-pikinini" not in newest(app)


@pytest.mark.rule("S-26")
def test_the_first_comes_while_the_second_is_written(app: App) -> None:
    spool = app.parts.spool
    hung: list[tuple[str, bytes]] = []
    write = spool._write

    def stalled(name: str, data: bytes) -> None:
        hung.append((name, data))
        raise OSError("slow")

    def over(name: str, data: bytes) -> None:
        while hung:
            write(*hung.pop())
        write(name, data)

    with database_unavailable(app), patch.object(spool, "_write", stalled):
        not_sent(dial_path(app.ussd(PHONE), *TO_SENT)[-1])
    with database_unavailable(app), patch.object(spool, "_write", over):
        is_sent(dial_path(app.ussd(PHONE), *TO_SEND, *LEFT_OUT, "Send")[-1])
    assert "vu-pikinini" not in newest(app)


# Code


@every_channel
def test_the_code_that_was_shown_after_two_not_sent_opens(app: App, channel: str) -> None:
    for _ in range(2):
        ends_not_sent(app, in_the_spool, app.ussd(PHONE, channel), *TO_SEND)
    sent = dial_path(app.ussd(PHONE, channel), *TO_SENT)[-1]
    app.parts.housekeeping.once()
    opens(app, sent)


@pytest.mark.product(parts=4)
@every_channel
@any_fault
def test_sent_and_redis_kept_none_of_it_the_next_child_has_a_report_of_its_own(
    app: App, channel: str, fault: Fault
) -> None:
    ends_not_sent(app, fault, app.ussd(PHONE, channel), *TO_SEND)
    phone = app.ussd(PHONE, channel)
    dial_path(phone, *TO_SEND)
    with session_not_saved(app):
        sent = phone.type("Send").text
    is_sent(sent)
    other = dial_path(app.ussd(PHONE, channel), *TO_SENT)[-1]
    newest(app)
    opens(app, sent, other)


@every_channel
def test_what_was_sent_stays_in_the_spool(app: App, channel: str) -> None:
    ends_not_sent(app, nowhere, app.ussd(PHONE, channel), *TO_SEND)
    phone = app.ussd(PHONE, channel)
    dial_path(phone, *TO_SEND[:-1], "SMS 7am-9pm")
    with database_unavailable(app):
        with session_not_saved(app):
            is_sent(phone.type("Send").text)
        [confirmed] = app.parts.spool.names()
        dial_path(app.ussd(PHONE, channel), *TO_SENT)
        assert confirmed in app.parts.spool.names()


# Danger


@pytest.mark.product(parts=4)
@every_channel
@any_fault
def test_with_the_helpline_left_out_one_can_still_send(app: App, channel: str, fault: Fault) -> None:
    ends_not_sent(app, fault, app.ussd(PHONE, channel), *IN_DANGER, *LEFT_OUT)
    with database_unavailable(app):
        seen = dial_path(app.ussd(PHONE, channel), *IN_DANGER, "Send")
    assert NUMBERS not in seen
    is_sent(seen[-1])


def test_with_the_helpline_left_out_words_are_taken(app: App) -> None:
    phone = app.sms(PHONE)
    send_texts(phone, *DANGER_SMS, *LEFT_OUT)
    with nowhere(app):
        not_sent(send_texts(phone, "Send")[0])
    with database_unavailable(app):
        send_texts(phone, FURTHER)
        is_sent(send_texts(phone, "Send")[0])
    assert all(FURTHER in str(one) for one in newest(app).values())


@pytest.mark.parametrize(
    ("fault", "away"),
    [(in_the_spool, False), (in_the_spool, True), (in_both, False), (in_both, True), (in_the_database, False)],
)
def test_words_texted_after_it_and_never_sent_are_heard(app: App, fault: Fault, away: bool) -> None:
    phone = app.sms(PHONE)
    send_texts(phone, *DANGER_SMS)
    with fault(app):
        not_sent(send_texts(phone, "Send")[0])
    with database_unavailable(app) if away else nullcontext():
        send_texts(phone, FURTHER)
    found = newest(app)
    assert {one["completeness"] for one in found.values()} == {"complete"}
    assert all(FURTHER in str(one["unasked"]) for one in found.values())


@pytest.mark.product(parts=3)
@every_channel
@every_fault
def test_no_number_goes_before_it_is_sent_again(app: App, channel: str, fault: Fault) -> None:
    ends_not_sent(app, fault, app.ussd(PHONE, channel), *IN_DANGER)
    app.parts.housekeeping.once()
    dial_path(app.ussd(PHONE, channel), *IN_DANGER[:-1], "Call 7am-9pm")
    assert not any(one["contact"].get("msisdn") for one in newest(app).values())


@pytest.mark.product(parts=3)
@pytest.mark.rule("S-26")
@every_channel
@every_fault
def test_who_is_left_out_on_the_next_call_hears_nothing_of_that(app: App, channel: str, fault: Fault) -> None:
    ends_not_sent(app, fault, app.ussd(PHONE, channel), *IN_DANGER)
    app.parts.housekeeping.once()
    before = max(one.revision for one in app.bodies())
    dial_path(app.ussd(PHONE, channel), *IN_DANGER[:4], "Tafea", *IN_DANGER[5:], *LEFT_OUT)
    newest(app)
    assert ("vu-pikinini", True) not in {(one.hotline, one.revision > before) for one in app.bodies()}


@pytest.mark.product(parts=3)
@every_channel
@every_fault
def test_nothing_incomplete_comes_after_what_is_whole(app: App, channel: str, fault: Fault) -> None:
    ends_not_sent(app, fault, app.ussd(PHONE, channel), *IN_DANGER[:-1], "Call 7am-9pm")
    app.parts.housekeeping.once()
    dial_path(app.ussd(PHONE, channel), *IN_DANGER[:4])
    assert {one["completeness"] for one in newest(app).values()} == {"complete"}


# Deleting and leaving


def test_deleted_is_not_said_where_the_deletion_is_not_kept(app: App) -> None:
    phone = app.sms(PHONE)
    send_texts(phone, *SMS)
    with in_the_spool(app):
        not_sent(send_texts(phone, "Send")[0])
    with patch.object(app.parts.spool, "put", side_effect=SpoolWriteError("full")):
        assert send_texts(phone, "9")[0].startswith("Not working now.")
    assert newest(app)


def test_left_by_00_it_is_heard(app: App) -> None:
    phone = app.sms(PHONE)
    send_texts(phone, "My cousin is in trouble at home", "REPORT", *TO_SEND_SMS[1:])
    with in_the_spool(app):
        not_sent(send_texts(phone, "Send")[0])
    send_texts(phone, "00")
    assert newest(app)


@pytest.mark.rule("S-05")
@pytest.mark.rule("S-12")
def test_who_dials_next_learns_nothing_though_the_database_is_away_a_moment(app: App) -> None:
    def deletes(phone: Any) -> str:
        with database_unavailable(app):
            dial_path(phone, *IN_DANGER)
        return str(phone.type("9").text)

    fresh = deletes(app.ussd("+6785550172"))
    app.parts.housekeeping.once()
    dial_path(app.ussd(PHONE), *IN_DANGER)
    app.submit_due_within(200)
    assert deletes(app.ussd(PHONE)) == fresh
