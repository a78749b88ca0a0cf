"""Print the folder for temporary files of tests: in memory, if enough is free.

On a busy disk a commit sometimes takes a second. `make faults` tests that fault on purpose, on the disk.
"""

from __future__ import annotations

import os
import re
import tempfile
from pathlib import Path

import click

MEMORY = Path("/dev/shm")  # tests create their folders in it, as in /tmp
NEEDED = 8 * 2**30  # bytes; all tests together write about 2 GiB there, and their processes use at least as much memory


def folder() -> str:
    """Return TMPDIR if it is set, else a folder in memory or the system's temporary folder."""
    is_chosen = "TMPDIR" in os.environ
    return str(MEMORY) if not is_chosen and _free_memory() >= NEEDED else tempfile.gettempdir()


def _free_memory() -> int:
    try:
        filesystem = os.statvfs(MEMORY)
        match = re.search(r"^MemAvailable: +(\d+) kB$", Path("/proc/meminfo").read_text(), re.MULTILINE)
    except OSError:  # not Linux
        return 0
    return min(filesystem.f_bavail * filesystem.f_frsize, int(match[1]) * 1024 if match else 0)


if __name__ == "__main__":
    click.echo(folder())
