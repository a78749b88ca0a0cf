"""Gives back to the system what is free. glibc keeps what lies between two pieces in use, and a process only grew: with
390,000 requests of any shape by 15 MB, all of it free (malloc_trim(3)).
"""

from __future__ import annotations

import ctypes

_trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # glibc alone has it


def give_back() -> None:
    if _trim:
        _trim(0)
