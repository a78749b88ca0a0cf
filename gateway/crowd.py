"""How many callers this process answers at this moment: in a crowd, what can wait makes room for reports.

It is full where its threads are taken, by a slow database above all, or where so many wait for the one thread that
takes the steps of all of them.
"""

from __future__ import annotations

import threading

THREADS = 8  # of one process; the server is set up with as many
MOST_BUSY = 0.8  # of them
MOST_THERE = 64  # requests that are begun and not answered; a step takes less than half a millisecond


class Crowd:
    def __init__(self, threads: int = THREADS) -> None:
        self._most = threads * MOST_BUSY

        self.there = _Count()  # while a request is answered, whoever takes its steps
        self.unproven = _Count()  # until a signature has said who sent a request; a crowd of forgeries is no crowd
        self.one = _Count()  # while a thread is taken for one alone

    @property
    def is_full(self) -> bool:
        return self.one.number > self._most or self.there.number > MOST_THERE


class _Count:
    """How many are inside it at this moment: `with it:`."""

    __slots__ = ("_lock", "number")

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.number = 0

    def __enter__(self) -> None:
        with self._lock:
            self.number += 1

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self.number -= 1
