"""How many callers this process answers at this moment: in a crowd, what can wait makes room for reports."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

THREADS = 8  # of one process; the server is set up with as many
MOST_BUSY = 0.8  # of them


class Crowd:
    def __init__(self, threads: int = THREADS) -> None:
        self._most = threads * MOST_BUSY
        self._lock = threading.Lock()
        self._inside = 0

    @contextmanager
    def one(self) -> Iterator[None]:
        """While one is answered."""
        self._add(1)
        try:
            yield
        finally:
            self._add(-1)

    @property
    def is_full(self) -> bool:
        return self._inside > self._most

    def _add(self, count: int) -> None:
        with self._lock:
            self._inside += count
