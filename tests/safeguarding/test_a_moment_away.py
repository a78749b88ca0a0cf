"""The database is unavailable for a moment.

Promised reports arrive complete, withdrawn ones do not, and no reporter affects another (S-12, S-38).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

import pytest

from gateway.submission import submitter
from reports.store.engine.database import DatabaseUnavailable
from reports.store.schema import tables as t
from tests.safeguarding.call_paths import IN_DANGER, PHONE, TO_SENT, dial_path, number, send_texts
from tests.safeguarding.outages import database_unavailable, redis_unavailable
from tests.safeguarding.test_my_report import sent
from tests.support.app import App

pytestmark = [pytest.mark.slow, pytest.mark.rule("S-12"), pytest.mark.rule("S-38")]

LONG_AFTER = 2000  # seconds; pending reports are submitted by then
FIRST, SECOND = "My cousin is in trouble at home", "and it is the same each evening"
IN_TIME = IN_DANGER[:4]  # from the category on, the screen promises the helpline


@contextmanager
def committed_all_the_same() -> Iterator[None]:
    """Let COMMIT succeed too late for the answer."""
    put = submitter.pending_submissions.schedule_pending

    def late(*given: Any, **named: Any) -> None:
        put(*given, **named)
        raise DatabaseUnavailable("too slow")

    with patch.object(submitter.pending_submissions, "schedule_pending", late):
        yield


def heard(app: App) -> list[tuple[str, str | None]]:
    return [(one.data["completeness"], one.data["narrative"]) for one in app.bodies() if one.hotline == "vu-pikinini"]


def drain(app: App) -> None:
    app.parts.housekeeping.once()
    assert app.parts.spool.names() == []


@pytest.mark.parametrize("away", [(False, True), (True, False), (True, True)], ids=["second", "first", "both"])
def test_of_two_texts_both_are_heard_whichever_met_it(app: App, away: tuple[bool, bool]) -> None:
    phone = app.sms(PHONE)
    for text, is_away in zip((FIRST, SECOND), away, strict=True):
        if is_away:
            with database_unavailable(app):
                send_texts(phone, text)
        else:
            send_texts(phone, text)
    drain(app)
    app.submit_due_within(LONG_AFTER)
    [report] = app.bodies()
    assert report.data["completeness"] == "incomplete"
    assert [report.data["narrative"], *(one["text"] for one in report.data["unasked"])] == [FIRST, SECOND]


@pytest.mark.parametrize("channel", ["africastalking", "kannel"])
def test_danger_now_and_the_line_dropped_is_heard(app: App, channel: str) -> None:
    """The screen promises a report. Every answer replaces the entry before: the spool holds one entry."""
    with database_unavailable(app):
        dial_path(app.ussd(PHONE, channel), *IN_DANGER)
        assert len(app.parts.spool.names()) == 1
    drain(app)
    app.submit_due_within(60)
    assert heard(app) == [], "there is time to go on"
    app.submit_due_within(LONG_AFTER)
    assert [completeness for completeness, _ in heard(app)] == ["incomplete"]


def test_who_goes_on_and_sends_is_heard_once(app: App) -> None:
    phone = app.ussd(PHONE, "africastalking")
    with database_unavailable(app):
        dial_path(phone, *IN_DANGER)
    assert phone.type("Send").text.startswith("Sent to ")
    drain(app)
    app.submit_due_within(LONG_AFTER)
    assert [completeness for completeness, _ in heard(app)] == ["complete"]


WAYS_BACK = {"Delete": (IN_DANGER, "9"), "no danger": (IN_TIME, "0", "0", "0", "No")}


@pytest.mark.parametrize("way", WAYS_BACK.values(), ids=WAYS_BACK)
def test_taken_back_though_its_commit_came_late(app: App, way: tuple[Any, ...]) -> None:
    said, *back = way
    phone = app.ussd(PHONE, "africastalking")
    with committed_all_the_same():
        dial_path(phone, *said)
    assert app.count(t.pending) == 1
    for reply in back:
        phone.type(reply)
    drain(app)
    app.submit_due_within(LONG_AFTER)
    assert heard(app) == []


@pytest.mark.parametrize("out", ["00", "STOP"])
def test_words_taken_back_stay_so_whichever_round_empties_the_spool(app: App, out: str) -> None:
    """A job in between puts entries that it could not submit at the end; the deletion must not overtake them."""
    phone = app.sms(PHONE)
    with database_unavailable(app):
        send_texts(phone, FIRST)
        app.parts.housekeeping.once()
        send_texts(phone, out)
    drain(app)
    app.submit_due_within(LONG_AFTER)
    assert heard(app) == []


def test_deleted_after_a_round_that_could_not_file_it(app: App) -> None:
    phone = app.ussd(PHONE, "africastalking")
    with database_unavailable(app):
        dial_path(phone, *IN_DANGER)
        app.parts.housekeeping.once()
    assert phone.type("9").text == "Deleted: what you told us now."
    drain(app)
    app.submit_due_within(LONG_AFTER)
    assert heard(app) == []


def test_in_no_danger_after_all_goes_on_to_send_while_the_database_is_away(app: App) -> None:
    phone = app.ussd(PHONE, "africastalking")
    with database_unavailable(app):
        dial_path(phone, *IN_TIME, "0", "0", "0", "No")
        for reply in TO_SENT[2:-1]:
            phone.type(reply)
        assert phone.type("Send").text.startswith("Sent to ")
    drain(app)
    app.submit_due_within(LONG_AFTER)
    first = app.bodies()[0].data
    assert (first["completeness"], first["danger"]) == ("complete", "no")
    assert {completeness for completeness, _ in heard(app)} == {"complete"}


@pytest.mark.parametrize("filed_first", [False, True], ids=["together", "the clock between them"])
def test_sent_with_redis_away_too_is_whole(app: App, filed_first: bool) -> None:
    """The path is replayed for each key without any stored state; the report is complete nevertheless."""
    phone = app.ussd(PHONE, "africastalking")
    with database_unavailable(app), redis_unavailable(app):
        dial_path(phone, *IN_DANGER)
    if filed_first:
        drain(app)
        app.submit_due_within(LONG_AFTER)
        assert heard(app) == [("incomplete", None)]
    with database_unavailable(app), redis_unavailable(app):
        assert phone.type("Send").text.startswith("Sent to ")
    drain(app)
    app.submit_due_within(LONG_AFTER)
    assert heard(app)[-1][0] == "complete"
    assert app.bodies()[-1].data["place"]


def test_said_again_after_it_was_taken_back_is_heard(app: App) -> None:
    """The deletion that was queued in the spool does not delete the answers given after it."""
    with database_unavailable(app):
        send_texts(app.sms(number(99)), FIRST)  # the spool must not be empty
    phone = app.ussd(PHONE, "africastalking")
    dial_path(phone, *IN_TIME, "0", "0", "0", "No", "0", "Now", "Go on", "Asks photos, money")
    assert app.count(t.pending) == 1
    drain(app)
    app.submit_due_within(LONG_AFTER)
    assert sorted(heard(app), key=str) == [("incomplete", FIRST), ("incomplete", None)]


def test_who_writes_to_a_deleted_report_takes_nothing_from_the_next_caller(app: App) -> None:
    """Writing to a deleted report is no database failure: three of them would stop web's use of the database."""
    report = sent(app)
    sms_dispatcher, owner = app.sms(number(72)), app.ussd(number(71))
    send_texts(sms_dispatcher, "code", report.code, report.pin, "2")
    dial_path(owner, "My report", report.code, report.pin, "4", "1")
    assert app.rows(t.mailbox)[0].public_key == b""
    for _ in range(4):
        send_texts(sms_dispatcher, SECOND)
    dial_path(app.ussd(number(73), "africastalking"), *IN_DANGER)
    assert "rescue" in [row.kind for row in app.rows(t.pending)]
    assert dial_path(app.ussd(number(74), "africastalking"), *TO_SENT)[-1].startswith("Sent to ")
    assert app.parts.spool.names() == []
