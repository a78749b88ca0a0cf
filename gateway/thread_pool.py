"""Threads for what may wait for the database, the spool or the disk, so that the event loop waits for nothing.

One event loop answers all callers of a process; a coroutine on it that waits for a disk holds up everybody. So every
such call goes through `run`. `runtime.event_loop_guard` logs and counts the ones that do not; in the tests it raises.
"""

from __future__ import annotations

import asyncio
import contextvars
import math
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager, nullcontext
from contextvars import ContextVar
from functools import partial
from typing import Any, Final, Protocol, TypeVar

from reports.store.engine.database import DatabaseUnavailable

T = TypeVar("T")

THREADS: Final = 8  # of one process
MOST_BUSY: Final = 0.8  # of the threads, beyond which this process counts as crowded
MOST_REQUESTS: Final = 64  # requests under way, beyond which it does; a step takes less than half a millisecond
MAX_UNVERIFIED: Final = 128  # requests that wait until their signature is checked; each may hold a body
ANSWER_SECONDS: Final = 4.5  # from a request's arrival until no thread works for it; networks wait for five or more
LEAST_SECONDS: Final = 1.0  # of these for a request that came late: it may still hold words that must not be lost
MOST_QUEUED: Final = 512  # requests that wait for a thread

_answer_by: ContextVar[float] = ContextVar("answer_by", default=math.inf)  # monotonic seconds


class RunBlocking(Protocol):
    """Call a function in a thread and return what it returns; see `Blocking.run`."""

    async def __call__(self, function: Callable[..., T], /, *args: object, **kwargs: object) -> T: ...


class TooManyUnverified(Exception):
    """So many requests wait for their signature to be checked that one more is not taken."""


class BlockingPool:
    """A bounded pool of threads, and one thread apart for requests whose sender is not proven yet.

    A flood of forgeries waits for that one thread, and takes none from reports.
    """

    def __init__(
        self,
        threads: int = THREADS,
        shared_deadline: Callable[[], AbstractContextManager[None]] = nullcontext,
        note_wait: Callable[[float], None] = lambda seconds: None,
    ) -> None:
        """Start no thread yet.

        Args:
            threads: how many there are.
            one_answer: within it the database takes no longer for a whole request than for one use.
            note_wait: called with the seconds that a request has waited for a thread of the pool.
        """
        self._note_wait = note_wait
        self._one_answer = shared_deadline
        self._most_busy = threads * MOST_BUSY
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="blocking")
        self._checks = ThreadPoolExecutor(1, thread_name_prefix="signatures")
        self._pool_queue: Any = self._pool._work_queue  # a cancelled function stays in it until a thread is free
        self._lock = threading.Lock()  # more than one event loop may use it
        self._counts: Counter[str] = Counter()

    async def run(self, function: Callable[..., T], /, *args: object, **kwargs: object) -> T:
        """Call `function` in a thread of the pool; return what it returns, raise what it raises.

        Raises DatabaseUnavailable where the request's time is over before the function has come to its end. It may end
        later, so only what may happen twice is called here.
        """
        if self._pool_queue.qsize() >= MOST_QUEUED:
            raise DatabaseUnavailable("too many requests wait for a thread")
        asked_at = time.monotonic()
        has_begun = False

        def noting_wait() -> T:
            nonlocal has_begun
            has_begun = True
            self._note_wait(time.monotonic() - asked_at)
            return function(*args, **kwargs)

        try:
            return await self._within_time(self._pool, "busy", noting_wait)
        finally:
            if not has_begun:
                self._note_wait(time.monotonic() - asked_at)

    async def check(self, function: Callable[..., T], /, *args: object) -> T:
        """Call `function`, which finds out who sent a request. Raises TooMany at once where very many wait for that."""
        if self._counts["unproven"] >= MAX_UNVERIFIED:
            raise TooManyUnverified
        return await self._within_time(self._checks, "unproven", partial(function, *args))

    async def _within_time(self, pool: ThreadPoolExecutor, counter: str, function: Callable[[], T]) -> T:
        seconds = _answer_by.get() - time.monotonic()
        if seconds <= 0:
            raise DatabaseUnavailable("no time is left")
        self._add(counter, 1)
        try:
            submitted = pool.submit(contextvars.copy_context().run, function)
        except RuntimeError:  # the process ends
            self._add(counter, -1)
            raise
        submitted.add_done_callback(lambda _: self._add(counter, -1))  # a thread is busy even if nobody waits for it
        future = asyncio.wrap_future(submitted)
        if seconds < math.inf:
            await asyncio.wait((future,), timeout=seconds)
            if not submitted.done():
                submitted.cancel()  # where no thread has taken it yet, none will
                future.cancel()  # nobody asks what it comes to
                raise DatabaseUnavailable("no time is left")
        return await future

    @contextmanager
    def request(self, waited: float = 0.0) -> Iterator[None]:
        """Count a request as under way, and give it `ANSWER_SECONDS` for all that threads do for it.

        Args:
            waited: seconds since it arrived, which are part of them.
        """
        token = _answer_by.set(time.monotonic() + max(ANSWER_SECONDS - waited, LEAST_SECONDS))
        try:
            self._add("requests", 1)
            with self._one_answer():
                yield
        finally:
            self._add("requests", -1)
            _answer_by.reset(token)

    @property
    def is_crowded(self) -> bool:
        """Whether what can wait should make room for reports."""
        return self._counts["busy"] > self._most_busy or self._counts["requests"] > MOST_REQUESTS

    def _add(self, counter: str, number: int) -> None:
        with self._lock:
            self._counts[counter] += number

    def close(self) -> None:
        """End the threads once they have come to the end of what they do; wait for none of them."""
        self._pool.shutdown(wait=False, cancel_futures=True)
        self._checks.shutdown(wait=False, cancel_futures=True)
