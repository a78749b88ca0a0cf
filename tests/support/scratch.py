"""Says where tests keep what they write: in memory, where there is plenty. A disk that others keep busy takes a second
for a commit now and then; that is a fault of its own, which `make faults` makes, on the disk.
"""

from __future__ import annotations

import os
import re
import tempfile
from pathlib import Path

import click

MEMORY = Path("/dev/shm")  # a folder of ours is made in it, as in /tmp
NEEDED = 12 * 2**30  # bytes; all tests at once have some 6 GiB there, and their processes as much again


def folder() -> str:
    """TMPDIR, where it is set, as everywhere."""
    is_chosen = "TMPDIR" in os.environ
    return str(MEMORY) if not is_chosen and _room() >= NEEDED else tempfile.gettempdir()


def _room() -> int:
    try:
        files = os.statvfs(MEMORY)
        found = re.search(r"^MemAvailable: +(\d+) kB$", Path("/proc/meminfo").read_text(), re.MULTILINE)
    except OSError:  # not Linux
        return 0
    return min(files.f_bavail * files.f_frsize, int(found[1]) * 1024 if found else 0)


if __name__ == "__main__":
    click.echo(folder())
