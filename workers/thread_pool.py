"""The scheduler's own threads, for its long jobs and for work that no worker process takes."""

from __future__ import annotations

import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import structlog

from reports.store.engine.database import DatabaseUnavailable
from runtime.queue import JobQueue, QueueName

QUEUE_TIMEOUT_SECONDS = 5  # after this the scheduler itself runs a job that no worker took

log = structlog.get_logger()


class BackgroundPool:
    """A few threads that never have more tasks than threads. Nobody waits for a result; an exception is logged."""

    def __init__(self, threads: int) -> None:
        self._threads = threads
        self._pool = ThreadPoolExecutor(threads)
        self._busy: set[Future[Any]] = set()

    @property
    def is_busy(self) -> bool:
        """Return whether every thread has a task."""
        self._busy = {future for future in self._busy if not future.done()}
        return len(self._busy) >= self._threads

    def do(self, task: Callable[[], Any]) -> bool:
        """Start a task. Returns False if all threads are busy; the task is then dropped."""
        if self.is_busy:
            return False
        self._busy.add(self._pool.submit(run_logged, task))
        return True

    def finish(self) -> None:
        """Wait until the running tasks have ended."""
        self._pool.shutdown(wait=True)


def run_logged(task: Callable[[], Any]) -> None:
    """Run a task for whose result nobody waits, and log its exception."""
    try:
        task()
    except DatabaseUnavailable:
        log.warning("database_unavailable")
    except Exception:
        log.exception("job_failed")


class BackgroundJob(ABC):
    """A long job of the scheduler, which runs in threads of its own.

    `interval`, `start_delay`: seconds between two runs, and from the start of the process to the first one.
    `trusts_the_time`: whether it is skipped for a day after a clock jump.
    """

    name: str
    interval: int
    start_delay: int
    trusts_the_time: bool

    def __init__(self, threads: int = 1) -> None:
        self._pool = BackgroundPool(threads)
        self._stopping = threading.Event()

    @abstractmethod
    def run(self) -> None:
        """Run once."""

    def start(self) -> None:
        """Begin a run in the background, unless every thread has one."""
        self._pool.do(self.run)

    def finish(self) -> None:
        """Finish the step in progress and start no other."""
        self._stopping.set()
        self._pool.finish()


class QueueFallback:
    """Queues ids, and finds those that the scheduler has to process itself."""

    def __init__(self, job_queue: JobQueue, job: str, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._job_queue = job_queue
        self._job = job
        self._monotonic = monotonic
        self._queued_at: dict[str, float] = {}

    def queue_ids(self, ids: Sequence[str], speed: QueueName) -> list[str]:
        """Queue these ids. Returns those that the queue refused, or that stayed untaken for 5 seconds."""
        now = self._monotonic()
        self._queued_at = {job_id: self._queued_at[job_id] for job_id in ids if job_id in self._queued_at}
        untaken = []
        is_queue_unavailable = False
        for job_id in ids:
            if job_id not in self._queued_at and not is_queue_unavailable:
                is_queue_unavailable = not self._job_queue.put(self._job, job_id, speed)
                if not is_queue_unavailable:
                    self._queued_at[job_id] = now
            if is_queue_unavailable or now - self._queued_at[job_id] >= QUEUE_TIMEOUT_SECONDS:
                untaken.append(job_id)
        return untaken
