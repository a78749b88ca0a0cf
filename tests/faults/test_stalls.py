"""Redis, database and disk hang, alone and together: every answer within five seconds, and never a false "Sent".

The parts hang for a minute in the long form, and in the short one for as long as the calls take: no wait in Tokaut is
longer.
"""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack, contextmanager
from typing import Any

import pytest

from tests.faults.conversations import EMERGENCY_SCREEN, MAX_ANSWER_SECONDS, TO_SEND, new_phone_number, promptly
from tests.faults.faulty_installation import FaultyInstallation
from tests.support.handsets import AfricasTalking, AfricasTalkingTexts, Screen
from tests.support.postgres import Postgres, binaries
from tests.support.stopwatch import Stopwatch
from tests.support.wait import until

pytestmark = [pytest.mark.slow, pytest.mark.faults]
SECONDS, CALLERS = (60.0, 6) if os.environ.get("LONG") == "1" else (8.0, 4)  # reporters who call at a time
BETWEEN = 0.5  # seconds between two calls: this test measures answers, not throughput
DRAINED = 10 * SECONDS  # by then all reports sent meanwhile are delivered: a longer stall means more calls
PARTS = ("redis", "database", "disk")
TOGETHER = [("redis",), ("database",), ("disk",), ("redis", "database"), ("database", "disk"), PARTS]


class Stalled(FaultyInstallation):
    def command(self, name: str) -> list[str]:
        python, *rest = super().command(name)
        if name == "web":
            return [python, "-m", "tests.faults.slow_disk", str(self.folder / "stalled"), *rest[1:]]
        return [python, *rest]

    @contextmanager
    def disk(self) -> Iterator[None]:
        file = self.folder / "stalled"
        file.touch()
        try:
            yield
        finally:
            file.unlink()

    @contextmanager
    def line_to_the_database(self) -> Iterator[None]:
        assert self.proxy
        self.proxy.stall()
        try:
            yield
        finally:
            self.proxy.resume()
            self.proxy.reset()

    def stall(self, part: str) -> AbstractContextManager[None]:
        database = self.line_to_the_database if self.proxy else self.locked
        how: Mapping[str, Callable[[], Any]] = {"redis": lambda: self.frozen("valkey"), "database": database}
        return how.get(part, self.disk)()


DATABASES = [
    pytest.param(name, marks=pytest.mark.xdist_group(f"stalls on {name}")) for name in ("sqlite", "postgresql")
]


@pytest.fixture(scope="module", params=DATABASES)
def shared(request: pytest.FixtureRequest) -> Iterator[Stalled]:
    server = None
    if request.param == "postgresql":
        found = binaries()
        if found is None:
            pytest.skip("no PostgreSQL binaries")
        server = Postgres(found).start()
    installation = Stalled(web_processes=2, postgres=server).up()
    yield installation
    installation.down()


@pytest.fixture
def installation(shared: Stalled) -> Stalled:
    """Wait until all parts are used again."""

    def is_used() -> bool:
        before = shared.count("report")
        seen = _walk(shared, new_phone_number())
        return seen.text.startswith("Sent to") and shared.count("report") > before and not shared.spooled()

    until(is_used, "not all parts are used again", 90)
    return shared


def _walk(installation: FaultyInstallation, number: str) -> Screen:
    phone = installation.ussd_phone("africastalking", number)
    seen = promptly(phone.dial)
    for reply in (*TO_SEND, "1"):
        if not seen.expects_reply:
            break
        seen = promptly(lambda reply=reply: phone.type(reply))  # type: ignore[misc]  # mypy ignores a lambda's default
    return seen


def _numbers(received: list[dict[str, Any]]) -> list[str]:
    """Return the number of each report, as often as it was received."""
    return [line["body"]["data"]["contact"].get("msisdn") for line in received]


def _call_on(installation: FaultyInstallation, end: float) -> list[tuple[str, Screen]]:
    """Make one call after the other, each with a number of its own; return the last screen of each."""
    seen = []
    while time.monotonic() < end:
        number = new_phone_number()
        seen.append((number, _walk(installation, number)))
        time.sleep(BETWEEN)
    return seen


@pytest.mark.rule("S-03")
@pytest.mark.parametrize("parts", TOGETHER, ids="-".join)
def test_every_answer_comes_and_none_is_false(installation: Stalled, parts: tuple[str, ...]) -> None:
    with ExitStack() as stalls, ThreadPoolExecutor(CALLERS) as pool:
        for part in parts:
            stalls.enter_context(installation.stall(part))
        end = time.monotonic() + SECONDS
        calls = [
            call for one in [pool.submit(_call_on, installation, end) for _ in range(CALLERS)] for call in one.result()
        ]
    assert len(calls) >= CALLERS
    sent = {number for number, seen in calls if seen.text.startswith("Sent to")}
    for number, seen in calls:
        assert number in sent or EMERGENCY_SCREEN in seen.text, seen.text
        assert number in sent or not seen.expects_reply, seen.text
    if "disk" not in parts:
        assert len(sent) == len(calls), "one of the two places takes it"
    never = "a report that was Sent never came"
    installation.until_received(lambda received: not sent - set(_numbers(received)), never, DRAINED)
    arrived_at = Counter(_numbers(installation.received()))
    assert {number: arrived_at[number] for number in sent} == dict.fromkeys(sent, 1)


@pytest.mark.parametrize("parts", [("redis",), ("database",), PARTS], ids="-".join)
def test_a_text_is_answered_in_time_or_left_to_the_provider(installation: Stalled, parts: tuple[str, ...]) -> None:
    sms_dispatcher = installation.sms_phone("africastalking", new_phone_number())
    assert isinstance(sms_dispatcher, AfricasTalkingTexts)
    sms_dispatcher.write("my cousin is in trouble pls")
    with ExitStack() as stalls:
        for part in parts:
            stalls.enter_context(installation.stall(part))
        watch = Stopwatch()
        status = sms_dispatcher.post().status_code
        assert watch.seconds <= MAX_ANSWER_SECONDS
        assert status in (200, 503)
    until(lambda: sms_dispatcher.post().status_code == 200, "it is never taken", 60)
    until(lambda: bool(sms_dispatcher.replies()), "it is never answered", 60)


def test_the_home_screen_comes_within_two_seconds_while_all_hangs(installation: Stalled) -> None:
    phone = installation.ussd_phone("africastalking", new_phone_number())
    assert isinstance(phone, AfricasTalking)
    with ExitStack() as stalls:
        for part in PARTS:
            stalls.enter_context(installation.stall(part))
        watch = Stopwatch()
        assert phone.dial().text.startswith("In danger? Call police 111.")
        assert watch.seconds <= 2
