"""Admission control, and the log of refused requests. A process that is late accepts fewer new calls.

A call is ten requests or more over some minutes. A process that accepts every new call at its limit is soon late for
all of them, and they drop in the middle. Three delays, measured four times a second, show that it is at its limit: how
late its event loop wakes, how late it begins requests, and how long they wait for a thread. Its capacity is the highest
rate of the last minutes at which calls reached "Sent" or their last screen. While it is late, it admits new calls at
nine tenths of its capacity, and fewer the later it is. Otherwise the rate rises slowly, and quickly once there are few
requests.

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
MOST_LATE: Final = 0.3  # seconds from a request's arrival until its handling begins
LATE_RANGE: Final = 2.0  # seconds beyond that, over which the rate falls to `LEAST`
MEAN_SECONDS: Final = 5.0  # over which ended calls are averaged; about the length of a quick call
SHARE_OF_CAPACITY: Final = 0.9  # share of the known capacity that is admitted while the process is late
RISE: Final = 0.02  # growth of the rate in each second, because dropped calls are not counted as ended
DECLINE: Final = 0.01  # decline of the known capacity in each second
QUIET_RISE: Final = 2.0  # factor of the rate, at each adjustment with few requests
LEAST: Final = 1.0  # new calls a second that are always admitted
BURST: Final = 300  # new calls admitted at once by a process that had few before, however late they make it
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
        self._rate = math.inf  # new calls a second that are admitted
        self._credit: float = BURST  # new calls that may be admitted at once
        self._credited_at = self._looked_at = now()
        self._ended = 0  # calls that ended since the last adjustment
        self._ended_rate = 0.0  # ended calls a second, averaged over `MEAN_SECONDS`
        self._capacity = 0.0  # calls a second: the highest rate of ended calls in the last minutes
        self._waits: deque[float] = deque(maxlen=MOST_WAITS)  # seconds for a thread, since the last adjustment
        self._requests = 0  # admitted since the last adjustment
        self._request_rate = 0.0  # admitted requests a second, averaged over `BUSY_SECONDS`
        self._is_busy = False  # whether requests reached `BUSY_RATE` at the last adjustment
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

    def admits(self, inbound: Inbound) -> bool:
        """Return whether a message is accepted, and count it if so. A late process refuses some new calls and SMS."""
        is_admitted = self._admits(inbound)
        self._requests += is_admitted
        return is_admitted

    def _admits(self, inbound: Inbound) -> bool:
        if inbound.kind == "sms":
            return not self._is_busy or max(self._late, self._latest) < SMS_LATE
        if self._rate == math.inf or not begins_call(inbound):
            return True
        now = self._now()
        self._credit = min(self._credit + (now - self._credited_at) * self._rate, BURST)
        self._credited_at = now
        if self._credit < 1:
            return False
        self._credit -= 1
        return True

    def adjust(self) -> None:
        """Adjust the rate of new calls. Call this every `EVERY_SECONDS`, on the event loop that answers requests."""
        now = self._now()
        elapsed = max(now - self._looked_at, EVERY_SECONDS)
        self._ended_rate += (self._ended / elapsed - self._ended_rate) * (1 - math.exp(-elapsed / MEAN_SECONDS))
        self._request_rate += (self._requests / elapsed - self._request_rate) * (1 - math.exp(-elapsed / BUSY_SECONDS))
        self._capacity = max(self._capacity * (1 - DECLINE * elapsed), self._ended_rate)
        self._is_busy = max(self._requests / elapsed, self._request_rate) >= BUSY_RATE
        longest_wait = max(self._late, *(self._waits.popleft() for _ in range(len(self._waits))), 0.0)
        if self._is_busy and (elapsed - EVERY_SECONDS > MOST_LAG or longest_wait > MOST_LATE):
            excess_wait = max(longest_wait - MOST_LATE, 0.0)
            self._rate = max(SHARE_OF_CAPACITY * self._capacity * (1 - excess_wait / LATE_RANGE), LEAST)
        else:
            growth = 1 + RISE * elapsed if self._is_busy else QUIET_RISE
            self._rate = max(self._rate * growth, SHARE_OF_CAPACITY * self._capacity)
        self._latest, self._late, self._requests = max(longest_wait, elapsed - EVERY_SECONDS), 0.0, 0
        self._ended, self._looked_at = 0, now

    async def run(self) -> None:
        """Adjust the rate every `EVERY_SECONDS`, until the task is cancelled."""
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
