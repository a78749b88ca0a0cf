"""Settings that every process makes first: private files, no core dumps, and memory that does not fragment."""

from __future__ import annotations

import ctypes
import os
import resource

M_ARENA_MAX = -8  # glibc's malloc.h


def harden() -> None:
    """Set umask 0077 and forbid core files. Swap is the operator's to turn off or encrypt (docs/operating.md)."""
    os.umask(0o077)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    _use_one_arena()


def _use_one_arena() -> None:
    """Make glibc's malloc use one arena.

    glibc gives threads arenas of their own, which fragment: 20,000 requests made web 15 % larger. Python runs one
    thread at a time, so a single arena delays none. Other C libraries have no such setting.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(M_ARENA_MAX, 1)
