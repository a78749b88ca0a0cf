"""The clock's duty for reports that their reporters deleted: purges each as soon as its deliveries have ended."""

from __future__ import annotations

import threading
from collections.abc import Callable

import structlog

from reports.retention.rules import ERASED, RetentionPolicy
from reports.store.engine.database import Database
from reports.store.operations import retention
from reports.store.operations.retention import Purge
from workers.metrics import Metrics
from workers.own import Own

STEP = 100  # reports of one transaction

log = structlog.get_logger()


class Erasing:
    """No period has to pass, so a clock that jumped stops nothing here."""

    name, every, after, trusts_the_time = "erase", 10, 10, False

    def __init__(
        self, database: Database, policy: RetentionPolicy, metrics: Metrics, gone: Callable[[], None] = lambda: None
    ) -> None:
        """`gone` is called after rows were deleted."""
        self._database = database
        self._policy = policy
        self._metrics = metrics
        self._gone = gone
        self._own = Own(1)
        self._stopping = threading.Event()

    def start(self) -> None:
        self._own.do(self._erase)

    def _erase(self) -> None:
        purge = Purge(self._database, self._policy, retention.purge_time(self._database), "clock")
        while not self._stopping.is_set() and (gone := purge.step(STEP, erased=True)):
            self._metrics.purged.labels(ERASED.name).inc(gone.total())
            log.info("purged", count=gone.total())
            self._gone()

    def finish(self) -> None:
        """Finish the step in hand; begin nothing new."""
        self._stopping.set()
        self._own.finish()
