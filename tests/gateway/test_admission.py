"""Admission control: the calls that a late process accepts, and how their rate adapts."""

from __future__ import annotations

import math
from collections.abc import Iterator

import pytest

from gateway.admission import (
    BURST,
    BUSY_RATE,
    DECLINE,
    EVERY_SECONDS,
    LATE_RANGE,
    LEAST,
    MOST_LAG,
    MOST_LATE,
    SHARE_OF_CAPACITY,
    SMS_LATE,
    AdmissionControl,
)
from gateway.messaging.model import Inbound
from reports.store.schema import tables as t
from tests.support.app import App

DIAL = Inbound("ussd", "ussd", sender="+6785550101", code="*111*163#", text="", session="1", event="new")
REPLY = Inbound("ussd", "ussd", sender="+6785550101", code="*111*163#", text="1", session="1", event="resume")
SMS = Inbound("sms", "twilio", sender="+6785550101", code="163", text="hello")


A_LOOK = 4 * math.ceil(BUSY_RATE * EVERY_SECONDS)  # requests in one interval of a busy process


class Machine:
    """A process whose event loop wakes `lag` seconds late, and starts requests `late` seconds late."""

    def __init__(self) -> None:
        self.now = 100.0
        self.admission = AdmissionControl(lambda: self.now)

    def use_up_burst(self) -> None:
        """Make so many calls that further calls are admitted only at the current rate."""
        for _ in range(2 * BURST):
            self.admission.admits(DIAL)

    def look(
        self, times: int = 1, *, lag: float = 0.0, late: float = 0.0, requests: int = A_LOOK, ended: int = 0
    ) -> None:
        """Let `times` intervals pass, with `ended` calls ending in each, and adjust the rate after each."""
        for _ in range(times):
            self.now += EVERY_SECONDS + lag
            for _ in range(requests):
                self.admission.note(late)
                self.admission.admits(REPLY)
            for _ in range(ended):
                self.admission.note_end()
            self.admission.adjust()

    def admitted(self, inbound: Inbound, of: int = 100, seconds: float = 0.0) -> int:
        """Return how many of `of` messages are admitted that arrive evenly over these seconds."""
        count = 0
        for _ in range(of):
            self.now += seconds / of
            count += self.admission.admits(inbound)
        return count


@pytest.fixture
def machine() -> Machine:
    return Machine()


def test_at_rest_everything_is_admitted(machine: Machine) -> None:
    machine.look(100, lag=MOST_LAG - 0.1, late=MOST_LATE - 0.1)
    assert [machine.admitted(one) for one in (DIAL, REPLY, SMS)] == [100, 100, 100]


@pytest.mark.parametrize("over", [{"lag": MOST_LAG + 0.1}, {"late": MOST_LATE + 0.001}])
def test_above_a_bound_new_calls_are_admitted_as_fast_as_calls_have_ended_and_every_call_under_way(
    machine: Machine, over: dict[str, float]
) -> None:
    machine.look(100, ended=10)
    machine.look(4, **over)
    machine.use_up_burst()
    assert machine.admitted(DIAL, of=1000, seconds=10) == pytest.approx(10 * SHARE_OF_CAPACITY * 40, rel=0.1)
    assert machine.admitted(REPLY) == 100


def test_the_later_it_is_the_fewer_are_admitted_and_never_nobody(machine: Machine) -> None:
    machine.look(100, ended=10)
    machine.look(late=MOST_LATE + LATE_RANGE / 2)
    machine.use_up_burst()
    assert machine.admitted(DIAL, of=1000, seconds=10) == pytest.approx(10 * SHARE_OF_CAPACITY * 20, rel=0.1)
    machine = Machine()
    machine.look(100, ended=10)
    machine.look(late=MOST_LATE + LATE_RANGE)
    machine.use_up_burst()
    assert machine.admitted(DIAL, of=1000, seconds=10) == pytest.approx(10 * LEAST, abs=1)


@pytest.mark.parametrize("late", [0.0, MOST_LATE + LATE_RANGE])
def test_a_crowd_at_one_moment_is_admitted_however_late_it_makes_the_process(machine: Machine, late: float) -> None:
    assert machine.admitted(DIAL, of=BURST // 2) == BURST // 2
    machine.look(late=late)
    assert machine.admitted(DIAL, of=BURST // 2) == BURST // 2


def test_a_second_crowd_is_admitted_once_there_was_time_for_the_first(machine: Machine) -> None:
    machine.look(100, ended=10, late=MOST_LATE + 0.1)
    machine.use_up_burst()
    machine.look(int(60 / EVERY_SECONDS), requests=2)
    assert machine.admitted(DIAL, of=BURST) == BURST


def test_what_it_could_do_long_ago_is_forgotten_slowly(machine: Machine) -> None:
    machine.look(100, ended=10)
    machine.look(int(100 / EVERY_SECONDS), late=MOST_LATE + 0.001)
    machine.use_up_burst()
    found = machine.admitted(DIAL, of=1000, seconds=10)
    assert found == pytest.approx(10 * SHARE_OF_CAPACITY * 40 * (1 - DECLINE) ** 100, rel=0.1)


def test_one_late_moment_at_the_beginning_of_a_rush_costs_few_their_call(machine: Machine) -> None:
    """The process has not yet measured its own capacity."""
    machine.use_up_burst()
    machine.look(late=MOST_LATE + LATE_RANGE)
    admitted = 0
    for _ in range(int(10 / EVERY_SECONDS)):
        admitted += machine.admitted(DIAL, of=15, seconds=EVERY_SECONDS)
        machine.admission.adjust()
    assert admitted > 400, "of 600"


def test_nobody_is_refused_for_long_where_few_call_and_it_is_late(machine: Machine) -> None:
    machine.look(late=MOST_LATE + LATE_RANGE)
    machine.look(int(5 / EVERY_SECONDS), late=MOST_LATE + LATE_RANGE, requests=1)
    assert machine.admitted(DIAL, of=10, seconds=1) == 10


def test_once_it_is_at_rest_again_the_rate_rises_slowly(machine: Machine) -> None:
    machine.look(100, ended=10, late=MOST_LATE + 0.1)
    machine.look(int(10 / EVERY_SECONDS))
    machine.use_up_burst()
    found = machine.admitted(DIAL, of=10_000, seconds=10) / 10
    assert found == pytest.approx(36 * 1.02**10, rel=0.1)


def test_once_there_are_few_requests_all_are_admitted_soon(machine: Machine) -> None:
    machine.look(100, late=MOST_LATE + 0.1)
    machine.look(int(4 / EVERY_SECONDS), requests=2)
    assert machine.admitted(DIAL, of=1000, seconds=1) == 1000


def test_an_sms_is_left_to_its_provider_while_the_process_is_late(machine: Machine) -> None:
    machine.look(late=SMS_LATE + 1)
    assert machine.admitted(SMS) == 0, "what was late a moment ago is late still"
    machine.look()
    assert machine.admitted(SMS) == 100


def test_nobody_is_refused_where_few_call_and_something_else_makes_the_process_late(machine: Machine) -> None:
    machine.look(20, lag=3, late=SMS_LATE + 1, requests=2)
    assert [machine.admitted(one) for one in (DIAL, REPLY, SMS)] == [100, 100, 100]


@pytest.fixture
def app(redis_url: str) -> Iterator[App]:
    app = App(redis_url)
    yield app
    app.close()


@pytest.mark.slow
@pytest.mark.parametrize("channel", ["africastalking", "ussd", "kannel"])
def test_a_new_call_gets_the_numbers_and_one_under_way_is_sent(app: App, channel: str) -> None:
    under_way, new = (app.ussd(number, channel) for number in ("+6785550101", "+6785550102"))
    under_way.dial()
    app.parts.webhooks.admission._rate = app.parts.webhooks.admission._credit = 0.0
    seen = new.dial()
    assert seen.text.startswith("We are busy now. In danger? Call police 111.") and not seen.expects_reply
    for reply in ("Report", "Now", "Go on", "Bullying, threats", "Shefa", "Me", "No", "Send"):
        seen = under_way.type(reply)
    assert seen.text.startswith("Sent to Pikinini Helpline.")
    assert app.count(t.report) == 1


@pytest.mark.slow
@pytest.mark.parametrize("channel", ["africastalking", "ussd", "kannel"])
def test_a_call_has_ended_once_at_sent_or_without_it_at_its_last_screen(app: App, channel: str) -> None:
    admission = app.parts.webhooks.admission
    sending, leaving = (app.ussd(number, channel) for number in ("+6785550101", "+6785550102"))
    sending.dial()
    for reply in ("Report", "Now", "Go on", "Bullying, threats", "Shefa", "Me", "No"):
        sending.type(reply)
    assert admission._ended == 0
    sending.type("Send")
    assert admission._ended == 1
    sending.type("00")
    assert admission._ended == 1
    leaving.dial()
    leaving.type("00")
    assert admission._ended == 2


@pytest.mark.slow
def test_an_sms_that_is_put_off_is_answered_with_503_and_taken_when_it_comes_again(app: App) -> None:
    token, form = app.plan.secrets.africastalking, {"from": "+6785550101", "to": "163", "text": "hello", "id": "a"}
    app.parts.webhooks.admission.note(SMS_LATE + 1)
    for _ in range(BUSY_RATE):
        app.parts.webhooks.admission.admits(REPLY)
    app.parts.webhooks.admission.adjust()
    assert app.http.post(f"/hooks/africastalking/{token}/sms", form).status_code == 503
    app.parts.webhooks.admission.adjust()
    assert app.http.post(f"/hooks/africastalking/{token}/sms", form).status_code == 200
