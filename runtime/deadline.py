"""Hands for what may hang in the disk: whoever asked goes on after its time, and the outcome is unknown.

A thread that waits for a disk cannot be called back. So it is let go, and comes to its end when the disk does; no more
than so many are out at once.
"""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable
from concurrent.futures import Future
from functools import partial
from queue import SimpleQueue
from typing import TypeVar

T = TypeVar("T")


class DeadlineExceeded(Exception):
    """It may be done yet, or be done later."""


class PoolSaturated(DeadlineExceeded):
    """It never began, and will not."""


WorkQueue = SimpleQueue[Callable[[], None] | None]  # each leaves an outcome and raises nothing; None ends one thread


class DeadlinePool:
    """A hand that has done its work waits for more: to begin a thread for each takes as long as a quick disk.

    Its threads end by `close`, or once nothing refers to it any more; one that hangs ends when the disk answers.
    """

    def __init__(self, most: int) -> None:
        self._free = threading.Semaphore(most)
        self._work: WorkQueue = SimpleQueue()
        self._waiting = threading.Semaphore(0)
        deleted = weakref.finalize(self, _end_all, self._work, most)
        deleted.atexit = False  # they are daemons: a process that ends waits for none of them

    def close(self) -> None:
        """End the threads that wait for work. Work that comes later starts new ones."""
        while self._waiting.acquire(blocking=False):
            self._work.put(None)

    def within(self, seconds: float, do: Callable[[], T]) -> T:
        """What `do` gives back or raises. Raises TooSlow; NoHand at once where all are out."""
        if not self._free.acquire(blocking=False):
            raise PoolSaturated
        outcome: Future[T] = Future()
        if not self._waiting.acquire(blocking=False):
            try:
                threading.Thread(target=_run_worker, args=(self._work,), name="hand", daemon=True).start()
            except RuntimeError:  # the system gives no thread just now
                self._free.release()
                raise PoolSaturated from None
        self._work.put(partial(self._do, outcome, do))
        try:
            return outcome.result(seconds)
        except TimeoutError:
            if outcome.done():
                return outcome.result()  # at the last moment; or the time that ran out was its own
            raise DeadlineExceeded from None

    def _do(self, outcome: Future[T], do: Callable[[], T]) -> None:
        try:
            found = do()
        except BaseException as error:
            self._rest()
            outcome.set_exception(error)
        else:
            self._rest()
            outcome.set_result(found)

    def _rest(self) -> None:
        """Before anybody hears of it, who may come again at once."""
        self._waiting.release()
        self._free.release()


def _run_worker(work: WorkQueue) -> None:
    while (do := work.get()) is not None:
        do()
        del do  # it refers to the pool, which ends its threads once it is deleted


def _end_all(work: WorkQueue, most: int) -> None:
    for _ in range(most):
        work.put(None)
