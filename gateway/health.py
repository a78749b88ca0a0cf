"""Is it up, is it well, and the figures: for the operator's monitor, never for the world.

A load balancer asks /healthz. /readyz is for a person: while parts are away callers must still be served.
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
from reports.store.operations import maintenance
from reports.store.operations.clock_skew import ClockSkew, format_duration, measure_skew
from reports.store.spool import Spool
from runtime.time_units import SECOND

OLDEST_P1_SECONDS = 600


class Health:
    def __init__(self, database: Database, sessions: Sessions, spool: Spool, metrics: WebMetrics, backup: Path) -> None:
        self._database = database
        self._sessions = sessions
        self._spool = spool
        self._metrics = metrics
        self._backup = backup

    def up(self) -> Response:
        return Response("ok\n", content_type="text/plain; charset=utf-8")

    def ready(self) -> Response:
        oldest, times = self._oldest(), self._times()
        found = {
            "database": oldest is not None,
            "redis": self._sessions.answers(),
            "spool_entries": len(self._spool.names()),
            "spool_oldest_seconds": round(self._spool.oldest_seconds()),
            "spool_bad": self._spool.bad(),
            "oldest_undelivered_seconds": oldest or {},
            "clock_leads": None if times is None or times.led_until is None else not times.has_no_leader,
            "wrong": [] if times is None else [*times.faults(), *self._no_leader(times)],
        }
        up = found["database"] and found["redis"] and not found["wrong"]
        well = up and (oldest or {}).get("P1", 0) <= OLDEST_P1_SECONDS
        return Response(json.dumps(found), 200 if well else 503, content_type="application/json")

    def figures(self) -> Response:
        lines = [
            f"tokaut_redis_up {int(self._sessions.answers())}",
            f"tokaut_spool_entries {len(self._spool.names())}",
            f"tokaut_spool_oldest_seconds {self._spool.oldest_seconds():.0f}",
            f"tokaut_spool_unreadable_entries {self._spool.bad()}",
            f"tokaut_backup_age_seconds {_figure(maintenance.backup_age_seconds(self._backup))}",
            f"tokaut_disk_free_bytes {self._free()}",
        ]
        oldest = self._oldest()
        lines.append(f"tokaut_database_up {int(oldest is not None)}")
        lines += [
            f'tokaut_oldest_undelivered_seconds{{priority="{priority}"}} {seconds}'
            for priority, seconds in (oldest or {}).items()
        ]
        if times := self._times():
            lines.append(f"tokaut_clock_skew_seconds {abs(times.ahead_of_database) / SECOND:.0f}")
            lines.append(f"tokaut_times_ahead {times.rows_ahead}")
        page = self._metrics.page() + "\n".join(lines).encode() + b"\n"
        return Response(page, content_type="text/plain; version=0.0.4; charset=utf-8")

    def _free(self) -> int:
        """Bytes where the spool lies, or the embedded database, whichever has less."""
        return min(shutil.disk_usage(folder).free for folder in (self._spool.folder, self._backup.parent))

    def _no_leader(self, times: ClockSkew) -> Iterator[str]:
        if times.has_no_leader and (times.led_until or 0) < 0:
            since = format_duration(times.led_until or 0)
            yield f"No clock has led for {since}. Start it: python -m workers.main clock"

    def _times(self) -> ClockSkew | None:
        """What the database says about the clocks; None while it is away."""
        try:
            return measure_skew(self._database)
        except DatabaseUnavailable:
            return None

    def _oldest(self) -> dict[str, int] | None:
        """Priority → age of its oldest undelivered delivery in seconds; None while the database is away."""
        try:
            return {priority: age // 1_000_000 for priority, age in outbox.oldest_ages(self._database).items()}
        except DatabaseUnavailable:
            return None


def _figure(seconds: float) -> str:
    return "+Inf" if math.isinf(seconds) else f"{seconds:.0f}"
