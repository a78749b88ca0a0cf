"""Admission control: the calls that a late process accepts, and how their rate adapts."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import pytest

from gateway.admission import (
    ABOVE_CAPACITY,
    ASSUMED_CAPACITY,
    BURST_SECONDS,
    BUSY_RATE,
    EVERY_SECONDS,
    FORECAST_SECONDS,
    LATE_RANGE,
    LATE_SECONDS,
    MAX_LAG,
    MAX_LATE,
    MAX_OVERBOOKING,
    MIN_BURST,
    MIN_RATE,
    MIN_SHARE,
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


class SimulatedProcess:
    """A process whose event loop wakes `lag` seconds late, and starts requests `late` seconds late."""

    def __init__(self) -> None:
        self.now = 100.0
        self.use = 0.5
        self.admission = AdmissionControl(lambda: self.now, lambda: self.use)

    def use_up_burst(self) -> None:
        """Make so many calls that further calls are admitted only at the current rate."""
        for _ in range(1000):
            self.admission.admits(DIAL)

    def look(
        self, times: int = 1, *, lag: float = 0.0, late: float = 0.0, requests: int = A_LOOK, ended: float = 0
    ) -> None:
        """Let `times` intervals pass, with `ended` calls ending in each, and adjust the rate after each."""
        for turn in range(times):
            self.now += EVERY_SECONDS + lag
            for _ in range(requests):
                self.admission.note(late)
                self.admission.admits(REPLY)
            for _ in range(int(ended * (turn + 1)) - int(ended * turn)):
                self.admission.note_end()
            self.admission.adjust()

    def refuse(self, times: int, ended: float) -> None:
        """Let more reporters dial than are admitted in each of these intervals, and those who are admitted reply."""
        for _ in range(times):
            self.admitted(DIAL, of=500)
            self.look(requests=500, ended=ended)

    def be_late(self, times: int = 1, ended: float = 10) -> None:
        """Be just too late for this number of intervals, in which `ended` calls end."""
        self.look(times, late=MAX_LATE + 0.001, ended=ended)

    def admitted(self, inbound: Inbound, of: int = 100, seconds: float = 0.0) -> int:
        """Return how many of `of` messages are admitted that arrive evenly over these seconds."""
        count = 0
        for _ in range(of):
            self.now += seconds / of
            count += self.admission.admits(inbound)
        return count

    def rate(self) -> float:
        """Return how many of very many new calls a second are admitted, without letting time pass for the rest."""
        began, calls, admitted = self.now, self.admission._calls, 0
        self.use_up_burst()
        for _ in range(20):
            self.now += 0.1
            admitted += self.admitted(DIAL, of=1000)
        self.now, self.admission._credited_at, self.admission._calls = began, began, calls
        return admitted / 2


def rate_of(capacity: float, share: float = ABOVE_CAPACITY) -> Any:
    return pytest.approx(share * capacity, rel=0.03)


@pytest.fixture
def process() -> SimulatedProcess:
    return SimulatedProcess()


@pytest.fixture
def tried(process: SimulatedProcess) -> SimulatedProcess:
    """A machine that was late some minutes ago, and forgets it only after this test."""
    process.admission._forecast_until = math.inf
    return process


def test_at_rest_everything_is_admitted(process: SimulatedProcess) -> None:
    process.look(100, lag=MAX_LAG - 0.1, late=MAX_LATE - 0.1)
    assert [process.admitted(one, of=5000) for one in (DIAL, REPLY, SMS)] == [5000, 5000, 5000]


@pytest.mark.parametrize("over", [{"lag": MAX_LAG + 0.01}, {"late": MAX_LATE + 0.001}])
def test_above_a_bound_new_calls_are_admitted_as_fast_as_calls_have_ended_and_every_call_under_way(
    process: SimulatedProcess, over: dict[str, float]
) -> None:
    process.use = 1.0
    process.look(400, ended=10)
    process.look(1, **over)
    assert process.rate() == rate_of(40, SHARE_OF_CAPACITY)
    assert process.admitted(REPLY) == 100


def test_what_calls_cost_tells_how_many_can_be_served_before_anything_is_late(tried: SimulatedProcess) -> None:
    """A bug: until calls were late, all new ones were admitted. A minute later they came to Send, and broke off."""
    tried.use = 0.25
    tried.look(400, ended=5)
    assert tried.rate() == rate_of(80)


def test_what_works_in_the_background_takes_its_part(tried: SimulatedProcess) -> None:
    tried.use = 0.5
    tried.look(400, ended=5)
    assert tried.rate() == rate_of(40)


@pytest.mark.parametrize("use", [0.1, 0.4])
def test_idle_processors_count_as_capacity(tried: SimulatedProcess, use: float) -> None:
    """At night few calls end beside other work. That does not mean that no more could."""
    tried.use = use
    tried.look(400, ended=0.3)
    assert tried.rate() == rate_of(ASSUMED_CAPACITY * (1 - use))


@pytest.mark.parametrize(("ended", "capacity"), [(0, ASSUMED_CAPACITY), (3, 12)])
def test_while_it_is_late_few_ended_calls_mean_a_slow_machine_or_that_none_could_end_yet(
    process: SimulatedProcess, ended: int, capacity: float
) -> None:
    process.be_late(400, ended=ended)
    assert process.rate() == rate_of(capacity, SHARE_OF_CAPACITY)


def test_none_is_refused_for_what_it_may_cost_before_the_process_was_late(process: SimulatedProcess) -> None:
    """What else the processors do, or calls that never end, may make the forecast too low."""
    process.look(400, ended=5)
    assert process.admitted(DIAL, of=5000) == 5000
    process = SimulatedProcess()
    process.look(400, ended=5)
    process.be_late()
    process.look(int(FORECAST_SECONDS / EVERY_SECONDS) - 20, ended=5)
    assert process.admitted(DIAL, of=5000) < 500
    process.look(40, ended=5)
    assert process.admitted(DIAL, of=5000) == 5000


def test_for_a_minute_after_it_was_late_it_does_not_ask_whether_callers_reply(process: SimulatedProcess) -> None:
    process.use = 0.1
    process.be_late()
    for _ in range(int(LATE_SECONDS / EVERY_SECONDS) - 20):
        process.admitted(DIAL, of=20)
        process.look(requests=5)
    assert process.admitted(DIAL, of=1000) < 100
    for _ in range(40):
        process.admitted(DIAL, of=20)
        process.look(requests=5)
    assert process.admitted(DIAL, of=1000) == 1000


def test_a_machine_that_was_just_late_is_not_assumed_to_have_time(process: SimulatedProcess) -> None:
    """A disk may be its limit: then the processors are idle."""
    process.use = 0.1
    process.be_late(400, ended=3)
    process.look(4, ended=3)
    assert process.rate() == rate_of(12)


def test_what_the_processors_do_while_few_call_is_no_cost_of_calls(tried: SimulatedProcess) -> None:
    tried.look(400, ended=5)
    tried.look(20, requests=2)
    tried.use = 0.9
    tried.look(4000, requests=2)
    tried.use = 0.5
    tried.look(20, ended=5)
    assert tried.rate() == rate_of(40)


def test_a_stall_of_some_seconds_is_no_time_with_few_requests(process: SimulatedProcess) -> None:
    """A bug: requests were averaged over the stall, so all that had waited for its end were admitted."""
    process.look(100, ended=3)
    process.look(lag=3, late=3)
    assert process.admitted(SMS) == 0
    assert process.admitted(DIAL, of=1000) <= MIN_BURST
    process.look(lag=3600, late=3)
    assert process.admitted(DIAL, of=1000) == 1000


def test_the_later_it_is_the_fewer_are_admitted_and_never_nobody(process: SimulatedProcess) -> None:
    process.use = 1.0
    process.look(400, ended=10)
    process.look(late=MAX_LATE + 0.1 * LATE_RANGE)
    assert process.rate() == rate_of(0.9 * 40, SHARE_OF_CAPACITY)
    process.look(late=MAX_LATE + 2 * LATE_RANGE)
    assert process.rate() == rate_of(MIN_SHARE * 40, SHARE_OF_CAPACITY)
    process = SimulatedProcess()
    process.be_late(3000, ended=0.09)
    assert process.rate() == pytest.approx(MIN_RATE, rel=0.1)


@pytest.mark.parametrize("late", [0.0, MAX_LATE + LATE_RANGE])
def test_a_crowd_at_one_moment_is_admitted_however_late_it_makes_the_process(
    process: SimulatedProcess, late: float
) -> None:
    assert process.admitted(DIAL, of=MIN_BURST // 2) == MIN_BURST // 2
    process.look(late=late)
    assert process.admitted(DIAL, of=MIN_BURST // 2) == MIN_BURST // 2


def test_a_second_crowd_is_admitted_once_there_was_time_for_the_first(tried: SimulatedProcess) -> None:
    tried.use = 1.0
    tried.look(400, ended=30)
    tried.use_up_burst()
    tried.look(40, ended=30)
    crowd = int(BURST_SECONDS * 120)
    assert crowd > MIN_BURST
    assert tried.admitted(DIAL, of=crowd + 1000) == pytest.approx(crowd, rel=0.05)


def test_one_late_moment_at_the_beginning_of_a_rush_costs_few_their_call(process: SimulatedProcess) -> None:
    """The process has not yet measured its own capacity."""
    process.look(late=MAX_LATE + LATE_RANGE)
    assert process.rate() == rate_of(MIN_SHARE * ASSUMED_CAPACITY, SHARE_OF_CAPACITY)
    process.use = 0.0
    process.look()
    assert process.rate() == rate_of(ASSUMED_CAPACITY)


def test_nobody_is_refused_for_long_where_few_call_and_it_is_late(process: SimulatedProcess) -> None:
    process.look(late=MAX_LATE + LATE_RANGE)
    process.look(int(5 / EVERY_SECONDS), late=MAX_LATE + LATE_RANGE, requests=1)
    assert process.admitted(DIAL, of=10, seconds=1) == 10


def test_more_are_admitted_little_by_little_while_it_is_not_late(tried: SimulatedProcess) -> None:
    """Some reporters hang up: then the processors have time, and calls that were refused could have been served."""
    tried.use = 0.25
    tried.look(400, ended=5)
    before = tried.rate()
    tried.refuse(400, ended=5)
    assert 1.3 * before < tried.rate() < 1.6 * before
    tried.admission._overbooking = MAX_OVERBOOKING - 0.1
    tried.refuse(40, ended=5)
    assert tried.rate() == rate_of(80 * MAX_OVERBOOKING)


def test_few_more_are_admitted_where_the_processors_are_busy(tried: SimulatedProcess) -> None:
    tried.use = 1.0
    tried.look(400, ended=10)
    tried.refuse(240, ended=10)
    assert tried.rate() == rate_of(1.12 * 40)


@pytest.mark.parametrize("late", [True, False])
def test_it_admits_fewer_again_once_it_is_late_or_refuses_nobody(tried: SimulatedProcess, late: bool) -> None:
    tried.use = 0.25
    tried.look(400, ended=5)
    tried.refuse(400, ended=5)
    before = tried.rate()
    tried.look()
    if late:
        tried.use = 1.0
        tried.be_late(80, ended=20)
    else:
        tried.look(400, ended=5)
    assert tried.rate() < 0.85 * before


def test_a_pause_of_the_process_changes_hardly_anything(tried: SimulatedProcess) -> None:
    """A bug in a draft: after eight hours of suspension twenty times as many calls were admitted."""
    tried.use = 0.25
    tried.look(400, ended=5)
    tried.admitted(DIAL, of=500)
    tried.now += 8 * 3600
    tried.admission.adjust()
    assert tried.admission._overbooking < 1.02


def test_reporters_who_hang_up_do_not_make_room_for_a_larger_burst(tried: SimulatedProcess) -> None:
    tried.use = 0.05
    tried.look(400, ended=1)
    tried.admission._overbooking = MAX_OVERBOOKING - 0.1
    tried.refuse(40, ended=1)
    tried.look(40, ended=1)
    assert tried.admitted(DIAL, of=5000) == pytest.approx(BURST_SECONDS * 80, abs=1)


def test_calls_to_whose_first_screen_hardly_anybody_replies_are_not_refused(tried: SimulatedProcess) -> None:
    """No reporter is refused without need (S-36): a flood of such calls takes little time, and none from others."""
    tried.look(400, ended=5)
    assert tried.rate() == rate_of(40)
    tried.look(40, requests=2)
    flood = 0
    for _ in range(80):
        flood += tried.admitted(DIAL, of=100)
        tried.look(requests=5)
    assert flood == 80 * 100
    for _ in range(8):
        tried.admitted(DIAL, of=100)
        tried.look(requests=300)
    assert tried.rate() < 50, "these callers reply"


def test_sms_are_no_replies_of_callers(tried: SimulatedProcess) -> None:
    tried.look(400, ended=5)
    tried.look(40, requests=2)
    flood = 0
    for _ in range(80):
        flood += tried.admitted(DIAL, of=50)
        tried.admitted(SMS, of=100)
        tried.look(requests=5)
    assert flood == 80 * 50


def test_once_there_are_few_requests_all_are_admitted_soon(process: SimulatedProcess) -> None:
    process.be_late(100, ended=0)
    process.look(int(4 / EVERY_SECONDS), requests=2)
    assert process.admitted(DIAL, of=1000, seconds=1) == 1000


def test_an_sms_is_left_to_its_provider_while_the_process_is_late(process: SimulatedProcess) -> None:
    process.look(late=SMS_LATE + 1)
    assert process.admitted(SMS) == 0, "what was late a moment ago is late still"
    process.look()
    assert process.admitted(SMS) == 100


def test_nobody_is_refused_where_few_call_and_something_else_makes_the_process_late(process: SimulatedProcess) -> None:
    process.look(20, lag=3, late=SMS_LATE + 1, requests=2)
    assert [process.admitted(one) for one in (DIAL, REPLY, SMS)] == [100, 100, 100]


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
    admission = app.parts.webhooks.admission
    admission._rate = admission._credit = 0.0
    admission._is_busy = admission._was_late = True
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
