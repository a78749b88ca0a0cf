"""Web, workers and clock start no other program."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from reports.escalation import QUEUE_PRIORITIES
from tests.support.app import App
from workers.app import create_scheduler, create_services

pytestmark = pytest.mark.slow

STARTS = (
    "subprocess.Popen",
    "os.exec",
    "os.spawn",
    "os.posix_spawn",
    "os.system",
    "os.fork",
    "os.forkpty",
    "pty.spawn",
)
WATCHED: list[list[str]] = []  # an audit hook stays until the process ends, so it records only for tests in this list


def _look(event: str, _arguments: tuple[Any, ...]) -> None:
    if WATCHED and event in STARTS:
        WATCHED[-1].append(event)


@contextmanager
def watched() -> Iterator[list[str]]:
    if not getattr(sys, "_tokaut_looks", False):
        sys.addaudithook(_look)
        sys._tokaut_looks = True  # type: ignore[attr-defined]  # install the hook once per process of the test run
    WATCHED.append([])
    yield WATCHED[-1]
    WATCHED.pop()


@pytest.mark.rule("A-04")
def test_the_three_services_start_no_program(redis_url: str) -> None:
    with watched() as started:
        app = App(redis_url)
        _report(app)
        for name in ("urgent-1", "standard-1", "clock-1"):
            parts = create_services(name, app.plan.settings, lambda: False)
            parts.delivery_runner.drain(QUEUE_PRIORITIES["urgent"], seconds=5)
            if name == "clock-1":
                clock = create_scheduler(parts, app.plan.settings)
                clock.tick()
                stopping = threading.Event()
                stopping.set()
                clock.run(stopping)
            parts.database.close()
        app.http.send("GET", "/metrics")
        app.close()
    assert started == []


def _report(app: App) -> None:
    phone = app.ussd("+6785550101")
    phone.dial()
    for reply in (
        "Report",
        "Now",
        "Go on",
        "Bullying, threats",
        "Shefa",
        "Me",
        "No",
        "Send",
        "x $(id)",
    ):
        phone.type(reply)
    app.sms("+6785550102").text("Somebody takes my money `id`")


def test_a_program_that_is_started_is_seen() -> None:
    with watched() as started:
        subprocess.run([sys.executable, "-c", ""], check=True)
    assert started[0] == "subprocess.Popen"
