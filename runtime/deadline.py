"""Limit the time of a request, and that of a blocking call: after its deadline the outcome of a call is unknown.

A thread that waits for a disk or for the system's resolver cannot be interrupted. So it is abandoned and ends when the
call returns. The number of such threads is limited. They are daemon threads: the interpreter waits for those of
`ThreadPoolExecutor` when it exits (decision 77).
"""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable
from concurrent.futures import Future
from contextvars import ContextVar
from dataclasses import dataclass
from functools import partial
from queue import SimpleQueue
from typing import TypeVar

T = TypeVar("T")


@dataclass(slots=True)
class RequestTime:
    """The limits of one request, in monotonic seconds.

    `ends_at`: from then on no thread works for it. `database_ends_at`: all its uses of PostgreSQL end by then; None
    before the first of them, which sets it. `is_in_danger`: its reporter is, so it does not wait for a thread behind
    others.
    """

    ends_at: float
    database_ends_at: float | None = None
    is_in_danger: bool = False


request_time: ContextVar[RequestTime | None] = ContextVar("request_time", default=None)  # None: outside of a request


class DeadlineExceeded(Exception):
    """The deadline has passed: the call may have been executed, or may be executed later."""


class PoolSaturated(DeadlineExceeded):
    """All threads are busy: the call was not started, and will not be."""


# Each item stores the outcome of a call and raises nothing; None ends one thread
WorkQueue = SimpleQueue[Callable[[], None] | None]


class DeadlinePool:
    """At most `max_threads` threads for calls with a deadline.

    A thread is reused: starting one for each call takes as long as a quick disk. The threads end by `close`, or once
    nothing refers to the pool any more; a thread that hangs ends when its call returns.
    """

    def __init__(self, max_threads: int) -> None:
        self._free = threading.Semaphore(max_threads)
        self._work: WorkQueue = SimpleQueue()
        self._waiting = threading.Semaphore(0)
        finalizer = weakref.finalize(self, _end_all, self._work, max_threads)
        finalizer.atexit = False  # an ending process does not wait for daemon threads

    def close(self) -> None:
        """Stop the threads that wait for work. Later calls start new ones."""
        while self._waiting.acquire(blocking=False):
            self._work.put(None)

    def within(self, seconds: float, do: Callable[[], T]) -> T:
        """Call `do` in a thread; return its result or raise its error, if it ends within `seconds`.

        Raises DeadlineExceeded after that time, or PoolSaturated at once if all threads are busy.
        """
        if not self._free.acquire(blocking=False):
            raise PoolSaturated
        outcome: Future[T] = Future()
        if not self._waiting.acquire(blocking=False):
            try:
                threading.Thread(target=_run_worker, args=(self._work,), name="deadline", daemon=True).start()
            except RuntimeError:  # the system cannot start a thread now
                self._free.release()
                raise PoolSaturated from None
        self._work.put(partial(self._do, outcome, do))
        try:
            return outcome.result(seconds)
        except TimeoutError:
            if outcome.done():
                return outcome.result()  # it ended at the last moment, or `do` itself raised TimeoutError
            raise DeadlineExceeded from None

    def _do(self, outcome: Future[T], task: Callable[[], T]) -> None:
        try:
            result = task()
        except BaseException as error:
            self._mark_free()
            outcome.set_exception(error)
        else:
            self._mark_free()
            outcome.set_result(result)

    def _mark_free(self) -> None:
        """Mark this thread as free, before the caller gets the outcome and may call again at once."""
        self._waiting.release()
        self._free.release()


def _run_worker(queue: WorkQueue) -> None:
    while (task := queue.get()) is not None:
        task()
        del task  # the task refers to the pool, whose threads end once nothing refers to it


def _end_all(queue: WorkQueue, count: int) -> None:
    for _ in range(count):
        queue.put(None)
