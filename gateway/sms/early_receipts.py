"""Delivery reports that arrive before our own send call returned: their message is not known yet.

Kept in memory only: another user of the provider's account would cause such reports too, and none is essential.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

AFTER_SECONDS = (5, 60, 600)  # retry times; after the last one the message is not ours
MOST = 1000


class EarlyReceipts:
    """Retry early delivery reports until their message is known."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._receipts: list[tuple[float, int, str, str]] = []  # time of the next try, tries so far, message id, status

    def keep(self, id_: str, status: str) -> None:
        """Keep a report for the next try; drop it if there are too many."""
        with self._lock:
            if len(self._receipts) < MOST:
                self._receipts.append((self._clock() + AFTER_SECONDS[0], 0, id_, status))

    def try_again(self, note: Callable[[str, str], bool]) -> None:
        """Pass each due report to `note`, which returns whether its message is known.

        An exception of `note` leaves all remaining reports for the next call.
        """
        for receipt in [receipt for receipt in self._receipts if receipt[0] <= self._clock()]:
            _, tries, id_, status = receipt
            is_known = note(id_, status)
            with self._lock:
                self._receipts.remove(receipt)
                if not is_known and tries + 1 < len(AFTER_SECONDS):
                    delay = AFTER_SECONDS[tries + 1] - AFTER_SECONDS[tries]
                    self._receipts.append((self._clock() + delay, tries + 1, id_, status))
