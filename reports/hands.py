"""Hands for what may hang in the disk: whoever asked goes on after its time, and the outcome is unknown.

A thread that waits for a disk cannot be called back. So it is let go, and comes to its end when the disk does; no more
than so many are out at once.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future
from functools import partial
from queue import SimpleQueue
from typing import TypeVar

T = TypeVar("T")


class TooSlow(Exception):
    """It may be done yet, or be done later."""


class NoHand(TooSlow):
    """It never began, and will not."""


class Hands:
    """A hand that has done its work waits for more: to begin a thread for each takes as long as a quick disk."""

    def __init__(self, most: int) -> None:
        self._free = threading.Semaphore(most)
        self._work: SimpleQueue[Callable[[], None]] = SimpleQueue()  # each leaves an outcome, and raises nothing
        self._waiting = threading.Semaphore(0)

    def within(self, seconds: float, do: Callable[[], T]) -> T:
        """What `do` gives back or raises. Raises TooSlow; NoHand at once where all are out."""
        if not self._free.acquire(blocking=False):
            raise NoHand
        outcome: Future[T] = Future()
        if not self._waiting.acquire(blocking=False):
            try:
                threading.Thread(target=self._take, name="hand", daemon=True).start()
            except RuntimeError:  # the system gives no thread just now
                self._free.release()
                raise NoHand from None
        self._work.put(partial(self._do, outcome, do))
        try:
            return outcome.result(seconds)
        except TimeoutError:
            if outcome.done():
                return outcome.result()  # at the last moment; or the time that ran out was its own
            raise TooSlow from None

    def _take(self) -> None:
        while True:
            self._work.get()()

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
