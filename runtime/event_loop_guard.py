"""Report calls that wait for a disk or a database on a protected event loop: they delay all its requests."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from weakref import WeakSet

import structlog

log = structlog.get_logger()

_protected: WeakSet[asyncio.AbstractEventLoop] = WeakSet()
_on_violation: list[Callable[[str], None]] = []


def protect(loop: asyncio.AbstractEventLoop) -> None:
    """Watch the thread of this event loop from now on."""
    _protected.add(loop)


def add_callback(act: Callable[[str], None]) -> None:
    """Call `act` with the name of the function, beside logging it, whenever a protected loop would block."""
    _on_violation.append(act)


def remove_callback(act: Callable[[str], None]) -> None:
    """Stop calling `act`."""
    _on_violation.remove(act)


def check(function: str) -> None:
    """Log the call, and call all callbacks, if the calling thread runs a protected event loop.

    Args:
        function: the name of the function that may wait.
    """
    loop = asyncio._get_running_loop()
    if loop is not None and loop in _protected:
        log.error("event_loop_blocked", call=function)
        for act in _on_violation:
            act(function)
