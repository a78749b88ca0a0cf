"""The concurrent deliveries of a worker, each in a thread that waits for its hotline."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import Final

from workers.thread_pool import run_logged

AT_ONCE: Final = 12  # deliveries of one worker
AT_ONCE_EACH: Final = 8  # of them to one hotline, so that a hotline that hangs leaves threads for the others


class DeliveriesUnderWay:
    """Runs deliveries in at most `max_threads` threads, and at most `max_each` at once to one hotline.

    The threads start on demand. Only one thread may start deliveries.
    """

    def __init__(self, max_threads: int = AT_ONCE, max_each: int = AT_ONCE_EACH) -> None:
        self._max_threads = max_threads
        self._max_each = max_each
        self._pool = ThreadPoolExecutor(max_threads, thread_name_prefix="delivery")
        self._hotlines: dict[Future[None], str] = {}

    def __len__(self) -> int:
        self._hotlines = {future: hotline for future, hotline in self._hotlines.items() if not future.done()}
        return len(self._hotlines)

    @property
    def is_full(self) -> bool:
        """Return whether every thread has a delivery."""
        return len(self) >= self._max_threads

    def full_hotlines(self) -> tuple[str, ...]:
        """Return the hotlines to which no further delivery may be started now."""
        counts = Counter(self._hotlines[future] for future in self._hotlines if not future.done())
        return tuple(sorted(hotline for hotline, count in counts.items() if count >= self._max_each))

    def start(self, hotline: str, deliver: Callable[[], None], timeout: float) -> None:
        """Run `deliver` in a thread; wait up to `timeout` seconds for it: a quick hotline needs no second thread.

        Its exception is logged.
        """
        future = self._pool.submit(run_logged, deliver)
        self._hotlines[future] = hotline
        wait((future,), timeout)

    def wait_for_one(self, seconds: float) -> None:
        """Wait until a delivery ends, for at most `seconds`."""
        wait(tuple(self._hotlines), seconds, FIRST_COMPLETED)

    def finish(self) -> None:
        """Wait until all have ended."""
        self._pool.shutdown(wait=True)
