"""Log refused requests, one line for many: a flood of wrong tokens must neither go unseen nor fill the disk."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable
from typing import Final

import structlog

EVERY_SECONDS: Final = 60

log = structlog.get_logger()


class RefusalLog:
    """Log the first refusal at once, then one line a minute with the number of refusals since the last one."""

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._since: Counter[tuple[str, str | None]] = Counter()
        self._logged_at: dict[tuple[str, str | None], float] = {}

    def add(self, reason: str, channel: str | None) -> None:
        """Count one refusal, and log it if a line is due.

        Args:
            reason: token or signature.
            channel: None if the address names no open channel; it may hold anything then.
        """
        refusal = reason, channel
        with self._lock:
            self._since[refusal] += 1
            now = self._monotonic()
            if now - self._logged_at.get(refusal, float("-inf")) < EVERY_SECONDS:
                return
            self._logged_at[refusal] = now
            count = self._since.pop(refusal)
        log.warning("webhook_refused", reason=reason, channel=channel, count=count)
