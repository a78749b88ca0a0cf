"""In a crowd what can wait gives way: only the way to Send, danger and words are served."""

from __future__ import annotations

import runpy
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

import gateway
from gateway.crowd import MOST_THERE, THREADS, Crowd
from gateway.limits import can_wait
from tests.support.app import App

BUSY = "Busy now. In danger? Call police 111. Pikinini Helpline: call 163. Please dial again in 10 minutes."
TO_SENT = ("Report", "Now", "Go on", "Bullying, threats", "Shefa", "Me", "No", "Send")


@pytest.fixture
def app(redis_url: str) -> Iterator[App]:
    app = App(redis_url)
    yield app
    app.close()


@pytest.fixture
def crowded(app: App) -> Iterator[App]:
    with ExitStack() as many:
        for _ in range(6):
            many.enter_context(app.parts.crowd.one)
        yield app


def test_it_is_full_above_four_fifths() -> None:
    crowd = Crowd(threads=10)
    with ExitStack() as many:
        for _ in range(8):
            many.enter_context(crowd.one)
        assert not crowd.is_full
        with crowd.one:
            assert crowd.is_full
        assert not crowd.is_full


def test_it_is_full_where_very_many_wait_for_their_steps() -> None:
    """Half a millisecond each: what came at one moment is no crowd yet."""
    crowd = Crowd()
    with ExitStack() as many:
        for _ in range(MOST_THERE):
            many.enter_context(crowd.there)
        assert not crowd.is_full
        with crowd.there:
            assert crowd.is_full
        assert not crowd.is_full


@pytest.mark.parametrize(
    ("screen", "waits"),
    [("home.home", False), ("report.danger", False), ("more.narrative", False), ("my.code", True), ("tips.tips", True)],
)
def test_what_can_wait(screen: str, waits: bool) -> None:
    assert can_wait(screen) is waits


@pytest.mark.slow
@pytest.mark.parametrize("channel", ["africastalking", "ussd"])
def test_a_report_is_served_and_its_words(crowded: App, channel: str) -> None:
    phone = crowded.ussd("+6785550101", channel)
    phone.dial()
    for reply in TO_SENT:
        seen = phone.type(reply)
    assert seen.text.startswith("Sent to Pikinini Helpline.")
    assert phone.type("Add your words").text.startswith("Tell us")


@pytest.mark.slow
@pytest.mark.parametrize("channel", ["africastalking", "ussd"])
def test_my_report_gets_the_numbers_and_can_be_asked_for_later(app: App, channel: str) -> None:
    with ExitStack() as many:
        for _ in range(6):
            many.enter_context(app.parts.crowd.one)
        phone = app.ussd("+6785550101", channel)
        assert phone.dial().goes_on
        seen = phone.type("My report")
        assert (seen.text, seen.goes_on) == (BUSY, False)
        assert phone.again().text == BUSY
    assert phone.again().text.startswith("Type your 8-digit code.")


@pytest.mark.slow
def test_who_is_in_there_already_gives_way_and_no_try_is_counted(app: App) -> None:
    phone = app.ussd("+6785550101", "ussd")
    phone.dial()
    for reply in ("My report", "4821 9303"):
        phone.type(reply)
    with ExitStack() as many:
        for _ in range(6):
            many.enter_context(app.parts.crowd.one)
        assert phone.type("1234").text == BUSY
    assert phone.again().text.startswith("Code or PIN is not right.")


@pytest.mark.slow
def test_by_sms_what_was_done_there_is_never_called_busy(app: App) -> None:
    phone = app.sms("+6785550101")
    for text in ("hello", "CODE", "4821 9303"):
        phone.text(text)
    with ExitStack() as many:
        for _ in range(6):
            many.enter_context(app.parts.crowd.one)
        phone.text("1234")
    assert phone.replies()[-1].startswith("Code or PIN is not right.")


@pytest.mark.slow
def test_words_are_never_put_off(crowded: App) -> None:
    phone = crowded.ussd("+6785550101", "ussd")
    phone.dial()
    assert phone.type("he is at the door again").text.startswith("Sorry, try again.")


def test_the_server_has_as_many_threads() -> None:
    conf = Path(gateway.__file__ or "").with_name("gunicorn.conf.py")
    assert runpy.run_path(str(conf))["threads"] == THREADS
