"""After Send: words are due at once, further answers within 20 seconds, whatever the reporter does next."""

from __future__ import annotations

from typing import Any

import pytest

from reports.store.schema import tables as t
from tests.safeguarding.call_paths import (
    CHANNELS,
    IN_DANGER,
    PHONE,
    TO_SEND_SMS,
    TO_SENT,
    dial_path,
    number,
    send_texts,
)
from tests.safeguarding.outages import database_unavailable
from tests.support.app import App

pytestmark = pytest.mark.slow

WORDS = "Somebody waits near the school every day"
ANSWERED = (*TO_SENT, "1", "Photos")  # words skipped, then one further answer
TEXTED = ("REPORT", *TO_SEND_SMS, "Send")
GATHER = 20_000_000  # microseconds


def due(app: App) -> int:
    """Return the microseconds until the pending row is due; check that there is one due time."""
    rows = {row.due_at for row in app.rows(t.pending)}
    assert len(rows) == 1, rows
    return rows.pop() - app.database.now()


def narrative(app: App) -> Any:
    """Return the newest body after the clock has run."""
    app.submit_due_within(0)
    return max(app.bodies(), key=lambda kept: kept.revision).data


@pytest.mark.parametrize("way", [TO_SENT, (*IN_DANGER, "Send")], ids=["soon", "now"])
@pytest.mark.parametrize("channel", CHANNELS)
def test_words_are_due_at_once_though_nothing_follows(app: App, channel: str, way: tuple[str, ...]) -> None:
    dial_path(app.ussd(PHONE, channel), *way, WORDS)
    assert due(app) <= 0
    assert narrative(app)["narrative"] == WORDS


def test_words_by_sms_are_due_at_once(app: App) -> None:
    phone = app.sms(PHONE)
    send_texts(phone, *TEXTED, "Add more", "Write more", WORDS)
    assert due(app) <= 0
    assert narrative(app)["additions"][0]["text"] == WORDS


def test_words_typed_where_a_choice_was_asked_are_due_at_once(app: App) -> None:
    dial_path(app.ussd(PHONE), *ANSWERED, WORDS)
    assert due(app) <= 0
    assert narrative(app)["unasked"][0]["text"] == WORDS


@pytest.mark.parametrize("channel", CHANNELS)
def test_further_answers_gather_from_the_first_one_on(app: App, channel: str) -> None:
    """Further answers become one update, and no answer waits longer than 20 seconds."""
    phone = app.ussd(PHONE, channel)
    dial_path(phone, *ANSWERED)
    first = {row.due_at for row in app.rows(t.pending)}
    assert 0 < due(app) <= GATHER
    for _ in range(4):
        phone.type("Skip")
    assert {row.due_at for row in app.rows(t.pending)} == first, "each answer put off the ones before"
    app.submit_due_within(21)
    assert len({kept.revision for kept in app.bodies()}) == 2, "one Send and one update"


def test_words_take_the_answers_before_them_along(app: App) -> None:
    phone = app.ussd(PHONE)
    dial_path(phone, *ANSWERED)
    assert due(app) > 0
    phone.type(WORDS)
    assert due(app) <= 0
    assert narrative(app)["extras"]["asked_for"] == "pictures"


@pytest.mark.rule("S-04")
@pytest.mark.parametrize("channel", CHANNELS)
def test_a_new_dial_files_what_was_gathered_and_shows_nothing_of_it(app: App, channel: str) -> None:
    home = app.ussd(number(9), channel).dial()
    dial_path(app.ussd(PHONE, channel), *ANSWERED)
    assert due(app) > 0
    other = app.ussd(number(8), channel)
    dial_path(other, *ANSWERED)
    assert app.ussd(PHONE, channel).dial() == home
    app.submit_due_within(0)
    assert len({row.report_id for row in app.rows(t.pending)}) == 1, "a stranger's dial files nobody else's answers"
    assert due(app) > 0
    updated = [kept.data for kept in app.bodies() if kept.revision > 1]
    assert [data["extras"]["asked_for"] for data in updated if data] and len({d["report_id"] for d in updated}) == 1


@pytest.mark.parametrize("channel", CHANNELS)
def test_a_new_dial_leaves_alone_what_was_not_sent(app: App, channel: str) -> None:
    """In danger and after a dropped call: a reporter who dials again can still withdraw the draft."""
    dial_path(app.ussd(PHONE, channel), *IN_DANGER[:4])
    before = due(app)
    app.ussd(PHONE, channel).dial()
    assert 0 < due(app) <= before


def test_leaving_and_the_end_of_the_line_file_what_was_gathered(app: App) -> None:
    for n, way in enumerate((lambda phone: phone.type("00"), lambda phone: phone.drop_call())):
        phone = app.ussd(number(n))
        dial_path(phone, *ANSWERED)
        way(phone)
        app.submit_due_within(0)
        assert app.count(t.pending) == 0


@pytest.mark.parametrize("word", ["00", "HELP", "TIPS", "0"])
def test_by_sms_what_was_gathered_goes_when_the_conversation_does(app: App, word: str) -> None:
    phone = app.sms(PHONE)
    send_texts(phone, *TEXTED, "Add more", "Answer questions", "Photos", *(("0", "0") if word == "0" else ()))
    assert due(app) > 0
    phone.text(word)
    app.submit_due_within(0)
    assert app.count(t.pending) == 0


def test_with_the_database_away_words_wait_in_the_spool_and_then_for_nothing(app: App) -> None:
    phone = app.ussd(PHONE)
    dial_path(phone, *TO_SENT)
    with database_unavailable(app):
        phone.type(WORDS)
    assert app.count(t.pending) == 0
    app.parts.housekeeping.once()
    assert due(app) <= 0
    assert narrative(app)["narrative"] == WORDS
