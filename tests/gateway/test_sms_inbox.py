"""SMS that wait for Redis in the database: one that fails stops no other."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any
from unittest.mock import patch

import pytest
from sqlalchemy import delete, insert, update
from structlog.testing import capture_logs

from gateway.conversation.contact_requests import ContactRequests
from gateway.conversation.context import TurnRequest
from gateway.messaging.model import Inbound, Reply
from gateway.sessions.store import RedisUnavailable
from gateway.submission.builder import NotStored
from gateway.submission.submitter import NotSent
from reports.crypto import RecordCipher
from reports.store.engine import leases
from reports.store.engine.database import DatabaseUnavailable
from reports.store.schema import tables as t
from reports.store.spool import SpoolWriteError
from runtime.time_units import SECOND
from tests.safeguarding.call_paths import PHONE, TO_SENT, dial_path, number, send_texts
from tests.safeguarding.outages import code_and_pin, later, redis_unavailable
from tests.support.app import App

pytestmark = pytest.mark.slow

WORDS = "somebody waits for me at the bus stop"
FURTHER_WORDS = "and there is another one who comes with a red car"


@pytest.fixture
def app(redis_url: str) -> Iterator[App]:
    made = App(redis_url)
    made.parts.housekeeping.once()
    yield made
    made.close()


def text_without_redis(app: App, *phones: str, words: str = WORDS) -> None:
    with redis_unavailable(app):
        for phone in phones:
            send_texts(app.sms(phone), words)


def waiting(app: App) -> int:
    return sum(row.waiting is not None for row in app.rows(t.inbound))


def test_a_process_without_redis_leaves_them_to_one_that_has_it(app: App) -> None:
    """Only one process replays them: of two hosts perhaps the one that cannot reach Redis."""
    text_without_redis(app, PHONE)
    with redis_unavailable(app), patch.object(app.parts.housekeeping, "_redis_is_up", return_value=False):
        app.parts.housekeeping.once()
    assert waiting(app) == 1
    assert leases.acquire(app.database, "replay", "another host", 30)


def failing(app: App, sender: str, error: Exception) -> Any:
    """Let each SMS of this sender raise when it is replayed."""
    replay = app.parts.dispatcher.replay

    async def fail(channel: Any, inbound: Inbound, *rest: Any, **options: Any) -> None:
        if inbound.sender == sender:
            raise error
        await replay(channel, inbound, *rest, **options)

    return patch.object(app.parts.dispatcher, "replay", fail)


def test_one_sms_that_fails_stops_no_other_and_no_chore(app: App) -> None:
    text_without_redis(app, *map(number, (1, 2, 3)))
    ran: list[str] = []
    with (
        patch.object(app.parts.housekeeping, "_leased_tasks", [lambda: ran.append("a chore")]),
        failing(app, number(1), KeyError("a fault of ours")),
        capture_logs() as logs,
    ):
        for _ in range(2):
            app.parts.housekeeping.once()
    assert (waiting(app), ran) == (1, ["a chore", "a chore"])
    failed = [line for line in logs if line["event"] == "job_failed"]
    assert [line["job"] for line in failed] == ["sms_inbox"], "it is tried again a minute later"
    app.parts.housekeeping._inbox._retry_at = dict.fromkeys(app.parts.housekeeping._inbox._retry_at, 0.0)
    app.parts.housekeeping.once()
    assert waiting(app) == 0


def all_words(app: App) -> str:
    """Return the words that staff have or will get, also those of texts that could not be read."""
    bodies = [body.data for body in (*app.bodies(), *app.pending_revisions())]
    unread = [base64.b64decode(body["body_base64"]).decode() for body in bodies if "body_base64" in body]
    return json.dumps(bodies) + "".join(unread)


@contextmanager
def nothing_can_be_stored(app: App) -> Iterator[None]:
    with (
        patch.object(type(app.parts.submitter), "write", side_effect=DatabaseUnavailable("away")),
        patch("gateway.submission.builder.schedule_pending", side_effect=DatabaseUnavailable("away")),
        patch.object(app.parts.spool, "put", side_effect=SpoolWriteError("full")),
    ):
        yield


def fail_once(app: App, words: str, error: Exception) -> Any:
    """Let the SMS with these words raise when it is replayed for the first time."""
    replay, failed = app.parts.dispatcher.replay, list[str]()

    async def fail(channel: Any, inbound: Inbound, *rest: Any, **options: Any) -> None:
        if inbound.text == words and not failed:
            failed.append(words)
            raise error
        await replay(channel, inbound, *rest, **options)

    return patch.object(app.parts.dispatcher, "replay", fail)


def play_after_pause(app: App) -> None:
    """Play the inbox as when the pause after a fault is over."""
    inbox = app.parts.housekeeping._inbox
    inbox._retry_at = dict.fromkeys(inbox._retry_at, 0.0)
    app.parts.housekeeping.once()


@pytest.mark.parametrize("words", [("STOP", "START"), (WORDS, FURTHER_WORDS)])
def test_what_comes_after_an_sms_that_fails_waits_for_it(app: App, words: tuple[str, str]) -> None:
    with redis_unavailable(app):
        send_texts(app.sms(PHONE), *words)
    with fail_once(app, words[0], KeyError("a fault of ours")):
        app.parts.housekeeping.once()
        app.parts.housekeeping.once()
        assert waiting(app) == 2
        play_after_pause(app)
    assert waiting(app) == 0
    app.submit_due_within(3600)
    if words[0] == "STOP":
        assert app.count(t.optout) == 0
    else:
        [body] = [body.data for body in app.bodies()]
        assert (body["narrative"], *(unasked["text"] for unasked in body["unasked"])) == words


def test_words_on_which_the_conversation_fails_go_to_staff_after_ten_minutes(app: App) -> None:
    with redis_unavailable(app):
        send_texts(app.sms(PHONE), WORDS, FURTHER_WORDS)
    take = app.parts.dispatcher._conversation.take

    async def fail(request: TurnRequest) -> Reply:
        if request.inbound.text == WORDS:
            raise KeyError("a fault of ours")
        return await take(request)

    with patch.object(app.parts.dispatcher._conversation, "take", fail), capture_logs() as logs:
        app.parts.housekeeping.once()
        assert waiting(app) == 2
        with later(minutes=11):
            play_after_pause(app)
    assert waiting(app) == 0
    assert WORDS in all_words(app) and FURTHER_WORDS in all_words(app)
    assert [line["job"] for line in logs if line["event"] == "job_failed"] == ["sms_inbox"] * 2


def test_an_sms_that_another_process_has_taken_is_forgotten(app: App) -> None:
    text_without_redis(app, PHONE)
    with failing(app, PHONE, KeyError("a fault of ours")):
        app.parts.housekeeping.once()
    inbox = app.parts.housekeeping._inbox
    assert len(inbox._retry_at) == 1
    with app.database.write() as connection:
        connection.execute(update(t.inbound).values(waiting=None))
    play_after_pause(app)
    assert inbox._retry_at == {}


@pytest.mark.parametrize("minutes", [1, 11])
def test_words_that_cannot_be_stored_are_not_dropped(app: App, minutes: int) -> None:
    text_without_redis(app, PHONE)
    with later(minutes=minutes):
        with nothing_can_be_stored(app), capture_logs() as logs:
            app.parts.housekeeping.once()
        assert (waiting(app), [line for line in logs if line["event"] == "job_failed"]) == (1, [])
        app.parts.housekeeping.once()
        assert waiting(app) == 0
    assert WORDS in all_words(app)


def test_late_words_of_an_open_session_that_cannot_be_stored_wait(app: App) -> None:
    send_texts(app.sms(PHONE), WORDS)
    text_without_redis(app, PHONE, words=FURTHER_WORDS)
    with later(minutes=11):
        with nothing_can_be_stored(app):
            app.parts.housekeeping.once()
        assert waiting(app) == 1
        app.parts.housekeeping.once()
        assert waiting(app) == 0
    assert FURTHER_WORDS in all_words(app)


@pytest.mark.parametrize("fault", ["closed", "no key", "deleted"])
def test_late_words_of_my_report_that_it_does_not_take_go_to_staff(app: App, fault: str) -> None:
    code_pin = code_and_pin(dial_path(app.ussd(number(1)), *TO_SENT)[-1])
    send_texts(app.sms(PHONE), "hi", "code", *code_pin)
    text_without_redis(app, PHONE, words=FURTHER_WORDS)
    route = app.rows(t.route)[0]._asdict()
    with app.database.write() as connection:
        if fault == "closed":
            connection.execute(update(t.mailbox).values(sealed_key=b""))
        elif fault == "no key":
            connection.execute(delete(t.route))
            connection.execute(insert(t.route).values({**route, "hotline": "vu-gone"}))
        else:
            connection.execute(t.mailbox.delete())
    with later(minutes=11):
        app.parts.housekeeping.once()
    assert waiting(app) == 0
    assert FURTHER_WORDS in all_words(app)


@pytest.mark.parametrize(
    "outage", [RedisUnavailable("away"), DatabaseUnavailable("away"), NotSent("away"), NotStored("away")]
)
def test_while_a_service_is_away_all_wait_and_nothing_is_called_a_fault(app: App, outage: Exception) -> None:
    text_without_redis(app, number(1), number(2))
    with failing(app, number(1), outage), capture_logs() as logs:
        app.parts.housekeeping.once()
    assert waiting(app) == 2
    assert [line for line in logs if line["event"] in ("job_failed", "crashed")] == []
    app.parts.housekeeping.once()
    assert waiting(app) == 0


def test_one_chore_that_fails_stops_no_other_task(app: App) -> None:
    text_without_redis(app, PHONE)
    ran: list[str] = []

    def fail() -> None:
        raise KeyError("a fault of ours")

    with patch.object(app.parts.housekeeping, "_leased_tasks", [fail, lambda: ran.append("another")]):
        app.parts.housekeeping.once()
    assert (waiting(app), ran) == (0, ["another"])


@pytest.mark.parametrize(("minutes", "replies"), [(9, 1), (11, 0), (60 * 24 * 30, 0)])
def test_a_reply_never_comes_late_and_the_words_are_stored(app: App, minutes: int, replies: int) -> None:
    text_without_redis(app, PHONE)
    with later(minutes=minutes):
        app.parts.housekeeping.once()
        assert (waiting(app), app.count(t.outgoing), app.count(t.pending)) == (0, replies, 1)


@pytest.mark.parametrize(("minutes", "stored"), [(9, 0), (11, 1)])
def test_words_of_a_channel_that_is_switched_off_go_to_staff(app: App, minutes: int, stored: int) -> None:
    text_without_redis(app, PHONE)
    with later(minutes=minutes), patch.object(app.parts.housekeeping, "_channels", {}):
        for _ in range(2):
            app.parts.housekeeping.once()
        assert (waiting(app), app.count(t.outgoing), app.count(t.pending)) == (1 - stored, 0, stored)
        if stored:
            assert [row.completeness for row in app.rows(t.pending)] == ["unread"]
            [came_at] = {row.seen_at // SECOND for row in app.rows(t.inbound)}
            [unread] = {body.data["received_at"] for body in app.pending_revisions()}
            assert datetime.fromisoformat(unread).timestamp() == came_at


@pytest.mark.parametrize("word", ["STOP", "Stop!", "arrêt"])
def test_stop_without_redis_acts_at_once(app: App, word: str) -> None:
    send_texts(app.sms(PHONE), "call me", "2")
    text_without_redis(app, PHONE, words=word)
    assert (app.count(t.optout), [row.allowed for row in app.rows(t.contact)]) == (1, [0])
    app.parts.housekeeping.once()
    assert (waiting(app), app.count(t.message)) == (0, 1), "staff are told once"


@pytest.mark.parametrize("word", ["STOP", "Stop!", "arrêt"])
def test_stop_of_a_channel_that_is_switched_off_is_not_words(app: App, word: str) -> None:
    send_texts(app.sms(PHONE), "call me", "2")
    with patch.object(ContactRequests, "withdraw"):  # it waited for the database, and web ended
        text_without_redis(app, PHONE, words=word)
    with later(minutes=11), patch.object(app.parts.housekeeping, "_channels", {}):
        app.parts.housekeeping.once()
    assert (waiting(app), app.count(t.pending), app.count(t.optout)) == (0, 0, 1)
    assert [row.allowed for row in app.rows(t.contact)] == [0]


def test_what_no_key_opens_is_named_once_an_hour_and_never_deleted(app: App) -> None:
    text_without_redis(app, PHONE)
    inbox = app.parts.housekeeping._inbox
    cipher = RecordCipher([b"another" + b"k" * 25])
    with patch.object(inbox, "_cipher", cipher), capture_logs() as logs, later(days=900):
        for _ in range(2):
            app.parts.housekeeping.once()
            app.submit_due_within(0)
    assert [line["count"] for line in logs if line["event"] == "sms_inbox_unreadable"] == [1]
    assert waiting(app) == 1
    app.parts.housekeeping.once()
    assert waiting(app) == 0
