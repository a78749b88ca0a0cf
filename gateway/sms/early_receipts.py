"""Delivery reports that were faster than our own send call: nothing is known yet of the message they are about.

Kept in memory only: whoever shares the provider's account with us gets theirs too, and none of it is needed to serve.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

AFTER_SECONDS = (5, 60, 600)  # when the report is looked at again; after the last it is about no message of ours
MOST = 1000


class EarlyReceipts:
    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._held: list[tuple[float, int, str, str]] = []  # when, how many times it was looked at, id, status

    def keep(self, id_: str, status: str) -> None:
        with self._lock:
            if len(self._held) < MOST:
                self._held.append((self._clock() + AFTER_SECONDS[0], 0, id_, status))

    def try_again(self, note: Callable[[str, str], bool]) -> None:
        """`note` says whether the message is known by now; what it raises leaves all for the next time."""
        for held in [held for held in self._held if held[0] <= self._clock()]:
            _, tries, id_, status = held
            known = note(id_, status)
            with self._lock:
                self._held.remove(held)
                if not known and tries + 1 < len(AFTER_SECONDS):
                    since = AFTER_SECONDS[tries + 1] - AFTER_SECONDS[tries]
                    self._held.append((self._clock() + since, tries + 1, id_, status))
