""" "Sent" only when it is stored; drills say so on every screen (S-38, S-40)."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager

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
    number,
    send_texts,
)
from tests.support.app import App

pytestmark = pytest.mark.slow


TRAINING = {"TOKAUT_MODE": "training", "CHANNELS": "africastalking,ussd,simulator,kannel", "COUNTRIES": "vu,fj,ke"}


@contextmanager
def database_locked(app: App) -> Iterator[None]:
    with closing(sqlite3.connect(app.plan.folder.inside / "tokaut.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        yield
        other.execute("ROLLBACK")


@contextmanager
def spool_gone(app: App) -> Iterator[None]:
    spool = app.plan.folder.inside / "spool"
    spool.rename(spool.with_name("away"))
    yield
    spool.with_name("away").rename(spool)


@pytest.mark.rule("S-38")
@pytest.mark.parametrize("channel", CHANNELS)
def test_sent_stands_on_the_disk_before_it_is_said(app: App, channel: str) -> None:
    """In the database, or in the spool if it is unavailable; if neither stores it, NOT SENT and the numbers."""
    assert dial_path(app.ussd(number(1), channel), *TO_SENT)[-1].startswith("Sent to ")
    assert (app.count(t.report), len(app.parts.spool.names())) == (1, 0)
    with database_locked(app):
        assert dial_path(app.ussd(number(2), channel), *TO_SENT)[-1].startswith("Sent to ")
        assert len(app.parts.spool.names()) == 1
        with spool_gone(app):
            phone = app.ussd(number(3), channel)
            screen = dial_path(phone, *TO_SENT)[-1]
            assert screen.startswith("NOT SENT.") and "police 111" in screen and "163" in screen
            assert not phone.again().expects_reply
    app.parts.housekeeping.once()
    assert app.count(t.report) == 2


@pytest.mark.rule("S-38")
def test_not_sent_by_sms_and_then_sent_by_the_same_key(app: App) -> None:
    phone = app.sms(PHONE)
    send_texts(phone, "REPORT", "1", *TO_SEND_SMS[1:])
    with database_locked(app), spool_gone(app):
        assert send_texts(phone, "1")[0].startswith("NOT SENT.")
    assert app.count(t.report) == 0


@pytest.mark.rule("S-38")
def test_nothing_is_promised_that_people_have_to_do(app: App) -> None:
    screens = dial_path(app.ussd(PHONE), *TO_SENT) + dial_path(app.ussd(number(2)), *IN_DANGER, "Send")
    screens += send_texts(app.sms(number(3)), "REPORT", "1", *TO_SEND_SMS[1:], "Send", "2", "0")
    said = "\n".join(screens).casefold()
    promises = ("help is coming", "you are safe", "will call you", "will come", "secret", "confidential", "anonymous")
    assert not any(promise in said for promise in promises)


@pytest.mark.rule("S-40")
@pytest.mark.parametrize("channel", CHANNELS)
def test_every_screen_of_a_drill_says_so_and_so_does_what_arrives(redis_url: str, channel: str) -> None:
    app = App(redis_url, TRAINING)
    seen = dial_path(app.ussd(PHONE, channel), *TO_SEND)
    seen += dial_path(app.ussd(number(2), channel), *IN_DANGER[:4]) + dial_path(
        app.ussd(number(3), channel), "x", "x", "x", "3"
    )
    phone = app.ussd(PHONE, channel)
    seen += [dial_path(phone, *TO_SENT)[-1]]
    assert phone.type("0").text == "END DRILL. Not a real report. Thank you. Goodbye."
    assert [screen for screen in seen if not screen.removeprefix("Sorry, try again.\n").startswith("DRILL")] == []
    assert {kept.data["mode"] for kept in app.bodies()} == {"training"}
    app.close()


@pytest.mark.rule("S-40")
def test_what_is_for_practice_opens_no_door_in_live_mode(app: App) -> None:
    channel = app.parts.webhooks.channels["simulator"]
    assert channel.is_simulator
    assert json.loads(app.http.post("/hooks/simulator", '{"session": "1", "event": "new"}').content)["continue"]
