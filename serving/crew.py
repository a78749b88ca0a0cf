"""Threads for what may take long: a database, an application that knows nothing of steps."""

from __future__ import annotations

import threading
from collections.abc import Callable
from queue import Empty, SimpleQueue
from typing import Final

READY: Final = 1  # second, at most, between two times that one says it is free

Task = Callable[[], None]


class Crew:
    """`failed` is called inside the handler of what a task raised; `ready` whenever one of them is free."""

    def __init__(self, threads: int, *, failed: Callable[[], None], ready: Callable[[], None]) -> None:
        self._threads = threads
        self._failed = failed
        self._ready = ready
        self._tasks: SimpleQueue[Task] = SimpleQueue()

    def start(self) -> None:
        for _ in range(self._threads):
            threading.Thread(target=self._work, daemon=True).start()

    def put(self, task: Task) -> None:
        self._tasks.put(task)

    def _work(self) -> None:
        while True:
            self._ready()
            try:
                self._tasks.get(timeout=READY)()
            except Empty:
                pass
            except BaseException:  # nobody would miss a thread that ended, nor begin another
                self._failed()
