"""Services that do not answer for a moment, and the information that a test reads from a screen."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any
from unittest.mock import patch

import redis
import time_machine

from gateway.circuit_breaker import CircuitBreaker
from gateway.sessions import store
from reports.store.engine.database import DatabaseUnavailable
from tests.support.app import App

NUMBERS = "Not working now. In danger? Call police 111. Pikinini Helpline: call 163. Please dial again in 10 minutes."
_CODE = re.compile(r"Code (\d{4}) (\d{4})\nPIN (\d{4})")


@contextmanager
def database_unavailable(app: App) -> Iterator[None]:
    """Let every statement fail at once. Afterwards web uses the database again without its pause of half a minute."""
    with (
        patch.object(app.parts.database, "write", side_effect=DatabaseUnavailable("away")),
        patch.object(app.parts.database, "read", side_effect=DatabaseUnavailable("away")),
    ):
        yield
    app.parts.submitter._breaker = CircuitBreaker("database_unavailable", failures=3, window=30, pause=30)


@contextmanager
def redis_unavailable(app: App) -> Iterator[None]:
    with patch.object(app.parts.sessions, "_ask", side_effect=store.RedisUnavailable):
        yield


@contextmanager
def session_not_saved(app: App) -> Iterator[None]:
    """Make Redis unavailable when the session of a turn is saved."""
    with patch.object(app.parts.sessions, "save", side_effect=store.RedisUnavailable):
        yield


@contextmanager
def overtaken(app: App, *others: Callable[[], object]) -> Iterator[None]:
    """Handle one of `others` just before each of the next turns is saved: this turn loses the compare-and-set."""
    keep, left = app.parts.sessions.save, list(others)

    async def late(*given: Any, **named: Any) -> bool:
        if left and not busy:
            busy.append(True)
            await asyncio.to_thread(left.pop(0))  # in a thread: it needs the event loop that runs this
            busy.clear()
        return await keep(*given, **named)

    busy: list[bool] = []
    with patch.object(app.parts.sessions, "save", late):
        yield
    assert not left, "nobody was overtaken"


def empty(redis_url: str) -> None:
    """Delete all sessions, as after a restart of Redis or after they have expired."""
    with redis.Redis.from_url(redis_url) as client:
        client.flushall()


def later(**ahead: float) -> Any:
    return time_machine.travel(datetime.now(UTC) + timedelta(**ahead), tick=True)


def code_and_pin(screen: str) -> tuple[str, str]:
    found = _CODE.search(screen)
    assert found, screen
    return found[1] + found[2], found[3]
