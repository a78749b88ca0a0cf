"""Admission control, and the log of refused requests. A process that was late admits only what it can serve.

A call is ten requests or more over some minutes, and nearly all of its work comes last, in Send. A process that accepts
every call until it is late is overloaded when they come to Send, and many break off. So once it was late, it admits
calls at the rate of its capacity: the number of calls that ended in the last minutes, for each second in which the
processors were busy.

Four times a second it measures three delays: how late the event loop wakes, how late requests begin, and how long they
wait for a thread. While one of them is long, the process is late: that time counts as busy, and the longer requests
wait, the fewer calls are admitted, down to seven tenths. While it is not late, and refuses calls, it admits more and
more of them (overbooking), because some reporters hang up before Send.

Calls are refused only within ten minutes after the process was late, and only while there are many requests; otherwise
it would not help. After one minute they are refused only while callers send further requests, because a flood of calls
that nobody goes on with takes little time. A call under way is never refused. A call that is not admitted gets the
emergency numbers at once. An SMS is refused while requests wait two seconds, and its provider sends it again.
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
from runtime.processor_use import ProcessorUse

EVERY_SECONDS: Final = 0.25
MAX_LAG: Final = 0.2  # seconds by which the event loop may wake late
MAX_LATE: Final = 0.3  # seconds from a request's arrival until its handling begins
LATE_RANGE: Final = 2.0  # the admitted share falls by 1 over so many seconds beyond that, but not below `MIN_SHARE`
MIN_SHARE: Final = 0.7  # the least part of `SHARE_OF_CAPACITY`
SHARE_OF_CAPACITY: Final = 0.97  # share of the capacity that a late process admits, or less
ABOVE_CAPACITY: Final = 1.1  # share that it admits otherwise: the processors may have more time than it seems
CAPACITY_SECONDS: Final = 180.0  # time constant of the sums of ended calls and of busy time: older ones count less
MIN_USE: Final = 0.01  # share of the processors that counts as used at least
ASSUMED_CAPACITY: Final = 30.0  # calls a second; unless it was just late, a process is assumed to serve it if idle
ENDED_CALLS: Final = 60  # with fewer in the sum, the capacity counts as `ASSUMED_CAPACITY` at least
MIN_REPLIES: Final = 0.7  # further requests for each new call; with fewer, most callers leave at the first screen
LATE_SECONDS: Final = 60.0  # after the process was late; then calls are refused whatever callers do
FORECAST_SECONDS: Final = 600.0  # after it was late; then calls are refused if callers reply
MAX_STALL: Final = 10.0  # seconds of a stalled event loop after which the requests before it tell nothing
MAX_OVERBOOKING: Final = 4.0  # calls admitted for each that will end
OVERBOOKING_RISE: Final = 0.01  # its relative growth a second while calls are refused and the processors are idle
MIN_RISE: Final = 0.2  # share of that growth that remains however busy the processors are
OVERBOOKING_DECLINE: Final = 0.02  # its relative decline a second while the process is late
OVERBOOKING_RETURN: Final = 0.005  # the same while it is not late and refuses no call
MAX_COUNTED: Final = 1.0  # seconds between two adjustments that change the overbooking; a process may be suspended
MIN_RATE: Final = 1.0  # new calls a second that are always admitted
BURST_SECONDS: Final = 3.0  # calls of so many seconds, at the rate of the capacity, may be admitted at once
MIN_BURST: Final = 100  # calls that may be admitted at once in any case
SMS_LATE: Final = 2.0  # seconds; above it an SMS is refused and its provider sends it again
BUSY_RATE: Final = 40  # admitted requests a second; with fewer, the load is not what makes this process late
BUSY_SECONDS: Final = 1.0  # over which requests are averaged: while the process is late, they come in bursts
MAX_WAITS: Final = 1000
LOG_EVERY_SECONDS: Final = 60

log = structlog.get_logger()


class AdmissionControl:
    """Decide which new calls and SMS are accepted.

    Args:
        now: returns monotonic seconds.
        use: returns the share of the processors that was used since its last call, from 0 to 1.
    """

    def __init__(self, now: Callable[[], float] = time.monotonic, use: Callable[[], float] | None = None) -> None:
        self._now = now
        self._use = use or ProcessorUse().share
        self._rate = ASSUMED_CAPACITY  # new calls a second that are admitted
        self._burst = self._credit = float(MIN_BURST)  # calls that may be admitted at once: at most; now
        self._credited_at = self._looked_at = now()
        self._ended = self._refused = 0  # calls since the last adjustment
        self._ends = 0.0  # calls that ended while there were many requests; older ones count less
        self._used = 0.0  # seconds of busy processors in the same time, weighted alike
        self._overbooking = 1.0  # calls admitted for each that will end
        self._waits: deque[float] = deque(maxlen=MAX_WAITS)  # seconds for a thread, since the last adjustment
        self._requests = 0  # admitted since the last adjustment
        self._calls = self._replies = 0  # among them: first and further requests of calls
        self._request_rate = self._call_rate = self._reply_rate = 0.0  # a second, averaged over `BUSY_SECONDS`
        self._is_busy = False  # whether requests reached `BUSY_RATE` at the last adjustment
        self._late_until = self._forecast_until = -math.inf  # ends of `LATE_SECONDS` and `FORECAST_SECONDS`
        self._was_late = False  # whether it is busy, and `LATE_SECONDS` are not over
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
        """Return whether a message is accepted, and count it if so. Some new calls and SMS are refused."""
        is_admitted = self._admits(inbound)
        self._requests += is_admitted
        return is_admitted

    def _admits(self, inbound: Inbound) -> bool:
        if inbound.kind == "sms":
            return not self._is_busy or max(self._late, self._latest) < SMS_LATE
        if not begins_call(inbound):
            self._replies += 1
            return True
        now = self._now()
        self._credit = min(self._credit + (now - self._credited_at) * self._rate, self._burst)
        self._credited_at = now
        if self._credit < 1 and self._is_limited():
            self._refused += 1
            return False
        self._credit = max(self._credit - 1, 0.0)
        self._calls += 1
        return True

    def _is_limited(self) -> bool:
        is_forecast = self._now() < self._forecast_until and self._reply_rate >= MIN_REPLIES * self._call_rate
        return self._is_busy and (self._was_late or is_forecast)

    def adjust(self) -> None:
        """Adjust the rate of new calls. Call this every `EVERY_SECONDS`, on the event loop that answers requests."""
        now = self._now()
        elapsed = max(now - self._looked_at, EVERY_SECONDS)
        lag = elapsed - EVERY_SECONDS
        newest = 1 - math.exp(-elapsed / BUSY_SECONDS)
        self._request_rate += (self._requests / elapsed - self._request_rate) * newest
        self._call_rate += (self._calls / elapsed - self._call_rate) * newest
        self._reply_rate += (self._replies / elapsed - self._reply_rate) * newest
        is_busy = max(self._requests / elapsed, self._request_rate) >= BUSY_RATE
        self._is_busy = is_busy or (self._is_busy and MAX_LAG < lag < MAX_STALL)
        longest_wait = max(self._late, *(self._waits.popleft() for _ in range(len(self._waits))), 0.0)
        is_late = self._is_busy and (lag > MAX_LAG or longest_wait > MAX_LATE)
        if is_late:
            self._late_until, self._forecast_until = now + LATE_SECONDS, now + FORECAST_SECONDS
        self._was_late = self._is_busy and now < self._late_until
        use = self._use()
        capacity = self._capacity(elapsed, 1.0 if is_late else max(use, MIN_USE))
        change, share = -OVERBOOKING_RETURN, ABOVE_CAPACITY
        if is_late:
            change = -OVERBOOKING_DECLINE
            share = SHARE_OF_CAPACITY * min(max(1 - (longest_wait - MAX_LATE) / LATE_RANGE, MIN_SHARE), 1.0)
        elif self._refused:
            change = OVERBOOKING_RISE * max((1 - use) ** 3, MIN_RISE)
        if not self._was_late:
            capacity = max(capacity, ASSUMED_CAPACITY * (1 - use))
        self._overbooking *= 1 + change * min(elapsed, MAX_COUNTED)
        self._overbooking = min(max(self._overbooking, 1.0), MAX_OVERBOOKING)
        self._rate = max(share * capacity * self._overbooking, MIN_RATE)
        self._burst = max(BURST_SECONDS * capacity, MIN_BURST)
        self._latest, self._late = max(longest_wait, lag), 0.0
        self._requests = self._calls = self._replies = self._ended = self._refused = 0
        self._looked_at = now

    def _capacity(self, elapsed: float, use: float) -> float:
        """Return the ended calls for each second of busy processors; if few have ended, `ASSUMED_CAPACITY` at least.

        Only times with many requests count: otherwise the processors may be busy with other work.
        """
        if self._is_busy:
            remaining = math.exp(-elapsed / CAPACITY_SECONDS)
            self._ends = self._ends * remaining + self._ended
            self._used = self._used * remaining + use * elapsed
        capacity = self._ends / self._used if self._used else 0.0
        return capacity if self._ends >= ENDED_CALLS else max(capacity, ASSUMED_CAPACITY)

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
