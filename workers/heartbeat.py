"""A file that a worker process touches while its main loop runs, so that a health check sees one that hangs."""

from __future__ import annotations

import time
from contextlib import suppress
from pathlib import Path
from typing import Final

STALE_SECONDS: Final = 120  # the longest job takes 40 s, and the scheduler waits for each of its queries at most 15 s


class Heartbeat:
    """The file of one process in TOKAUT_DATA. `slot`: urgent-1, standard-1, clock-1."""

    def __init__(self, folder: Path, slot: str) -> None:
        self._path = folder / f"alive-{slot}"

    def beat(self) -> None:
        """Note that the main loop runs. A disk that refuses this stops no delivery."""
        with suppress(OSError):
            self._path.touch(mode=0o600)

    def age_seconds(self) -> float:
        """Return the time since the last beat. Raises OSError if there was none."""
        return time.time() - self._path.stat().st_mtime
