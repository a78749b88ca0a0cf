"""The check of free disk space: a full disk shows as many other faults, so it is looked at before them."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final

from reports.store.spool import MIN_FREE_BYTES
from runtime.settings import CommonSettings

LITTLE_SPACE: Final = 1_000_000_000  # bytes; low enough to warn while there is time to act
DOCS_PAGE: Final = "docs/operating/disk-full.md"


def disk_faults(common: CommonSettings, below: int = LITTLE_SPACE) -> Iterator[str]:
    """Yield a sentence for each disk of TOKAUT_DATA or of the embedded database with fewer free bytes than `below`."""
    disks: dict[int, Path] = {}
    for folder in filter(None, (common.data, common.database_file and common.database_file.parent)):
        with suppress(OSError):  # another account's folder
            existing = next(path for path in (folder.absolute(), *folder.absolute().parents) if path.exists())
            disks.setdefault(existing.stat().st_dev, existing)
    for path in disks.values():
        yield from _faults(path, below)


def _faults(path: Path, below: int) -> Iterator[str]:
    free = shutil.disk_usage(path).free
    if free >= below:
        return
    space = f"Only {free // 1_000_000} MB are free at {path}"
    if free < MIN_FREE_BYTES:
        yield (
            f"{space}: the disk is full. No report is taken into the spool, and at 0 MB none is stored at all. Free "
            f"space first; other faults named here may come from it. {DOCS_PAGE}"
        )
    else:
        yield f"{space}; below {MIN_FREE_BYTES >> 20} MB no report is taken into the spool. {DOCS_PAGE}"
