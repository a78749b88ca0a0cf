"""A phone may send any number of words: its session stays small, and every word is delivered."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from typing import Any

import pytest
import redis

from gateway.conversation.overflow import MAX_CHARACTERS
from tests.support.app import App

pytestmark = pytest.mark.slow

PHONE = "+6785550101"
LONG = 200_000  # characters; nearly the maximum of one request
FEW = 250  # characters; fits a text of 150, a marker and the answers
TO_CATEGORY = ("hi", "Report", "Now", "Go on")
TO_WORDS = ("hi", "Report", "No", "Bullying, threats", "Me", "13-15", "Shefa")


@pytest.fixture
def app(redis_url: str) -> Iterator[App]:
    app = App(redis_url)
    yield app
    app.close()


class TextSender:
    def __init__(self, app: App) -> None:
        self.app = app
        self.sent = 0

    def __call__(self, *texts: str) -> None:
        for text in texts:
            self.sent += 1
            form = {"from": PHONE, "to": "163", "text": text, "id": f"ATXid_{self.sent}"}
            door = f"/hooks/africastalking/{self.app.plan.secrets.africastalking}/sms"
            assert self.app.http.post(door, data=form).status_code == 200


def long_words(n: int) -> str:
    return f"words {n} " + "x" * LONG


def largest(redis_url: str) -> int:
    """Return the bytes of the largest session or draft."""
    with redis.Redis.from_url(redis_url) as client:
        return max(client.strlen(key) for key in client.scan_iter() if key.startswith((b"s:", b"d:")))


def unread(app: App) -> list[str]:
    app.submit_due_within(1)
    return [base64.b64decode(one.data["body_base64"]).decode() for one in app.bodies() if "body_base64" in one.data]


def kept(app: App) -> str:
    """Return all words that a hotline can read, now or when due."""
    said: list[Any] = [one.data for one in (*app.bodies(), *app.pending_revisions()) if "body_base64" not in one.data]
    return "\n".join([*unread(app), *map(str, said)])


def test_long_words_where_a_choice_was_asked(app: App, redis_url: str) -> None:
    texts = TextSender(app)
    texts(*TO_CATEGORY)
    for n in range(12):
        texts(long_words(n))
        assert largest(redis_url) < 4 * MAX_CHARACTERS  # the draft and its text, sealed
    words = kept(app)
    assert all(f"words {n} x" in words for n in range(12))
    assert words.count("x") >= 12 * LONG


def test_long_words_typed_again_and_again(app: App, redis_url: str) -> None:
    """The report contains the last text completely; the earlier ones were taken back."""
    texts = TextSender(app)
    texts(*TO_WORDS)
    for n in range(4):
        texts(long_words(n), "0")
    texts(long_words(4), "No", "Send")
    assert largest(redis_url) < 4 * MAX_CHARACTERS
    (report,) = [one.data for one in app.bodies() if one.hotline == "vu-pikinini" and "narrative" in one.data]
    assert report["narrative"] == long_words(4)
    assert [f"words {n} x" in kept(app) for n in range(5)] == [False] * 4 + [True]


@pytest.mark.parametrize(
    ("most", "answer"),
    [
        (MAX_CHARACTERS, "Deleted: what you told us now."),
        (FEW, "The rest is deleted. Pikinini Helpline was told before"),
    ],
)
def test_words_that_were_filed_are_not_called_deleted(
    app: App, monkeypatch: pytest.MonkeyPatch, most: int, answer: str
) -> None:
    monkeypatch.setattr("gateway.conversation.overflow.MAX_CHARACTERS", most)
    phone = app.sms(PHONE)
    for text in (*TO_WORDS, "a" * 150, "b" * 150, "No", "Delete"):
        phone.text(text)
    assert phone.replies()[-1].startswith(answer)
    assert unread(app) == (["b" * 150] if most == FEW else [])


def test_who_left_the_helpline_out_is_not_told_of_to_it(app: App, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.conversation.overflow.MAX_CHARACTERS", FEW)
    phone = app.sms(PHONE)
    for text in (*TO_WORDS, "a" * 150, "No", "Leave one out", "Pikinini Helpline", "0", "0", "b" * 150):
        phone.text(text)
    assert unread(app) == []
