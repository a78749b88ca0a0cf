"""An event loop in a thread of its own, for servers that know no event loop: the webhooks are coroutines."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine
from concurrent.futures import CancelledError
from typing import Any, TypeVar

from runtime import event_loop_guard

T = TypeVar("T")


class BackgroundLoop:
    """The thread begins with the first coroutine that is run, in the process that runs it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._is_closed = False

    def run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine on the loop; return what it returns, raise what it raises. For any thread but the loop's.

        Raises CancelledError where the loop ends meanwhile, or has ended.
        """
        with self._lock:
            if self._is_closed:
                coroutine.close()
                raise CancelledError
            future = asyncio.run_coroutine_threadsafe(coroutine, self._running())
        return future.result()

    def _running(self) -> asyncio.AbstractEventLoop:
        if self._loop is None:
            self._loop = asyncio.new_event_loop()
            event_loop_guard.protect(self._loop)
            self._thread = threading.Thread(target=_run, args=(self._loop,), name="event loop", daemon=True)
            self._thread.start()
        return self._loop

    def close(self) -> None:
        """End the loop and its thread, and what still runs there."""
        with self._lock:
            loop, thread = self._loop, self._thread
            self._loop = self._thread = None
            self._is_closed = True
        if loop and thread:
            loop.call_soon_threadsafe(loop.stop)
            thread.join()


def _run(loop: asyncio.AbstractEventLoop) -> None:
    """Run the loop until it is stopped, then end all that still runs on it."""
    loop.run_forever()
    loop.run_until_complete(_end_tasks(loop))
    loop.run_until_complete(loop.shutdown_asyncgens())
    loop.close()


async def _end_tasks(loop: asyncio.AbstractEventLoop) -> None:
    """Cancel what runs on this loop, so that nobody waits for it for ever."""
    running = asyncio.all_tasks(loop) - {asyncio.current_task(loop)}
    for task in running:
        task.cancel()
    await asyncio.gather(*running, return_exceptions=True)
