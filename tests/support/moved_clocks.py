"""Move the wall clock of single processes while they run, with libfaketime (Debian: faketime).

Their monotonic clock is not moved, as when an operator or NTP sets the time of a host. A time namespace cannot do this:
it moves CLOCK_MONOTONIC and CLOCK_BOOTTIME, but never CLOCK_REALTIME.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

FOUND = sorted(Path("/usr/lib").glob("**/faketime/libfaketimeMT.so.1"))
LIBRARY = FOUND[0] if FOUND else None
# Settings that the library reads once, when it is loaded. It reads the file of a process again and again.
LOADED = {
    "LD_PRELOAD": str(LIBRARY),
    "FAKETIME_NO_CACHE": "1",
    "FAKETIME_DONT_FAKE_MONOTONIC": "1",
    "FAKETIME_DISABLE_SHM": "1",
    "NO_FAKE_STAT": "1",
}
ABSENT = "libfaketime is not installed: apt-get install faketime"


class MovedClocks:
    """Clocks that tests can move. `folder`: a file for each process, which the library reads at each time request."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.ahead: dict[str, int] = {}

    def settings(self, name: str) -> Mapping[str, str]:
        """Return the environment variables of a process whose clock can be moved from now on."""
        self.set([name], self.ahead.get(name, 0))
        return {**LOADED, "FAKETIME_TIMESTAMP_FILE": str(self._file(name))}

    def set(self, names: Iterable[str], seconds: int) -> None:
        """Set the clocks of these processes to `seconds` ahead of the true time."""
        for name in names:
            self.ahead[name] = seconds
            unfinished = self._file(name).with_suffix(".new")
            unfinished.write_text(f"{seconds:+d}\n")
            unfinished.rename(self._file(name))

    def _file(self, name: str) -> Path:
        return self._folder / f"time-{name}"
