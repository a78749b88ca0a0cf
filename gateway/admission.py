"""Admission control, and the log of refused requests. A process that is late accepts fewer new calls.

A call is ten requests or more over some minutes, and nearly all its cost is at its end, in Send. A process that accepts
every new call is late only when the first of too many calls come to Send, and then they drop in the middle. So the
number of calls under way is limited. Three delays, measured four times a second, show that the process is late: how
late its event loop wakes, how late it begins requests, and how long they wait for a thread. While it is late, the limit
is the present number of calls under way, and less with each call that ends. Otherwise it rises slowly while calls come
up to it. Which calls a process has under way is not known, as other processes may take their later requests: it counts
the calls that it admitted and those that ended here. Callers who hang up are forgotten after some minutes.

A call that is not admitted gets the emergency numbers at once. An SMS that comes while the process is late is refused,
and its provider sends it again. A call under way is never refused, and no call is while there are few requests:
refusing them would not help.
"""

from __future__ import annotations

import asyncio
import math
import threading
import time
from collections import Counter, deque
from collections.abc import Callable
from typing import Final

import structlog

from gateway.conversation.turns import begins_call
from gateway.messaging.model import Inbound

EVERY_SECONDS: Final = 0.25
MOST_LAG: Final = 0.2  # seconds by which the event loop may wake late
MOST_LATE: Final = 0.5  # seconds until a request's handling begins: from its arrival at a proxy that says when that was
FIRST_LIMIT: Final = 300.0  # calls under way in a process that was not late yet; a crowd may dial at one moment
SHRINK: Final = 0.2  # by which the limit falls with each call that ends while the process is late
GROWTH: Final = 0.05  # growth of the limit in each second in which calls come up to it and the process is not late
USED: Final = 0.8  # share of the limit above which calls come up to it
CALL_SECONDS: Final = 180.0  # after which a call that did not end here counts little: networks end it by then
LEAST: Final = 1.0  # new calls a second that are always admitted
SMS_LATE: Final = 2.0  # seconds; above it an SMS is refused and its provider sends it again
BUSY_RATE: Final = 40  # requests a second; with fewer, the load is not what makes this process late
BUSY_SECONDS: Final = 1.0  # over which requests are averaged: while the process is late, they come in bursts
MOST_WAITS: Final = 1000
LOG_EVERY_SECONDS: Final = 60

log = structlog.get_logger()


class AdmissionControl:
    """Decide which new calls and SMS are accepted. `now`: returns monotonic seconds."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._limit = FIRST_LIMIT  # of calls under way
        self._under_way = 0.0  # calls that were admitted here, without those that ended here
        self._always = LEAST  # new calls that are admitted beyond the limit
        self._looked_at = now()
        self._ended = 0  # calls that ended since the last adjustment
        self._waits: deque[float] = deque(maxlen=MOST_WAITS)  # seconds for a thread, since the last adjustment
        self._requests = 0  # admitted since the last adjustment
        self._request_rate = 0.0  # admitted requests a second, averaged over `BUSY_SECONDS`
        self._is_busy = False  # whether requests reached `BUSY_RATE` at the last adjustment
        self._is_late = False  # at the last adjustment
        self._late = self._latest = 0.0  # longest delay in seconds: since the last adjustment; before it

    def note(self, seconds: float) -> None:
        """Record how many seconds a request waited before its handling began."""
        self._late = max(self._late, seconds)

    def note_wait(self, seconds: float) -> None:
        """Record how many seconds a request waited for a thread. May be called in any thread."""
        self._waits.append(seconds)

    def note_end(self) -> None:
        """Record that a call has reached "Sent", or its last screen without it."""
        self._ended += 1
        self._under_way = max(self._under_way - 1, 0.0)

    def admits(self, inbound: Inbound) -> bool:
        """Return whether a message is accepted, and count it if so. A late process refuses some new calls and SMS."""
        is_admitted = self._admits(inbound)
        self._requests += is_admitted
        return is_admitted

    def _admits(self, inbound: Inbound) -> bool:
        if inbound.kind == "sms":
            return not self._is_busy or max(self._late, self._latest) < SMS_LATE
        if not begins_call(inbound):
            return True
        if self._is_busy and self._under_way >= self._limit:
            if self._always < 1:
                return False
            self._always -= 1
        self._under_way += 1
        return True

    def adjust(self) -> None:
        """Adjust the limit. Call this every `EVERY_SECONDS`, on the event loop that answers requests."""
        now = self._now()
        elapsed = max(now - self._looked_at, EVERY_SECONDS)
        self._request_rate += (self._requests / elapsed - self._request_rate) * (1 - math.exp(-elapsed / BUSY_SECONDS))
        self._is_busy = max(self._requests / elapsed, self._request_rate) >= BUSY_RATE
        self._under_way *= math.exp(-elapsed / CALL_SECONDS)
        self._always = min(self._always + LEAST * elapsed, LEAST)
        longest_wait = max(self._late, *(self._waits.popleft() for _ in range(len(self._waits))), 0.0)
        is_late = self._is_busy and (elapsed - EVERY_SECONDS > MOST_LAG or longest_wait > MOST_LATE)
        if not self._is_busy:
            self._limit = max(self._limit, FIRST_LIMIT)
        elif is_late:
            if not self._is_late:
                self._limit = min(self._limit, self._under_way + self._ended)
            self._limit = max(self._limit - SHRINK * self._ended, LEAST)
        elif self._under_way >= USED * self._limit:
            self._limit *= 1 + GROWTH * elapsed
        self._latest, self._late, self._requests = max(longest_wait, elapsed - EVERY_SECONDS), 0.0, 0
        self._ended, self._looked_at, self._is_late = 0, now, is_late

    async def run(self) -> None:
        """Adjust the limit every `EVERY_SECONDS`, until the task is cancelled."""
        while True:
            await asyncio.sleep(EVERY_SECONDS)
            self.adjust()


# The log of refused requests has one line for many: a flood of wrong tokens must be seen and must not fill the disk.


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
            channel: the channel's name; None if the address names no configured channel, because it may then hold
                anything.
        """
        refusal = reason, channel
        with self._lock:
            self._since[refusal] += 1
            now = self._monotonic()
            if now - self._logged_at.get(refusal, float("-inf")) < LOG_EVERY_SECONDS:
                return
            self._logged_at[refusal] = now
            count = self._since.pop(refusal)
        log.warning("webhook_refused", reason=reason, channel=channel, count=count)
