"""An event loop in a thread of its own, for threads and servers without one: the webhooks are coroutines."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine
from concurrent.futures import CancelledError
from typing import Any, TypeVar

from runtime import event_loop_guard

T = TypeVar("T")


class BackgroundLoop:
    """Run coroutines on one event loop. Its thread starts with the first coroutine, in the process that runs it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._is_closed = False

    def run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine on the loop and return its result, or raise its exception. For any thread but the loop's.

        Raises CancelledError if the loop is closed, before or meanwhile.
        """
        with self._lock:
            if self._is_closed:
                coroutine.close()
                raise CancelledError
            future = asyncio.run_coroutine_threadsafe(coroutine, self._running_loop())
        return future.result()

    def _running_loop(self) -> asyncio.AbstractEventLoop:
        if self._loop is None:
            self._loop = asyncio.new_event_loop()
            event_loop_guard.protect(self._loop)
            self._thread = threading.Thread(target=_run, args=(self._loop,), name="event loop", daemon=True)
            self._thread.start()
        return self._loop

    def close(self) -> None:
        """Cancel all tasks, and end the loop and its thread."""
        with self._lock:
            loop, thread = self._loop, self._thread
            self._loop = self._thread = None
            self._is_closed = True
        if loop and thread:
            loop.call_soon_threadsafe(loop.stop)
            thread.join()


def _run(loop: asyncio.AbstractEventLoop) -> None:
    """Run the loop until it is stopped, then cancel its remaining tasks."""
    loop.run_forever()
    loop.run_until_complete(_end_tasks(loop))
    loop.run_until_complete(loop.shutdown_asyncgens())
    loop.close()


async def _end_tasks(loop: asyncio.AbstractEventLoop) -> None:
    """Cancel all tasks of this loop, so that no thread waits for one for ever."""
    running = asyncio.all_tasks(loop) - {asyncio.current_task(loop)}
    for task in running:
        task.cancel()
    await asyncio.gather(*running, return_exceptions=True)
