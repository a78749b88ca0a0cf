"""Threads of web: a pool for calls that may block, and an event loop for servers that have none.

One event loop answers all requests of a process; a coroutine that blocks on a disk delays all of them. So every such
call goes through `run`. `runtime.event_loop_guard` logs and counts the calls that do not; in the tests it raises.
"""

from __future__ import annotations

import asyncio
import contextvars
import math
import threading
import time
from collections import Counter
from collections.abc import Callable, Coroutine, Iterator
from concurrent.futures import CancelledError, ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from typing import Any, Final, Protocol, TypeVar

from reports.store.engine.database import DatabaseUnavailable
from runtime import event_loop_guard
from runtime.deadline import RequestTime, request_time

T = TypeVar("T")

THREADS: Final = 8  # threads of each process
DANGER_THREADS: Final = 2  # more of them, which only reporters in danger use
MAX_BUSY_SHARE: Final = 0.8  # share of the threads above which this process counts as overloaded
MAX_REQUESTS: Final = 64  # concurrent requests above which it does too; a step takes less than half a millisecond
MAX_UNVERIFIED: Final = 128  # requests that wait for their signature check; each may hold a body
THREAD_WORK_SECONDS: Final = 4.5  # from a request's arrival until no thread works for it; networks wait five or more
MIN_SECONDS: Final = 1.0  # minimum for a request that arrived late: it may hold words that must not be lost
MIN_CALL_SECONDS: Final = 0.5  # with less time left a call is not started: it would hardly end in time
MAX_QUEUED: Final = 512  # requests that may wait for a thread


class RunBlocking(Protocol):
    """Call a function in a thread and return its result; see `BlockingPool.run`."""

    async def __call__(self, function: Callable[..., T], /, *args: object, **kwargs: object) -> T:
        """Return the result of `function`, or raise its exception."""
        ...


class NoThreadInTime(DatabaseUnavailable):
    """No thread was free for a call before the request's time was over. The call was not begun."""


class TooManyUnverified(Exception):
    """Too many requests wait for their signature check to accept one more."""


class BlockingPool:
    """A bounded thread pool, with separate threads for reporters in danger and for requests of unverified senders.

    Reporters in danger do not wait behind others. A flood of forged requests waits for one thread, and takes none from
    reports.
    """

    def __init__(
        self,
        threads: int = THREADS,
        note_wait: Callable[[float], None] = lambda seconds: None,
    ) -> None:
        """Create the pool; threads are started on demand.

        Args:
            threads: their number.
            note_wait: called with the seconds that a request has waited for a thread, except to be verified.
        """
        self._note_wait = note_wait
        self._threads = threads
        self._max_busy = threads * MAX_BUSY_SHARE
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="blocking")
        self._danger_pool = ThreadPoolExecutor(DANGER_THREADS, thread_name_prefix="danger")
        self._signature_pool = ThreadPoolExecutor(1, thread_name_prefix="signatures")
        self._lock = threading.Lock()  # more than one event loop may use it
        self._counts: Counter[str] = Counter()

    async def run(self, function: Callable[..., T], /, *args: object, **kwargs: object) -> T:
        """Call `function` in a thread of the pool; return its result or raise its exception.

        Raises NoThreadInTime if the request's time is over before the function begins, or DatabaseUnavailable if it is
        over before the function returns. The function may still finish later, so it must be idempotent.
        """
        pool, counter = (self._danger_pool, "danger") if self._takes_danger_thread() else (self._pool, "busy")
        if _queue_length(pool) >= MAX_QUEUED:
            raise NoThreadInTime("too many requests wait for a thread")
        asked_at = time.monotonic()
        has_begun = False

        def timed_call() -> T:
            nonlocal has_begun
            has_begun = True
            self._note_wait(time.monotonic() - asked_at)
            if _seconds_left() < MIN_CALL_SECONDS:
                raise NoThreadInTime("too little time is left")
            return function(*args, **kwargs)

        try:
            return await self._within_time(pool, counter, timed_call)
        finally:
            if not has_begun:
                self._note_wait(time.monotonic() - asked_at)

    def _takes_danger_thread(self) -> bool:
        """Return whether this call is for a reporter in danger, all other threads are busy, and it waits less there.

        It waits less where, counting itself, there are fewer calls for each thread.
        """
        request = request_time.get()
        busy, in_danger = self._counts["busy"], self._counts["danger"]
        if request is None or not request.is_in_danger or busy < self._threads:
            return False
        return (in_danger + 1) / DANGER_THREADS <= (busy + 1) / self._threads

    async def check(self, function: Callable[..., T], /, *args: object) -> T:
        """Call `function`, which verifies the sender of a request, in the separate thread; return its result.

        Raises TooManyUnverified if very many requests wait for that, DatabaseUnavailable if the request's time is over.
        """
        if self._counts["unproven"] >= MAX_UNVERIFIED:
            raise TooManyUnverified
        return await self._within_time(self._signature_pool, "unproven", partial(function, *args))

    async def _within_time(self, pool: ThreadPoolExecutor, counter: str, function: Callable[[], T]) -> T:
        seconds = _seconds_left()
        if seconds <= 0:
            raise NoThreadInTime("no time is left")
        self._add(counter, 1)
        try:
            thread_future = pool.submit(contextvars.copy_context().run, function)
        except RuntimeError:  # the process is stopping
            self._add(counter, -1)
            raise
        # The thread stays busy even if no request waits for it any more.
        thread_future.add_done_callback(lambda _: self._add(counter, -1))
        future = asyncio.wrap_future(thread_future)
        if seconds < math.inf:
            await asyncio.wait((future,), timeout=seconds)
            if not thread_future.done():
                was_waiting = thread_future.cancel()  # if no thread has started it yet, none will
                future.cancel()  # its result is not needed
                raise (NoThreadInTime if was_waiting else DatabaseUnavailable)("no time is left")
        return await future

    @contextmanager
    def request(self, waited: float = 0.0) -> Iterator[None]:
        """Count a request as under way, and limit its time: `THREAD_WORK_SECONDS` for all its thread calls together.

        For Redis it may wait a little longer: `seconds_for_redis` (gateway/sessions/store.py).

        Args:
            waited: seconds since it arrived, which are part of the limit.
        """
        ends_at = time.monotonic() + max(THREAD_WORK_SECONDS - waited, MIN_SECONDS)
        token = request_time.set(RequestTime(ends_at))
        self._add("requests", 1)
        try:
            yield
        finally:
            self._add("requests", -1)
            request_time.reset(token)

    @property
    def is_overloaded(self) -> bool:
        """Return whether optional requests should be refused in favour of reports."""
        return self._counts["busy"] > self._max_busy or self._counts["requests"] > MAX_REQUESTS

    def _add(self, counter: str, number: int) -> None:
        with self._lock:
            self._counts[counter] += number

    def close(self) -> None:
        """Let the threads end after their current calls, without waiting for them."""
        self._pool.shutdown(wait=False, cancel_futures=True)
        self._danger_pool.shutdown(wait=False, cancel_futures=True)
        self._signature_pool.shutdown(wait=False, cancel_futures=True)


def mark_in_danger() -> None:
    """Note that the current request is of a reporter in danger: it does not wait for a thread behind others."""
    if request := request_time.get():
        request.is_in_danger = True


def _queue_length(pool: ThreadPoolExecutor) -> int:
    queue: Any = pool._work_queue  # a cancelled call stays in the queue until a thread is free
    length: int = queue.qsize()
    return length


def _seconds_left() -> float:
    """Return how many seconds a thread may still work for the current request; infinite outside of a request."""
    request = request_time.get()
    return math.inf if request is None else request.ends_at - time.monotonic()


# An event loop in a thread of its own, for threads and servers without one: the webhooks are coroutines.


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
