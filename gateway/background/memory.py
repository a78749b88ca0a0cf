"""Return free memory to the operating system.

glibc keeps free memory that lies between used blocks, so a process only grew: by 15 MB over 390,000 requests of all
kinds, all of it free (malloc_trim(3)).
"""

from __future__ import annotations

import ctypes

_trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # only glibc has it


def give_back() -> None:
    """Return free memory to the operating system; do nothing without glibc."""
    if _trim:
        _trim(0)
