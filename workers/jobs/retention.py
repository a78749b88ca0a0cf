"""The clock's duty for what is kept too long: purges it, in a thread of its own and a step at a time.

Between two steps the others get their turn at the database. What is stopped is gone on with an hour later.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import structlog

from reports.audit import signing_keys
from reports.crypto.key_files import KeyFileError
from reports.retention.rules import ERASED, RetentionPolicy
from reports.store import audit_log
from reports.store.engine.database import Database
from reports.store.operations import maintenance, retention
from reports.store.operations.retention import Purge
from runtime.time_units import DAY_SECONDS
from workers.jobs.alerts import AlertSender
from workers.metrics import WorkerMetrics
from workers.notifications.texts import Alert
from workers.thread_pool import BackgroundPool

PURGE_BATCH = 100  # reports of one transaction: some 50 ms in which nobody else writes
PAUSE_FACTOR = 2  # times as long as a step took
WEEK_SECONDS = 7 * DAY_SECONDS
NOT_CLOSED = "Nobody has closed these; they are deleted within 30 days. Ask their hotlines; or: tokaut hold put"
HOLD_ENDS = "These are held, and the hold ends within 14 days. Longer: tokaut hold put"

log = structlog.get_logger()


class RetentionJob:
    name, every, after, trusts_the_time = "purge", 3600, 300, True

    def __init__(
        self, database: Database, policy: RetentionPolicy, keys: Path, telling: AlertSender, metrics: WorkerMetrics
    ) -> None:
        self._database = database
        self._policy = policy
        self._keys = keys
        self._telling = telling
        self._metrics = metrics
        self._own = BackgroundPool(1)
        self._stopping = threading.Event()
        self._compacted: float = -DAY_SECONDS
        self._warned: float = -WEEK_SECONDS
        self._to_compact = False

    def compact_soon(self) -> None:
        """Something was deleted elsewhere: have the files written anew in the next round, at most once a day."""
        self._to_compact = True

    def start(self) -> None:
        self._own.do(self._keep)

    def _keep(self) -> None:
        purge = Purge(self._database, self._policy, retention.purge_time(self._database), "clock")
        if ended := retention.end_expired_holds(self._database, purge.now):
            log.info("hold_ended", count=ended)
        self._sign(purge.now)
        self._purge(purge)
        self._warn(purge)
        self._metrics.purge_ran.set_to_current_time()

    def _sign(self, now: int) -> None:
        """Once a day; before lines of the audit go, for they go up to a checkpoint."""
        try:
            signer = signing_keys.load_signing_key(self._keys)
        except KeyFileError:
            signer = None
        if signer is None:
            log.warning("key_missing")
            return
        if audit_log.add_checkpoint(self._database, now, signer.public.key_id, signer.sign):
            self._metrics.checkpoint.set_to_current_time()

    def _purge(self, purge: Purge) -> None:
        gone: Counter[str] = Counter()
        while not self._stopping.is_set():
            began = time.monotonic()
            done = purge.step(PURGE_BATCH)
            for rule, count in done.items():
                self._metrics.purged.labels(rule).inc(count)
            gone += done
            if not done and not purge.purge_copies(PURGE_BATCH):
                break
            self._to_compact = True
            self._stopping.wait(PAUSE_FACTOR * (time.monotonic() - began))
        purge.delete_old_receipts()
        while not self._stopping.is_set() and audit_log.purge_old_entries(self._database, purge.now):
            self._to_compact = True
        if gone:
            log.info("purged", count=gone.total())
        if self._to_compact and time.monotonic() - self._compacted >= DAY_SECONDS:
            self._compact()

    def _compact(self) -> None:
        self._compacted = time.monotonic()
        self._to_compact = not maintenance.compact(self._database) and self._database.is_sqlite

    def _warn(self, purge: Purge) -> None:
        """Once a week, and once more after a restart."""
        if time.monotonic() - self._warned < WEEK_SECONDS:
            return
        self._warned = time.monotonic()
        ending = retention.holds_ending_soon(retention.list_holds(self._database), purge.now)
        for why, todo, ids in (("not_closed", NOT_CLOSED, purge.list_expiring()), ("hold_ends", HOLD_ENDS, ending)):
            if ids:
                self._telling.add(Alert("", why, "P4", todo, tuple(ids)))

    def finish(self) -> None:
        """The step in hand is finished; nothing new is begun."""
        self._stopping.set()
        self._own.finish()


# The clock's duty for reports that their reporters deleted: purges each as soon as its deliveries have ended.

ERASURE_BATCH = 100  # reports of one transaction


class ErasureJob:
    """No period has to pass, so a clock that jumped stops nothing here."""

    name, every, after, trusts_the_time = "erase", 10, 10, False

    def __init__(
        self,
        database: Database,
        policy: RetentionPolicy,
        metrics: WorkerMetrics,
        gone: Callable[[], None] = lambda: None,
    ) -> None:
        """`gone` is called after rows were deleted."""
        self._database = database
        self._policy = policy
        self._metrics = metrics
        self._gone = gone
        self._own = BackgroundPool(1)
        self._stopping = threading.Event()

    def start(self) -> None:
        self._own.do(self._erase)

    def _erase(self) -> None:
        purge = Purge(self._database, self._policy, retention.purge_time(self._database), "clock")
        while not self._stopping.is_set() and (gone := purge.step(ERASURE_BATCH, erased=True)):
            self._metrics.purged.labels(ERASED.name).inc(gone.total())
            log.info("purged", count=gone.total())
            self._gone()

    def finish(self) -> None:
        """Finish the step in hand; begin nothing new."""
        self._stopping.set()
        self._own.finish()
