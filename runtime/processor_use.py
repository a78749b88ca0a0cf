"""How busy the processors are, so that admission control can tell how many calls they can serve."""

from __future__ import annotations

import time
from contextlib import suppress
from pathlib import Path
from typing import Final

STAT: Final = Path("/proc/stat")  # absent outside Linux, and hidden by systemd's ProcSubset=pid
FIELDS: Final = slice(1, 9)  # of its first line: user, nice, system, idle, iowait, irq, softirq, steal
IDLE: Final = (1, 3, 4)  # of those: nice, which gives way to this process; idle, and iowait


class ProcessorUse:
    """The use of the processors since the last call. `stat`: a file like /proc/stat."""

    def __init__(self, stat: Path = STAT) -> None:
        self._stat = stat
        self._machine = self._read()
        self._own = time.process_time(), time.monotonic()

    def share(self) -> float:
        """Return the larger of two shares since the last call, from 0 to 1.

        They are the machine's, of all its processors; and this process's, of one processor, since one thread at a time
        runs Python. Without the first the other is too low: it does not count what databases and workers use.
        """
        before, self._own = self._own, (time.process_time(), time.monotonic())
        own = (self._own[0] - before[0]) / max(self._own[1] - before[1], 0.001)
        (busy_before, total_before), self._machine = self._machine, self._read()
        busy, total = self._machine
        machine = (busy - busy_before) / (total - total_before) if total > total_before else 0.0
        return min(max(own, machine, 0.0), 1.0)

    def _read(self) -> tuple[int, int]:
        """Return the time in which the machine's processors were busy, and all time; zeros if unknown."""
        with suppress(OSError, ValueError, IndexError), self._stat.open("rb", buffering=0) as stat:
            times = [int(field) for field in stat.read(512).partition(b"\n")[0].split()[FIELDS]]
            return sum(times) - sum(times[field] for field in IDLE), sum(times)
        return 0, 0
