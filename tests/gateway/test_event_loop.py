"""The event loop in a thread: it starts on first use, and no call waits for it after its end."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from concurrent.futures import CancelledError, ThreadPoolExecutor

import pytest

from gateway.threads import BackgroundLoop
from runtime import event_loop_guard
from tests.support import blocked


@pytest.fixture
def loop() -> Iterator[BackgroundLoop]:
    loop = BackgroundLoop()
    yield loop
    loop.close()


async def where() -> tuple[int, asyncio.AbstractEventLoop]:
    return threading.get_ident(), asyncio.get_running_loop()


def test_no_thread_begins_before_it_is_needed(loop: BackgroundLoop) -> None:
    """A thread of the server's master process would not survive the fork."""
    assert "event loop" not in [thread.name for thread in threading.enumerate()]
    loop.run(where())
    assert "event loop" in [thread.name for thread in threading.enumerate()]


def test_all_coroutines_run_on_one_loop_in_one_thread(loop: BackgroundLoop) -> None:
    with ThreadPoolExecutor(8) as threads:
        found = set(threads.map(lambda _: loop.run(where()), range(50)))
    assert len(found) == 1
    assert found.pop()[0] != threading.get_ident()


def test_coroutines_of_many_threads_run_beside_one_another(loop: BackgroundLoop) -> None:
    """Each coroutine waits until all have arrived."""
    came = asyncio.Barrier(8)
    with ThreadPoolExecutor(8) as threads:
        found = sorted(threads.map(lambda _: loop.run(came.wait()), range(8)))
    assert found == list(range(8))


def test_what_a_coroutine_raises_is_raised(loop: BackgroundLoop) -> None:
    async def fail() -> None:
        raise ValueError("ours")

    with pytest.raises(ValueError, match="ours"):
        loop.run(fail())


def test_its_loop_is_protected(loop: BackgroundLoop) -> None:
    async def read() -> None:
        event_loop_guard.check("read")

    with pytest.raises(blocked.BlocksTheLoop):
        loop.run(read())
    assert len(blocked.found) == 1
    blocked.found.clear()


def test_whoever_waits_at_its_end_is_told(loop: BackgroundLoop) -> None:
    begun, undone = threading.Event(), threading.Event()

    async def wait() -> None:
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            undone.set()

    with ThreadPoolExecutor(1) as threads:
        waiting = threads.submit(loop.run, wait())
        assert begun.wait(20)
        loop.close()
        with pytest.raises(CancelledError):
            waiting.result(20)
    assert undone.is_set()


def test_after_its_end_it_begins_no_other(loop: BackgroundLoop) -> None:
    loop.run(where())
    loop.close()
    with pytest.raises(CancelledError):
        loop.run(where())
    loop.close()
    assert "event loop" not in [thread.name for thread in threading.enumerate()]
