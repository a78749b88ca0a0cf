"""What may wait for a disk or a database is noticed on an event loop's thread, and nowhere else."""

from __future__ import annotations

import asyncio

import pytest
from structlog.testing import capture_logs

from reports import loop_guard
from reports.logwords import EVENTS, fits
from tests.support import blocked


def test_a_call_that_may_wait_is_logged_on_a_protected_loop_and_fails_the_test() -> None:
    async def wait() -> None:
        loop_guard.protect(asyncio.get_running_loop())
        loop_guard.check("database.write")

    with capture_logs() as logged, pytest.raises(loop_guard.BlocksTheLoop, match=r"database\.write"):
        asyncio.run(wait())
    blocked.found.clear()  # it was meant
    assert logged == [{"event": "blocks_event_loop", "log_level": "error", "call": "database.write"}]
    assert "blocks_event_loop" in EVENTS and fits("call", "database.write")


def test_other_threads_and_loops_may_wait() -> None:
    async def wait() -> None:
        loop_guard.check("database.write")

    async def beside() -> None:
        loop_guard.protect(asyncio.get_running_loop())
        await asyncio.to_thread(loop_guard.check, "database.write")

    with capture_logs() as logged:
        loop_guard.check("database.write")
        asyncio.run(wait())
        asyncio.run(beside())
    assert not logged
