"""Wait until web's spool is empty: `python -m tokaut.spool_wait SECONDS`, before a host of web is stopped.

Web itself empties the spool once the database answers, so it must still run. The exit status is 1 if entries are left
after SECONDS; they stay on the disk, and web continues with them when it starts again. It is also 1 if entries are in
`bad`, for which a person must look, and if the spool is missing or not readable for this account, because then it may
not be empty.
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path
from typing import Final

from reports.store.spool import ENTRY_SUFFIX
from tokaut.terminal import echo

POLL_SECONDS: Final = 0.2
USAGE: Final = "Usage: python -m tokaut.spool_wait SECONDS"


def entries(folder: Path) -> int:
    """Return the number of entries in a folder. Raises OSError.

    Path.glob() would find nothing in a folder that this account may not read, and raise nothing.
    """
    return sum(1 for path in folder.iterdir() if path.name.endswith(ENTRY_SUFFIX))


def wait(data: Path, seconds: float) -> int:
    """Wait up to `seconds` until no entry is left. Return the number left. Raises OSError."""
    end = time.monotonic() + seconds
    while (left := entries(data / "spool")) and time.monotonic() < end:
        time.sleep(POLL_SECONDS)
    return left


def main(arguments: list[str]) -> None:
    """Wait as the command line asks. Raises SystemExit, with one line if entries are left."""
    if len(arguments) != 1 or not arguments[0].isdecimal():
        sys.exit(USAGE)
    data = Path(os.environ.get("TOKAUT_DATA", "var"))
    try:
        left = wait(data, int(arguments[0]))
        bad = entries(data / "spool" / "bad") if (data / "spool" / "bad").exists() else 0
    except OSError as error:
        sys.exit(f"{data / 'spool'} cannot be read ({error.strerror}). Run this with web's account and TOKAUT_DATA.")
    if left:
        sys.exit(f"{left} entries of the spool still wait for the database. Keep this disk: docs/operating/spool.md")
    if bad:
        sys.exit(f"{bad} entries of the spool do not open, each a report. Keep this disk: docs/operating/spool.md")
    echo("The spool is empty.")


if __name__ == "__main__":
    main(sys.argv[1:])
