"""How many lines each process of one server holds, in memory that all of them see: made before they part."""

from __future__ import annotations

import mmap
import time
from typing import Final

PROCESSES: Final = 64  # with more, two count as one
AHEAD: Final = 8  # lines more than another holds
ALIVE: Final = 2  # seconds since it has looked; who is killed or frozen is not compared with


class Shares:
    def __init__(self) -> None:
        self._held = memoryview(mmap.mmap(-1, 2 * 4 * PROCESSES)).cast("I")  # anonymous, and shared over a fork

    def of(self, process: int) -> Share:
        return Share(self._held, process % PROCESSES)


class Share:
    """Of one process. `held`: for each, the lines it holds and the second of the monotonic clock when it looked."""

    def __init__(self, held: memoryview, process: int) -> None:
        self._held = held
        self._at = 2 * process
        self.hold(0)
        self.look()

    def hold(self, lines: int) -> None:
        self._held[self._at] = lines

    def look(self) -> None:
        """Once a second."""
        self._held[self._at + 1] = int(time.monotonic())

    @property
    def is_ahead(self) -> bool:
        """Whether another that is alive holds clearly fewer."""
        since = int(time.monotonic()) - ALIVE
        others = (lines for lines, looked in zip(self._held[::2], self._held[1::2], strict=True) if looked >= since)
        return self._held[self._at] >= min(others, default=0) + AHEAD
