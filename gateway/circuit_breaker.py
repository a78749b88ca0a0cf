"""A circuit breaker: after several failures a service is not called for a while, so that reporters need not wait."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable

import structlog

log = structlog.get_logger()


class CircuitBreaker:
    """A circuit breaker that opens for `pause` seconds after `failures` failures within `window` seconds.

    Each process has its own. `reason`: names the service in the log. `clock`: returns monotonic seconds.
    """

    def __init__(
        self, reason: str, *, failures: int, window: float, pause: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._reason = reason
        self._window = window
        self._pause = pause
        self._clock = clock
        self._failures: deque[float] = deque(maxlen=failures)
        self._open_until = 0.0

    @property
    def is_open(self) -> bool:
        """Return whether the service must not be called now."""
        return self._clock() < self._open_until

    def failed(self) -> None:
        """Count a failure, and open the circuit breaker after too many."""
        now = self._clock()
        self._failures.append(now)
        if len(self._failures) == self._failures.maxlen and now - self._failures[0] <= self._window:
            self._open_until = now + self._pause
            self._failures.clear()
            log.warning("circuit_breaker_opened", reason=self._reason, ms=round(self._pause * 1000))
