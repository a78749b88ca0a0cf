"""The lines that this process holds."""

from __future__ import annotations

import threading
import time
from collections import Counter
from typing import Final

from serving.lines import Line
from serving.shares import Share

MOST_OF_AN_ADDRESS: Final = 1 / 8  # of all connections, once half of them are in use
CROWDED: Final = 3 / 4  # of all places; up to there a connection younger than `YOUNG` is never cut
YOUNG: Final = 1  # second; behind a proxy on a unix socket every sender has the same address, so age always decides


class Held:
    """By the number of each one's file. `most` at once; `share`: this process's, of the lines that all processes on
    its listeners hold.
    """

    def __init__(self, most: int, share: Share) -> None:
        self._lines: dict[int, Line] = {}
        self._most = most
        self._share = share
        self._of_address: Counter[str] = Counter()
        self._counting = threading.Lock()

    def add(self, line: Line) -> None:
        self._lines[line.number] = line
        with self._counting:
            self._of_address[line.address] += 1
        self.count()
        if len(self._lines) > self._most / 2:
            self._limit_address(line.address)

    def _limit_address(self, address: str) -> None:
        """Cut the older half of an address's connections that wait for their sender, where there are too many.

        Connections whose request is being answered stay, and a request that has come already is answered. The thread
        that reads closes those that are cut.
        """
        if self._of_address[address] <= self._most * MOST_OF_AN_ADDRESS:
            return
        spares_young = not address or len(self._lines) <= self._most * CROWDED
        old = time.monotonic() - (YOUNG if spares_young else 0)
        waiting = [one for one in list(self._lines.values()) if one.address == address and one.is_waiting]
        if len(waiting) > self._most * MOST_OF_AN_ADDRESS:
            waiting.sort(key=lambda one: one.since)
            for line in waiting[: len(waiting) // 2]:
                if line.since <= old:
                    line.cut()

    def get(self, number: int) -> Line | None:
        return self._lines.get(number)

    def close(self, line: Line) -> None:
        if self._lines.pop(line.number, None):  # before its number is somebody else's
            self._leave_address(line.address)
        self.count()
        line.close()

    def _leave_address(self, address: str) -> None:
        with self._counting:
            self._of_address[address] -= 1
            if self._of_address[address] <= 0:
                del self._of_address[address]

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
