"""How many callers this process answers at this moment: in a crowd, what can wait makes room for reports.

It is full where its threads are taken, by a slow database above all, or where so many wait for the one thread that
takes the steps of all of them.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager

THREADS = 8  # of one process; the server is set up with as many
MOST_BUSY = 0.8  # of them
MOST_THERE = 64  # requests that are begun and not answered; a step takes less than half a millisecond


class Crowd:
    def __init__(self, threads: int = THREADS) -> None:
        self._most = threads * MOST_BUSY
        self._lock = threading.Lock()
        self._inside = 0
        self._there = 0

    def there(self) -> AbstractContextManager[None]:
        """While a request is answered, whoever takes its steps."""
        return self._counted(there=1)

    def one(self) -> AbstractContextManager[None]:
        """While a thread is taken for one alone."""
        return self._counted(inside=1)

    @property
    def is_full(self) -> bool:
        return self._inside > self._most or self._there > MOST_THERE

    @contextmanager
    def _counted(self, *, inside: int = 0, there: int = 0) -> Iterator[None]:
        self._add(inside, there)
        try:
            yield
        finally:
            self._add(-inside, -there)

    def _add(self, inside: int, there: int) -> None:
        with self._lock:
            self._inside += inside
            self._there += there
