"""What every process does first: files of ours are for this account alone, a crash writes no memory to the disk, and
what many threads take and give back of the memory stays of one size.
"""

from __future__ import annotations

import ctypes
import os
import resource

M_ARENA_MAX = -8  # glibc's malloc.h


def harden() -> None:
    """umask 0077 and no core file. Swap is the operator's: off or encrypted (docs/operating.md)."""
    os.umask(0o077)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    _take_memory_from_one_place()


def _take_memory_from_one_place() -> None:
    """glibc gives threads places of their own, which fill with holes: 20,000 requests made web 15 % larger. Python
    lets one thread run at a time, so one place holds nobody up. Other C libraries have no such thing."""
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(M_ARENA_MAX, 1)
