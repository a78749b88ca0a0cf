"""How many lines each process of one master holds, in memory that all of them see: made before they part."""

from __future__ import annotations

import mmap
import time
from typing import Final

PLACES: Final = 64  # a process takes one by the count of starts; two in one place are not compared with each other
AHEAD: Final = 8  # lines more than another holds: what a process answers at once anyway
ALIVE: Final = 2  # seconds since it was ready for a line; who is killed, frozen, wedged or full is not compared with


class Shares:
    def __init__(self) -> None:
        self._held = memoryview(mmap.mmap(-1, 2 * 4 * PLACES)).cast("I")  # anonymous, and shared over a fork

    def of(self, process: int) -> Share:
        return Share(self._held, process % PLACES)


class Share:
    """Of one process. `held`: for each, the lines it holds and the second of the monotonic clock when it was ready."""

    def __init__(self, held: memoryview, place: int) -> None:
        self._held = held
        self._place = place
        self._lines = 0
        self.hold(0)
        self.ready()

    def hold(self, lines: int) -> None:
        self._lines = lines
        self._held[2 * self._place] = lines

    def ready(self) -> None:
        """It would take a line now."""
        self._held[2 * self._place + 1] = int(time.monotonic())

    def leave(self) -> None:
        self._held[2 * self._place + 1] = 0

    @property
    def is_ahead(self) -> bool:
        """Whether another that is ready holds clearly fewer."""
        since = int(time.monotonic()) - ALIVE
        others = [n for n in range(PLACES) if n != self._place and self._held[2 * n + 1] >= since]
        return self._lines >= min((self._held[2 * n] for n in others), default=self._lines) + AHEAD
