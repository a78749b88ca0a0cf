"""A disk without room, for this process: a file may have at most 2 kB."""

from __future__ import annotations

import resource
from collections.abc import Iterator
from contextlib import contextmanager

LARGEST = 2_000  # bytes


@contextmanager
def full_disk() -> Iterator[None]:
    """Let each write beyond the largest size fail with EFBIG."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (LARGEST, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
