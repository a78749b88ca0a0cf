"""Purge data whose retention period has passed, and reports that their reporters deleted.

Both jobs run in a thread of their own and in small steps; other database work runs between two steps. A run that is
stopped is continued by the next one.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import structlog

from reports import audit
from reports.crypto.key_files import KeyFileError
from reports.escalation import Priority
from reports.retention import ERASED, RetentionPolicy
from reports.store import audit_log
from reports.store.engine.database import Database
from reports.store.operations import maintenance, retention
from reports.store.operations.retention import Purge
from runtime.time_units import DAY_SECONDS
from workers.jobs.alerts import AlertSender
from workers.metrics import WorkerMetrics
from workers.notifications.texts import Alert
from workers.thread_pool import BackgroundJob

PURGE_BATCH = 100  # reports of one transaction, which blocks other writes for some 50 ms
PAUSE_FACTOR = 2  # the pause after a step, as a multiple of the step's duration
WEEK_SECONDS = 7 * DAY_SECONDS
NOT_CLOSED = "Nobody has closed these; they are deleted within 30 days. Ask their hotlines; or: tokaut hold put"
HOLD_ENDS = "These are held, and the hold ends within 14 days. Longer: tokaut hold put"

log = structlog.get_logger()


class RetentionJob(BackgroundJob):
    """Purges data whose retention period is over, signs an audit checkpoint and warns of reports that expire soon."""

    name, interval, start_delay, trusts_the_time = "purge", 3600, 300, True

    def __init__(
        self, database: Database, policy: RetentionPolicy, keys: Path, alert_sender: AlertSender, metrics: WorkerMetrics
    ) -> None:
        super().__init__()
        self._database = database
        self._policy = policy
        self._keys = keys
        self._alert_sender = alert_sender
        self._metrics = metrics
        self._compacted_at: float = -DAY_SECONDS
        self._warned_at: float = -WEEK_SECONDS
        self._to_compact = False

    def compact_soon(self) -> None:
        """Compact the database in the next run, at most once a day, because rows were deleted elsewhere."""
        self._to_compact = True

    def run(self) -> None:
        """Run once: end holds, sign, purge, compact and warn."""
        purge = Purge(self._database, self._policy, retention.purge_time(self._database), "clock")
        if ended_holds := retention.end_expired_holds(self._database, purge.now):
            log.info("hold_ended", count=ended_holds)
        self._sign(purge.now)
        self._purge(purge)
        self._warn(purge)
        self._metrics.purge_ran.set_to_current_time()

    def _sign(self, now: int) -> None:
        """Sign a checkpoint once a day. Audit entries are purged only up to a checkpoint."""
        try:
            signer = audit.load_signing_key(self._keys)
        except KeyFileError:
            signer = None
        if signer is None:
            log.warning("key_missing")
            return
        if audit_log.add_checkpoint(self._database, now, signer.public.key_id, signer.sign):
            self._metrics.checkpoint.set_to_current_time()

    def _purge(self, purge: Purge) -> None:
        purged: Counter[str] = Counter()
        while not self._stopping.is_set():
            started_at = time.monotonic()
            counts = purge.step(PURGE_BATCH)
            for rule, count in counts.items():
                self._metrics.purged.labels(rule).inc(count)
            purged += counts
            if not counts and not purge.purge_copies(PURGE_BATCH):
                break
            self._to_compact = True
            self._stopping.wait(PAUSE_FACTOR * (time.monotonic() - started_at))
        purge.delete_old_receipts()
        while not self._stopping.is_set() and audit_log.purge_old_entries(self._database, purge.now):
            self._to_compact = True
        if purged:
            log.info("purged", count=purged.total())
        if self._to_compact and time.monotonic() - self._compacted_at >= DAY_SECONDS:
            self._compact()

    def _compact(self) -> None:
        self._compacted_at = time.monotonic()
        self._to_compact = not maintenance.compact(self._database) and self._database.is_sqlite

    def _warn(self, purge: Purge) -> None:
        """Alert of reports and holds that expire soon: once a week, and once more after a restart."""
        if time.monotonic() - self._warned_at < WEEK_SECONDS:
            return
        self._warned_at = time.monotonic()
        ending = retention.holds_ending_soon(retention.list_holds(self._database), purge.now)
        for why, todo, ids in (("not_closed", NOT_CLOSED, purge.list_expiring()), ("hold_ends", HOLD_ENDS, ending)):
            if ids:
                self._alert_sender.add(Alert("", why, Priority.P4, todo, tuple(ids)))


ERASURE_BATCH = 100  # reports of one transaction


class ErasureJob(BackgroundJob):
    """Purges a report that its reporter deleted as soon as its deliveries have ended.

    No retention period is involved, so it also runs after a clock jump.
    """

    name, interval, start_delay, trusts_the_time = "erase", 10, 10, False

    def __init__(
        self,
        database: Database,
        policy: RetentionPolicy,
        metrics: WorkerMetrics,
        on_deleted: Callable[[], None] = lambda: None,
    ) -> None:
        """Create the job. `on_deleted`: called after rows were deleted."""
        super().__init__()
        self._database = database
        self._policy = policy
        self._metrics = metrics
        self._on_deleted = on_deleted

    def run(self) -> None:
        """Purge the reports that can be purged now."""
        purge = Purge(self._database, self._policy, retention.purge_time(self._database), "clock")
        while not self._stopping.is_set() and (purged := purge.step(ERASURE_BATCH, erased=True)):
            self._metrics.purged.labels(ERASED.name).inc(purged.total())
            log.info("purged", count=purged.total())
            self._on_deleted()
