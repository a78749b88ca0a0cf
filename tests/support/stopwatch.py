"""Measure how long something takes, without the time in which processes waited for a processor.

Otherwise a test that compares seconds would fail because of other processes. On an idle machine nothing is subtracted.
On a machine that is always busy such a comparison means little; use `make bench` and `make faults` there.
"""

from __future__ import annotations

import re
import time
from pathlib import Path

PRESSURE = Path("/proc/pressure/cpu")  # Linux's pressure stall information; its total is in microseconds


class Stopwatch:
    """A stopwatch that runs from its creation."""

    def __init__(self) -> None:
        self._began = time.monotonic()
        self._had_waited = _waited()

    @property
    def seconds(self) -> float:
        """Return the seconds since the start in which no process waited for a processor."""
        return time.monotonic() - self._began - (_waited() - self._had_waited)


def _waited() -> float:
    """Return the seconds since boot in which a process waited for a processor; 0 if the kernel does not report them."""
    try:
        found = re.search(r"^some .*total=(\d+)$", PRESSURE.read_text(), re.MULTILINE)
    except OSError:
        return 0
    return int(found[1]) / 1_000_000 if found else 0
