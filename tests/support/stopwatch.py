"""Measure how long something takes, without the time in which programs waited for a processor.

A test that compares seconds would otherwise fail because of its neighbours. At rest nothing is left out; on a machine
that is always busy such a comparison says little, and `make bench` and `make faults` are for that.
"""

from __future__ import annotations

import re
import time
from pathlib import Path

PRESSURE = Path("/proc/pressure/cpu")  # Linux's pressure stall information; its total is in microseconds


class Stopwatch:
    """Runs from its creation."""

    def __init__(self) -> None:
        self._began = time.monotonic()
        self._had_waited = _waited()

    @property
    def seconds(self) -> float:
        """Return the seconds since the beginning in which no program waited for a processor."""
        return time.monotonic() - self._began - (_waited() - self._had_waited)


def _waited() -> float:
    """Return the seconds, since the machine began, in which a program waited for a processor; 0 if it does not say."""
    try:
        found = re.search(r"^some .*total=(\d+)$", PRESSURE.read_text(), re.MULTILINE)
    except OSError:
        return 0
    return int(found[1]) / 1_000_000 if found else 0
