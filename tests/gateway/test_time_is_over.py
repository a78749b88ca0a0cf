"""A request whose deadline passes before it gets a thread: the provider must repeat it if it must not be lost."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from gateway import threads
from reports.store.schema import tables as t
from tests.safeguarding.outages import redis_unavailable
from tests.support.app import App

pytestmark = pytest.mark.slow


@pytest.fixture
def app(redis_url: str) -> Iterator[App]:
    app = App(redis_url)
    yield app
    app.close()


@pytest.mark.parametrize(
    ("endpoint", "form"),
    [
        ("optout", {"senderId": "163", "phoneNumber": "+6785550101"}),
        ("sms", {"from": "Shop", "to": "163", "text": "he is at the door again", "id": "a"}),
        ("sms", {"from": "+6785550101", "to": "163", "text": "he is at the door again", "id": "b"}),
    ],
    ids=["an opt-out", "a text that nobody can answer", "a text"],
)
def test_it_is_answered_with_503_and_stored_when_it_comes_again(
    app: App, monkeypatch: pytest.MonkeyPatch, endpoint: str, form: dict[str, str]
) -> None:
    address = f"/hooks/africastalking/{app.plan.secrets.africastalking}/{endpoint}"
    with monkeypatch.context() as late:
        late.setattr(threads, "THREAD_WORK_SECONDS", 0)
        late.setattr(threads, "MIN_SECONDS", 0)
        assert app.http.post(address, form).status_code == 503
    assert app.count(t.optout) == app.count(t.pending) == 0
    assert app.http.post(address, form).status_code == 200
    assert app.count(t.optout) + app.count(t.pending) == 1


@pytest.mark.parametrize("channel", ["africastalking", "ussd", "kannel"])
def test_a_call_is_asked_again_and_the_second_send_is_one_report(
    app: App, monkeypatch: pytest.MonkeyPatch, channel: str
) -> None:
    phone = app.ussd("+6785550101", channel)
    phone.dial()
    for reply in ("Report", "Now", "Go on", "Bullying, threats", "Shefa", "Me", "No"):
        asked = phone.type(reply)
    with monkeypatch.context() as late:
        late.setattr(threads, "THREAD_WORK_SECONDS", 0)
        late.setattr(threads, "MIN_SECONDS", 0)
        again = phone.type("Send")
    assert again.expects_reply
    assert again.text.startswith("Sorry, try again.\nSend to Pikinini Helpline without your number?")
    assert again.text.endswith(asked.text[asked.text.index("\n1 Send") :])
    assert app.count(t.report) == 0
    assert phone.type("Send").text.startswith("Sent to Pikinini Helpline.")
    assert app.count(t.report) == 1


def test_an_answer_that_is_stored_late_is_taken_once_from_the_path(app: App, monkeypatch: pytest.MonkeyPatch) -> None:
    """A path with an answer that was refused and given again was replayed with each later answer at a wrong screen."""
    phone = app.ussd("+6785550101", "africastalking")
    phone.dial()
    for reply in ("Report", "Now", "Go on", "Bullying, threats"):
        phone.type(reply)
    with monkeypatch.context() as late:
        late.setattr(threads, "THREAD_WORK_SECONDS", 0)
        late.setattr(threads, "MIN_SECONDS", 0)
        assert phone.type("Shefa").text.startswith("Who is this about?")
    with redis_unavailable(app):
        asked = phone.type("My child")
    assert asked.text.startswith("May staff contact you?")
    phone.type("No")
    phone.type("Send")
    assert {(body.data["place"]["code"], body.data["about"]) for body in app.bodies()} == {("VU-SEE", "my_child")}


def test_a_call_gets_the_numbers_when_it_is_late_twice(app: App, monkeypatch: pytest.MonkeyPatch) -> None:
    phone = app.ussd("+6785550101", "ussd")
    phone.dial()
    for reply in ("Report", "Now", "Go on"):
        phone.type(reply)
    with monkeypatch.context() as late:
        late.setattr(threads, "THREAD_WORK_SECONDS", 0)
        late.setattr(threads, "MIN_SECONDS", 0)
        assert phone.type("Bullying, threats").text.startswith("Sorry, try again.")
        assert "In danger? Call police 111." in phone.type("Bullying, threats").text


def test_a_new_call_gets_the_home_screen_though_answers_are_still_gathered(
    app: App, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They are submitted when they are due. A bug: the reporter got "Not working now" and the numbers."""
    phone = app.ussd("+6785550101", "ussd")
    phone.dial()
    for reply in ("Report", "Now", "Go on", "Bullying, threats", "Shefa", "Me", "No", "Send", "1", "10-12"):
        phone.type(reply)
    assert (gathered := app.count(t.pending))
    with monkeypatch.context() as late:
        late.setattr(threads, "THREAD_WORK_SECONDS", 0)
        late.setattr(threads, "MIN_SECONDS", 0)
        seen = phone.dial()
    assert (seen.text.splitlines()[0], seen.expects_reply) == ("In danger? Call police 111.", True)
    assert app.count(t.pending) == gathered
