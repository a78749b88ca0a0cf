"""Admission control: how many calls a process accepts, and how their limit adapts."""

from __future__ import annotations

import math
from collections.abc import Iterator

import pytest

from gateway.admission import (
    BUSY_RATE,
    CALL_SECONDS,
    EVERY_SECONDS,
    FIRST_LIMIT,
    GROWTH,
    LEAST,
    MOST_LAG,
    MOST_LATE,
    SHRINK,
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

    def begin(self, calls: int) -> None:
        """Admit so many calls."""
        for _ in range(calls):
            assert self.admission.admits(DIAL)

    def look(
        self, times: int = 1, *, lag: float = 0.0, late: float = 0.0, requests: int = A_LOOK, ended: int = 0
    ) -> None:
        """Let `times` intervals pass, with `ended` calls ending in each, and adjust the limit after each."""
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
def test_a_late_process_admits_a_new_call_for_nearly_each_that_ends_and_every_call_under_way(
    machine: Machine, over: dict[str, float]
) -> None:
    machine.look()
    machine.begin(100)
    machine.look(**over)
    assert machine.admitted(DIAL) == LEAST, "a hundred are under way, and it is late"
    machine.look(**over)
    admitted = 0
    for _ in range(10):
        machine.look(ended=10, **over)
        admitted += machine.admitted(DIAL)
    assert 100 * (1 - SHRINK) <= admitted < 95, "a hundred have ended"
    assert machine.admitted(REPLY) == 100


def test_a_late_process_in_which_no_call_ends_still_admits_some(machine: Machine) -> None:
    machine.look()
    machine.begin(100)
    machine.look(int(20 / EVERY_SECONDS), late=5)
    admitted = 0
    for _ in range(10):
        machine.look(int(1 / EVERY_SECONDS), late=5)
        admitted += machine.admitted(DIAL)
    assert 10 * LEAST <= admitted < 30, "one a second, and those in place of callers who hung up"


@pytest.mark.parametrize("late", [0.0, 5.0])
def test_a_crowd_at_one_moment_is_admitted_however_late_it_makes_the_process(machine: Machine, late: float) -> None:
    machine.begin(1000)
    machine.look(late=late)
    assert machine.admitted(DIAL) == LEAST, "beyond the limit"


def test_a_process_that_was_never_late_admits_no_more_than_it_could_finish(machine: Machine) -> None:
    machine.look()
    machine.begin(int(FIRST_LIMIT))
    machine.look()
    assert machine.admitted(DIAL, of=1000) < 10


def test_a_second_crowd_is_admitted_once_there_was_time_for_the_first(machine: Machine) -> None:
    machine.look()
    machine.begin(int(FIRST_LIMIT))
    machine.look(4, late=1, ended=int(FIRST_LIMIT / 4))
    machine.look(requests=2, times=40)
    machine.begin(int(FIRST_LIMIT))


def test_the_limit_rises_while_calls_come_up_to_it_and_the_process_is_not_late(machine: Machine) -> None:
    machine.look()
    machine.begin(int(FIRST_LIMIT))
    seconds, limit = 20, machine.admission._limit
    for _ in range(int(seconds / EVERY_SECONDS)):
        machine.admitted(DIAL, of=30)
        machine.look()
    assert machine.admission._limit == pytest.approx(limit * (1 + GROWTH * EVERY_SECONDS) ** (seconds / EVERY_SECONDS))
    limit = machine.admission._limit
    machine.admission._under_way = 0.0
    machine.look(100)
    assert machine.admission._limit == limit, "nobody needed more"


def test_callers_who_hang_up_are_forgotten(machine: Machine) -> None:
    machine.look()
    machine.begin(100)
    machine.look(int(CALL_SECONDS / EVERY_SECONDS))
    assert machine.admission._under_way == pytest.approx(100 / math.e, rel=0.01)


def test_nobody_is_refused_for_long_where_few_call_and_it_is_late(machine: Machine) -> None:
    machine.look()
    machine.begin(int(FIRST_LIMIT))
    machine.look(late=5)
    machine.look(int(5 / EVERY_SECONDS), late=5, requests=1)
    assert machine.admitted(DIAL, of=10, seconds=1) == 10


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
    app.parts.webhooks.admission._is_busy = True
    app.parts.webhooks.admission._limit = app.parts.webhooks.admission._always = 0.0
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
