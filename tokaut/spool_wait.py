"""Wait until web's spool is empty: `python -m tokaut.spool_wait SECONDS`, before a host of web is stopped.

Web itself empties the spool once the database answers, so it must still run. The exit status is 1 if entries are left
after SECONDS; they stay on the disk, and web continues with them when it starts again.
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path
from typing import Final

from reports.store.spool import ENTRY_SUFFIX
from tokaut.terminal import echo

LOOK_SECONDS: Final = 0.2
USAGE: Final = "Usage: python -m tokaut.spool_wait SECONDS"


def entries(data: Path) -> int:
    """Return how many entries of the spool under this TOKAUT_DATA wait for the database."""
    return sum(1 for _ in (data / "spool").glob(f"*{ENTRY_SUFFIX}"))


def wait(data: Path, seconds: float) -> int:
    """Wait until no entry is left, at most so long. Return how many are left."""
    end = time.monotonic() + seconds
    while (left := entries(data)) and time.monotonic() < end:
        time.sleep(LOOK_SECONDS)
    return left


def main(arguments: list[str]) -> None:
    """Wait. Raises SystemExit: with one line if entries are left."""
    if len(arguments) != 1 or not arguments[0].isdecimal():
        sys.exit(USAGE)
    if left := wait(Path(os.environ.get("TOKAUT_DATA", "var")), int(arguments[0])):
        sys.exit(f"{left} entries of the spool still wait for the database. Keep this disk: docs/operating/spool.md")
    echo("The spool is empty.")


if __name__ == "__main__":
    main(sys.argv[1:])
