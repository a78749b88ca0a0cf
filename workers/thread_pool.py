"""The clock's own hands, for when the queue is away, or those who work it are."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import structlog

from reports.store.engine.database import DatabaseUnavailable
from runtime.queue import JobQueue, QueueName

QUEUE_TIMEOUT_SECONDS = 5  # seconds; an id that nobody took by then is done by the clock itself

log = structlog.get_logger()


class BackgroundPool:
    """A few threads, and never more work than threads. Nobody waits for what comes of it: a fault is logged."""

    def __init__(self, threads: int) -> None:
        self._threads = threads
        self._pool = ThreadPoolExecutor(threads)
        self._busy: set[Future[Any]] = set()

    @property
    def is_busy(self) -> bool:
        self._busy = {future for future in self._busy if not future.done()}
        return len(self._busy) >= self._threads

    def do(self, what: Callable[[], Any]) -> bool:
        """False: all hands are full, and it is not done."""
        if self.is_busy:
            return False
        self._busy.add(self._pool.submit(_logged, what))
        return True

    def finish(self) -> None:
        self._pool.shutdown(wait=True)


def _logged(what: Callable[[], Any]) -> None:
    try:
        what()
    except DatabaseUnavailable:
        log.warning("database_unavailable")
    except Exception:
        log.exception("job_failed")


class QueueFallback:
    """Puts ids on the queue; what is not taken in time is done by our own hands."""

    def __init__(self, hurry: JobQueue, job: str, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._job_queue = hurry
        self._job = job
        self._monotonic = monotonic
        self._queued: dict[str, float] = {}

    def not_taken(self, ids: Sequence[str], speed: QueueName) -> list[str]:
        """Hurries these along; returns those that the queue did not take, or that nobody took from it."""
        now = self._monotonic()
        self._queued = {one: self._queued[one] for one in ids if one in self._queued}
        left = []
        away = False
        for one in ids:
            if one not in self._queued and not away:
                away = not self._job_queue.put(self._job, one, speed)
                if not away:
                    self._queued[one] = now
            if away or now - self._queued[one] >= QUEUE_TIMEOUT_SECONDS:
                left.append(one)
        return left
