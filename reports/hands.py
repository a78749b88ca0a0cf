"""Hands for what may hang in the disk: whoever asked goes on after its time, and the outcome is unknown.

A thread that waits for a disk cannot be called back. So it is let go, and comes to its end when the disk does; no more
than so many are out at once.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import TypeVar

T = TypeVar("T")


class TooSlow(Exception):
    """It may be done yet, or be done later."""


class NoHand(TooSlow):
    """It never began, and will not."""


class Hands:
    def __init__(self, most: int) -> None:
        self._free = threading.Semaphore(most)

    def within(self, seconds: float, do: Callable[[], T]) -> T:
        """What `do` gives back or raises. Raises TooSlow; NoHand at once where all are out."""
        if not self._free.acquire(blocking=False):
            raise NoHand
        outcome: Future[T] = Future()
        try:
            threading.Thread(target=self._work, args=(outcome, do), name="hand", daemon=True).start()
        except RuntimeError:  # the system gives no thread just now
            self._free.release()
            raise NoHand from None
        try:
            return outcome.result(seconds)
        except TimeoutError:
            if outcome.done():
                return outcome.result()  # at the last moment; or the time that ran out was its own
            raise TooSlow from None

    def _work(self, outcome: Future[T], do: Callable[[], T]) -> None:
        try:
            outcome.set_result(do())
        except BaseException as error:
            outcome.set_exception(error)
        finally:
            self._free.release()
