"""A part that does not answer is left alone for a while: waiting for it costs a caller once, not at each screen."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable


class CircuitBreaker:
    """Opens for `rest` seconds after `failures` within `window` seconds. Monotonic time; one for each process."""

    def __init__(self, failures: int, window: float, rest: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._window = window
        self._rest = rest
        self._clock = clock
        self._failed: deque[float] = deque(maxlen=failures)
        self._closed_at = 0.0

    @property
    def is_open(self) -> bool:
        return self._clock() < self._closed_at

    def failed(self) -> None:
        now = self._clock()
        self._failed.append(now)
        if len(self._failed) == self._failed.maxlen and now - self._failed[0] <= self._window:
            self._closed_at = now + self._rest
            self._failed.clear()
