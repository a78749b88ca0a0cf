"""The heartbeat of a worker process while its main loop runs: a file for the health check, and a database row."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Final

from reports.store.engine.database import DatabaseUnavailable
from reports.store.operations.spool_status import REPORT_SECONDS

STALE_SECONDS: Final = 120  # the longest job takes 40 s, and the scheduler waits for each of its queries at most 15 s


class Heartbeat:
    """The file of one process in TOKAUT_DATA, and its row. `slot`: urgent-1, standard-1, clock-1.

    `report`: stores in the database that the process runs.
    """

    def __init__(self, folder: Path, slot: str, report: Callable[[], None] | None = None) -> None:
        self._path = folder / f"alive-{slot}"
        self._report = report
        self._report_at = 0.0

    def beat(self) -> None:
        """Record that the main loop runs. A failure to write this does not stop deliveries."""
        with suppress(OSError):
            self._path.touch(mode=0o600)
        if self._report and time.monotonic() >= self._report_at:
            self._report_at = time.monotonic() + REPORT_SECONDS
            with suppress(DatabaseUnavailable):
                self._report()

    def age_seconds(self) -> float:
        """Return the time since the last beat. Raises OSError if there was none."""
        return time.time() - self._path.stat().st_mtime
