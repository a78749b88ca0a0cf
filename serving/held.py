"""The lines that this process holds."""

from __future__ import annotations

import time

from serving.lines import Line
from serving.shares import Share


class Held:
    """By the number of each one's file. `most` at once; `share`: this process's, of the lines that all processes on
    its listeners hold.
    """

    def __init__(self, most: int, share: Share) -> None:
        self._lines: dict[int, Line] = {}
        self._most = most
        self._share = share

    def add(self, line: Line) -> None:
        self._lines[line.number] = line
        self.count()

    def get(self, number: int) -> Line | None:
        return self._lines.get(number)

    def close(self, line: Line) -> None:
        self._lines.pop(line.number, None)  # before its number is somebody else's
        self.count()
        line.close()

    def count(self) -> None:
        """Two threads at once may have left what one of them counted."""
        self._share.hold(len(self._lines))

    @property
    def is_any(self) -> bool:
        return bool(self._lines)

    @property
    def has_room(self) -> bool:
        return len(self._lines) < self._most

    def cut_late(self) -> None:
        """For the thread that reads: whoever is late belongs to it, and nobody else closes that line meanwhile."""
        now = time.monotonic()
        for line in list(self._lines.values()):
            if line.late_at and line.late_at < now:
                line.cut()

    def hurry(self, seconds: float) -> None:
        """Who is waited for is late in so many seconds at the latest."""
        latest = time.monotonic() + seconds
        for line in list(self._lines.values()):
            line.late_at = line.late_at and min(line.late_at, latest)
