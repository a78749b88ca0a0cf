"""For how long a request has waited behind a proxy, by its header `X-Request-Start`."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from gateway import asgi
from gateway.asgi import MAX_PROXIES, MAX_PROXY_WAIT_SECONDS, RISE, ProxyClocks
from tests.support.app import App
from tests.support.asgi import AsgiHttp


class Clock:
    """The time on this host, and on a proxy whose clock is `ahead` by some seconds."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 1_800_000_000.0
        monkeypatch.setattr(asgi, "time", self)

    def time(self) -> float:
        return self.now

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return Clock(monkeypatch)


@pytest.mark.parametrize("ahead", [0.0, 3.0, -3.0, 7200.0, -7200.0])
def test_the_difference_between_two_clocks_is_no_wait(clock: Clock, ahead: float) -> None:
    clocks = ProxyClocks()
    for seconds in (0.5, 0.0, 2.0, 0.0):
        found = clocks.waited("10.0.0.1", seconds - ahead)
        clock.now += 0.1
    assert found == pytest.approx(0.0, abs=0.01)
    assert clocks.waited("10.0.0.1", 2.0 - ahead) == pytest.approx(2.0, abs=0.02)
    assert clocks.waited("10.0.0.2", 9.0) == 0.0  # another proxy has a clock of its own


@pytest.mark.parametrize("step", [1.0, MAX_PROXY_WAIT_SECONDS - 1.0, 3600.0])
def test_a_clock_that_is_set_looks_like_a_wait_for_some_minutes_at_most(clock: Clock, step: float) -> None:
    clocks = ProxyClocks()
    assert clocks.waited("10.0.0.1", 0.0) == 0.0
    assert clocks.waited("10.0.0.1", step) == pytest.approx(step if step < MAX_PROXY_WAIT_SECONDS else 0.0)
    clock.now += MAX_PROXY_WAIT_SECONDS / RISE
    assert clocks.waited("10.0.0.1", step) == 0.0
    assert clocks.waited("10.0.0.1", step - 5.0) == 0.0  # set back


def test_only_a_few_proxies_are_remembered(clock: Clock) -> None:
    clocks = ProxyClocks()
    for n in range(MAX_PROXIES + 1):
        clocks.waited(f"10.0.0.{n}", 0.0)
    assert clocks.waited("10.0.0.0", 2.0) == pytest.approx(2.0)
    assert clocks.waited(f"10.0.0.{MAX_PROXIES}", 2.0) == 0.0


@pytest.fixture
def app(redis_url: str) -> Iterator[App]:
    app = App(redis_url)
    yield app
    app.close()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("client", "is_believed"), [("127.0.0.1", True), ("10.0.0.5", True), ("fd00::5", True), ("8.8.8.8", False)]
)
def test_who_is_believed(app: App, monkeypatch: pytest.MonkeyPatch, client: str, is_believed: bool) -> None:
    """A bug: behind a proxy on another host admission control saw no request wait."""
    waits: list[float] = []
    monkeypatch.setattr(app.parts.webhooks.admission, "note", waits.append)
    address = f"/hooks/africastalking/{app.plan.secrets.africastalking}/ussd"
    body = b"sessionId=one&serviceCode=*111*163%23&phoneNumber=%2B6785550101&text="
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    with AsgiHttp(app, client) as http:
        for seconds in (0.0, 2.0):
            start = {"X-Request-Start": f"t={time.time() - seconds:.3f}", "X-Forwarded-For": "203.0.113.1"}
            assert http.send("POST", address, body, form | start).status_code == 200
        for header in ("t=nan", "t=inf", "t=-inf", "t=x", "t=", "x"):
            assert http.send("POST", address, body, form | {"X-Request-Start": header}).status_code == 200
    assert waits[1] == pytest.approx(2.0 if is_believed else 0.0, abs=0.5)
    assert max(waits[2:]) < 0.5
