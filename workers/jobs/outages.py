"""Notify on-call contacts of an outage of one minute, and ask Redis to rewrite its append-only file.

Each part is probed from a thread of its own, because a database or a disk that hangs must not delay the alert. No alert
here needs the database or Redis, so it is sent while they are unavailable.
"""

from __future__ import annotations

import os
import shutil
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import structlog
from redis import Redis
from redis.exceptions import NoPermissionError, RedisError, ResponseError

from reports.escalation import Priority
from reports.store.engine.database import Database, DatabaseUnavailable
from reports.store.row_isolation import process_each
from reports.store.spool import MIN_FREE_BYTES
from runtime.redis_clients import describe_error
from workers.metrics import WorkerMetrics
from workers.notifications.notifier import Notifier
from workers.notifications.texts import Notification
from workers.thread_pool import BackgroundJob

PROBE_SECONDS = 5
ALERT_AFTER_SECONDS = 60
ALERT_AGAIN_SECONDS = 3600
RETRY_SECONDS = 60  # after a round in which nobody could be notified
MAX_STEP_SECONDS = 2 * PROBE_SECONDS  # a longer time between two checks means a suspended host, not an outage

log = structlog.get_logger()
ALREADY_RUNNING = "already in progress"


@dataclass(frozen=True, slots=True)
class MonitoredPart:
    """A part of the installation that can be unavailable.

    Attributes:
        name: The part in a sentence, such as "the database".
        priority: P1 or P2, the priority of the alert.
        probe: Returns an empty string if the part works, else the reason why it does not.
        action: What the reader of the alert does next.
    """

    name: str
    priority: Priority
    probe: Callable[[], str]
    action: str


@dataclass(slots=True)
class PartState:
    """The state of one part: for how many seconds it has been unavailable, and whether somebody was notified."""

    part: MonitoredPart
    answered_at: float
    reason: str = "no answer"
    unavailable: float = 0.0  # seconds
    alert_at: float = ALERT_AFTER_SECONDS  # the value of `unavailable` at which the next alert is sent
    is_notified: bool = False


@dataclass(slots=True)
class OutageMonitor:
    """Probes `parts` from this host and notifies the contacts of `notifier`."""

    parts: Sequence[MonitoredPart]
    notifier: Notifier
    host: str
    monotonic: Callable[[], float] = time.monotonic
    states: list[PartState] = field(default_factory=list)
    _checked_at: float = 0.0

    def __post_init__(self) -> None:
        self._checked_at = self.monotonic()
        self.states = [PartState(part, self._checked_at) for part in self.parts]

    def start(self, stopping: threading.Event) -> None:
        """Probe and notify in daemon threads until `stopping` is set."""
        for state in self.states:
            threading.Thread(target=self._probe_repeatedly, args=(state, stopping), name="probe", daemon=True).start()
        threading.Thread(target=self._check_repeatedly, args=(stopping,), name="outages", daemon=True).start()

    def _probe_repeatedly(self, state: PartState, stopping: threading.Event) -> None:
        while not stopping.is_set():
            self.probe(state)
            stopping.wait(PROBE_SECONDS)

    def _check_repeatedly(self, stopping: threading.Event) -> None:
        while not stopping.wait(PROBE_SECONDS):
            try:
                self.check()
            except Exception:  # the loop must continue: nothing else reports an outage
                log.exception("job_failed")

    def probe(self, state: PartState) -> None:
        """Probe one part and store whether it answered."""
        try:
            state.reason = state.part.probe()
        except Exception as error:  # a part whose probe fails does not work
            state.reason = type(error).__name__
        if not state.reason:
            state.answered_at = self.monotonic()

    def check(self) -> None:
        """Notify of each part that has been unavailable for a minute, again each hour, and once it is available."""
        now = self.monotonic()
        step, since = min(now - self._checked_at, MAX_STEP_SECONDS), self._checked_at
        self._checked_at = now

        def check_part(state: PartState) -> None:
            if state.answered_at > since:
                self._available(state)
            else:
                state.unavailable += step
                self._unavailable(state)

        process_each("outages", self.states, check_part)

    def _unavailable(self, state: PartState) -> None:
        if state.unavailable < state.alert_at:
            return
        is_sent = self._notify(self._outage_text(state))
        state.is_notified |= is_sent
        state.alert_at = state.unavailable + (ALERT_AGAIN_SECONDS if is_sent else RETRY_SECONDS)

    def _available(self, state: PartState) -> None:
        if state.is_notified and not self._notify(self._recovery_text(state)):
            return  # retried at the next check
        state.unavailable, state.alert_at, state.is_notified = 0.0, ALERT_AFTER_SECONDS, False

    def _notify(self, notification: Notification) -> bool:
        return self.notifier.notify(self.notifier.contact_order(notification.priority), notification) > 0

    def _outage_text(self, state: PartState) -> Notification:
        part, minutes = state.part, int(state.unavailable // 60)
        summary = f"{part.name} on {self.host} has been unavailable for {minutes} min"
        text = f"Priority: {part.priority}\nWhat: {summary} ({state.reason or 'no answer'}).\nTo do: {part.action}\n"
        return Notification(
            f"Tokaut: {part.priority}, {summary}",
            text,
            f"Tokaut: {part.priority}, {summary}. {part.action}",
            part.priority,
        )

    def _recovery_text(self, state: PartState) -> Notification:
        summary = f"{state.part.name} on {self.host} is available again after {int(state.unavailable // 60)} min"
        return Notification(
            f"Tokaut: {summary}", f"What: {summary}.\nTo do: tokaut check\n", f"Tokaut: {summary}.", Priority.P3
        )


def database_probe(database: Database) -> Callable[[], str]:
    """Return a probe that begins and commits a write transaction."""

    def probe() -> str:
        try:
            database.check_writes()
        except DatabaseUnavailable as error:
            return str(error)
        return ""

    return probe


def redis_probe(client: Redis, name: str) -> Callable[[], str]:
    """Return a probe that writes the key `name`: a Redis with a full disk answers reads and refuses writes."""

    def probe() -> str:
        try:
            client.set(name, 1, ex=60)
        except (RedisError, OSError) as error:
            return describe_error(error)
        return ""

    return probe


def disk_probe(folders: Iterable[Path], min_free: int = MIN_FREE_BYTES) -> Callable[[], str]:
    """Return a probe of the free space in bytes and of whether the file systems accept writes."""

    def probe() -> str:
        for folder in folders:
            try:
                free, is_read_only = shutil.disk_usage(folder).free, _is_read_only(folder)
            except OSError as error:
                return f"{folder}: {type(error).__name__}"
            if is_read_only:
                return f"{folder} is on a read-only file system"
            if free < min_free:
                return f"{folder} has {free >> 20} MB free, and {min_free >> 20} are needed"
        return ""

    return probe


def _is_read_only(folder: Path) -> bool:
    return bool(os.statvfs(folder).f_flag & os.ST_RDONLY)


class RedisRewriteJob(BackgroundJob):
    """Asks Redis twice an hour to rewrite its append-only file, and records when the last rewrite succeeded.

    Until then the file contains each version of each session, and the names of sessions that expired or were deleted.
    Their contents cannot be decrypted once `web` has deleted their keys (gateway/sessions/keys.py). Their names are
    keyed hashes of telephone numbers, and disappear only with the rewrite.
    """

    name, interval, start_delay, trusts_the_time = "rewrite", 1800, 60, False

    def __init__(self, redis: Redis, metrics: WorkerMetrics) -> None:
        super().__init__()
        self._redis = redis
        self._metrics = metrics
        self._metrics.rewritten.set(0)  # set from the start, so that an alert can detect that no rewrite ever succeeded

    def run(self) -> None:
        """Ask for one rewrite, and record the time if the last one succeeded. Redis rewrites in a separate process."""
        try:
            info = self._redis.info("persistence")
            is_append_only = bool(info.get("aof_enabled"))
            if is_append_only:
                self._redis.bgrewriteaof()
        except NoPermissionError:
            log.warning("redis_rewrite_failed", reason="refused")
        except ResponseError as error:
            if ALREADY_RUNNING in str(error):
                self._metrics.rewritten.set_to_current_time()
            else:
                log.warning("redis_rewrite_failed", reason="rewrite_failed")
        except (RedisError, OSError):
            log.warning("redis_rewrite_failed", reason="redis_unavailable")
        else:
            if not is_append_only:
                log.warning("redis_rewrite_failed", reason="append_only_off")
            elif info.get("aof_last_bgrewrite_status") == "ok":
                self._metrics.rewritten.set_to_current_time()
            else:
                log.warning("redis_rewrite_failed", reason="rewrite_failed")
