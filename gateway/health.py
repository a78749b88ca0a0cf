"""Liveness, readiness and metrics for the operator's monitoring; not reachable from other networks.

A load balancer calls /healthz. /readyz is for people: while Redis or the database is unavailable, reporters must still
be served.
"""

from __future__ import annotations

import json
import math
import shutil
from collections.abc import Iterator
from pathlib import Path

from flask import Response

from gateway.metrics import WebMetrics
from gateway.sessions.store import Sessions
from reports.store import outbox
from reports.store.engine.database import Database, DatabaseUnavailable
from reports.store.operations import maintenance, spool_status
from reports.store.operations.clock_skew import START_CLOCK, ClockSkew, format_duration, measure_skew
from reports.store.operations.spool_status import SpoolStatus
from reports.store.spool import Spool
from runtime.time_units import SECOND

OLDEST_P1_SECONDS = 600
NO_SPOOL = "The folder of the spool is gone or cannot be read: without the database no report can be stored."


class Health:
    """Answer the health endpoints."""

    def __init__(self, database: Database, sessions: Sessions, spool: Spool, metrics: WebMetrics, backup: Path) -> None:
        self._database = database
        self._sessions = sessions
        self._spool = spool
        self._metrics = metrics
        self._backup = backup

    def up(self) -> Response:
        """Return 200: the process runs."""
        return Response("ok\n", content_type="text/plain; charset=utf-8")

    def ready(self) -> Response:
        """Return the state of all parts as JSON.

        The status is 503 if the database, Redis or the folder of the spool is unavailable, a clock is wrong, there is
        no scheduler, or a P1 delivery waits too long; else 200. Other hosts that do not run are named, and do not
        change the status.
        """
        oldest, skew, spool = self._oldest(), self._clock_skew(), self._spool_status()
        clock_faults = [] if skew is None else [*skew.faults(), *self._no_leader(skew)]
        status = {
            "database": oldest is not None,
            "redis": self._sessions.is_up(),
            "spool_entries": spool and spool.entries,
            "spool_oldest_seconds": spool and spool.oldest,
            "spool_bad": spool and spool.bad,
            "oldest_undelivered_seconds": oldest or {},
            "clock_leads": None if skew is None or skew.leader_until is None else not skew.has_no_leader,
            "hosts_away": self._missing_hosts(),
            "wrong": [*clock_faults, *([] if spool else [NO_SPOOL])],
        }
        is_up = status["database"] and status["redis"] and not status["wrong"]
        is_healthy = is_up and (oldest or {}).get("P1", 0) <= OLDEST_P1_SECONDS
        return Response(json.dumps(status), 200 if is_healthy else 503, content_type="application/json")

    def metrics(self) -> Response:
        """Return the metrics in the Prometheus text format."""
        lines = [
            f"tokaut_redis_up {int(self._sessions.is_up())}",
            f"tokaut_backup_age_seconds {_number(maintenance.backup_age_seconds(self._backup))}",
            f"tokaut_disk_free_bytes {self._free_bytes() if (spool := self._spool_status()) else 0}",
        ]
        if spool:
            lines.append(f"tokaut_spool_entries {spool.entries}")
            lines.append(f"tokaut_spool_oldest_seconds {spool.oldest}")
            lines.append(f"tokaut_spool_unreadable_entries {spool.bad}")
        oldest = self._oldest()
        lines.append(f"tokaut_database_up {int(oldest is not None)}")
        lines += [
            f'tokaut_oldest_undelivered_seconds{{priority="{priority}"}} {seconds}'
            for priority, seconds in (oldest or {}).items()
        ]
        if skew := self._clock_skew():
            lines.append(f"tokaut_clock_skew_seconds {abs(skew.ahead_of_database) / SECOND:.0f}")
            lines.append(f"tokaut_times_ahead {skew.rows_ahead}")
        page = self._metrics.page() + "\n".join(lines).encode() + b"\n"
        return Response(page, content_type="text/plain; version=0.0.4; charset=utf-8")

    def _free_bytes(self) -> int:
        """Return the free bytes on the disk of the spool or of the embedded database, whichever has less.

        0 if a folder is gone: nothing can be stored there.
        """
        try:
            return min(shutil.disk_usage(folder).free for folder in (self._spool.folder, self._backup.parent))
        except OSError:
            return 0

    def _spool_status(self) -> SpoolStatus | None:
        """Return what waits in the spool; None if its folder is gone or cannot be read."""
        try:
            return self._spool.status("") if self._spool.folder.is_dir() else None
        except OSError:
            return None

    def _no_leader(self, skew: ClockSkew) -> Iterator[str]:
        if skew.has_no_leader and (skew.leader_until or 0) < 0:
            duration = format_duration(skew.leader_until or 0)
            yield f"No clock process has been the scheduler for {duration}. {START_CLOCK}"

    def _missing_hosts(self) -> list[str]:
        """Return other hosts' processes that were not seen lately; an empty list while the database is unavailable."""
        try:
            return [status.host for status in spool_status.list_statuses(self._database) if status.is_missing]
        except DatabaseUnavailable:
            return []

    def _clock_skew(self) -> ClockSkew | None:
        """Return the clock skew that the database shows; None while it is unavailable."""
        try:
            return measure_skew(self._database)
        except DatabaseUnavailable:
            return None

    def _oldest(self) -> dict[str, int] | None:
        """Return each priority with the age in seconds of its oldest undelivered delivery.

        None while the database is unavailable.
        """
        try:
            return {priority: age // 1_000_000 for priority, age in outbox.oldest_ages(self._database).items()}
        except DatabaseUnavailable:
            return None


def _number(seconds: float) -> str:
    return "+Inf" if math.isinf(seconds) else f"{seconds:.0f}"
