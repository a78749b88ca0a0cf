"""A reporter who reads very many tips must wait for the next; other screens and other phones do not (S-36)."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import redis

from gateway.conversation.handler import MAX_SCREENS_READ, is_to_read
from gateway.sessions.store import READ_SECONDS
from tests.support.app import App
from tests.support.handsets import AfricasTalking, JsonUssd
from tests.support.handsets_kannel import KannelUssd

Handset = AfricasTalking | KannelUssd | JsonUssd
BUSY = "We are busy now. In danger? Call police 111. Pikinini Helpline: call 163. Please dial again in 10 minutes."
TO_SENT = ("Report", "Now", "Go on", "Bullying, threats", "Shefa", "Me", "No", "Send")


@pytest.mark.parametrize(
    ("screen", "slowed"),
    [
        ("tips_young.a", True),
        ("tips_parents.list", True),
        ("law.law", True),
        ("help.place", False),
        ("home.home", False),
        ("report.danger", False),
        ("my.code", False),
        ("language.language", False),
    ],
)
def test_what_is_slowed(screen: str, slowed: bool) -> None:
    assert is_to_read(screen) is slowed


@pytest.fixture
def app(redis_url: str) -> Iterator[App]:
    app = App(redis_url)
    yield app
    app.close()


def reads_on(phone: Handset) -> int:
    """Return how many screens of tips are shown before the first BUSY."""
    phone.dial()
    seen, count = phone.type("Safety tips"), 0
    while seen.text != BUSY and count < 2 * MAX_SCREENS_READ:
        count += 1
        seen = phone.type("1" if count % 2 else "0")
    return count


@pytest.mark.slow
@pytest.mark.rule("S-36")
def test_tips_are_slowed_and_nothing_else(app: App) -> None:
    phone = app.ussd("+6785550101", "ussd")
    assert reads_on(phone) == MAX_SCREENS_READ
    phone.dial()
    assert phone.type("Safety tips").text == BUSY
    phone.dial()
    assert phone.type("My report").text.startswith("Type your 8-digit code.")
    phone.dial()
    for reply in TO_SENT:
        seen = phone.type(reply)
    assert seen.text.startswith("Sent to Pikinini Helpline.")
    other = app.ussd("+6785550102", "ussd")
    other.dial()
    assert other.type("Safety tips").expects_reply


@pytest.mark.slow
@pytest.mark.rule("S-33")
def test_the_notice_is_in_the_language_that_was_chosen(app: App) -> None:
    phone = app.ussd("+6785550101", "ussd")
    reads_on(phone)
    phone.dial()
    phone.type("5")
    phone.type("3")
    assert phone.type("2").text.startswith("Trop de monde maintenant.")


@pytest.mark.slow
def test_it_ends_after_ten_minutes(app: App, redis_url: str) -> None:
    reads_on(app.ussd("+6785550101", "ussd"))
    with redis.Redis.from_url(redis_url) as there:
        counted = list(there.scan_iter("l:read:*"))
        assert [there.get(key) for key in counted] == [str(MAX_SCREENS_READ).encode()]
        assert 0 < there.ttl(counted[0]) <= READ_SECONDS


@pytest.mark.slow
@pytest.mark.rule("S-36")
def test_words_are_kept_however_much_was_read(app: App) -> None:
    phone = app.ussd("+6785550101", "ussd")
    reads_on(phone)
    assert phone.type("there is something I want to say").text != BUSY
