"""Admission control: while this process is late it takes on fewer new calls, for the sake of those under way.

A call is ten requests or more over some minutes, so a process that takes every new call at the edge of what it can do
is late for all of them soon, and they break in the middle. Three figures say four times a second that it cannot do
more: how late its event loop wakes, how late it begins requests, and how long they wait for a thread. What it can do is
the highest rate at which calls have come to "Sent" or to their last screen of late. Above a bound it admits new calls
at nine tenths of that rate, and the fewer the later it is. Below, the rate rises slowly, and quickly once there are few
requests.

A caller who is not admitted gets the emergency numbers at once. An SMS that comes while the process is late is left to
its provider, who sends it again. A call under way is never refused, and nobody is while there are few requests: to
refuse them would help nobody.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Callable
from typing import Final

from gateway.conversation.turns import begins_call
from gateway.messaging.model import Inbound

EVERY_SECONDS: Final = 0.25
MOST_LAG: Final = 0.5  # seconds by which the event loop wakes late
MOST_LATE: Final = 1.0  # seconds from a request's arrival until it is begun
NONE_LATE: Final = 2.0  # seconds above that, at which as good as no new call is admitted
MEAN_SECONDS: Final = 5.0  # over which ended calls are counted, about as long as a quick call takes
OF_CAPACITY: Final = 0.9  # new calls a second, while the process is late
RISE: Final = 0.02  # of the rate, in a second: callers who hang up are not counted as ended
DECLINE: Final = 0.01  # of what this process is known to do, in a second
QUIET_RISE: Final = 2.0  # times the rate, at each look with few requests
LEAST: Final = 1.0  # new calls a second that are admitted always
SMS_LATE: Final = 2.0  # seconds; above it an SMS is left to its provider
MANY: Final = 10  # requests between two looks; with fewer, it is not the callers who make this process late


class Admission:
    """`now`: monotonic seconds."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._rate = math.inf  # new calls a second that are admitted
        self._credit = 1.0  # new calls that may be admitted at once
        self._credited_at = self._looked_at = now()
        self._ended = 0  # calls, since the last look
        self._ended_rate = 0.0  # calls a second
        self._capacity = 0.0  # calls a second that have ended, at best, of late
        self._requests = 0  # since the last look
        self._is_busy = False  # there were many of them
        self._late = self._latest = 0.0  # seconds: since the last look, and at it

    def note(self, seconds: float) -> None:
        """Take in how long a request has waited before it was begun."""
        self.note_wait(seconds)
        self._requests += 1

    def note_wait(self, seconds: float) -> None:
        """Take in how long a request has waited for a thread."""
        self._late = max(self._late, seconds)

    def note_end(self) -> None:
        """Take in that a call has come to "Sent", or without it to its last screen."""
        self._ended += 1

    def admits(self, inbound: Inbound) -> bool:
        """Return whether this process takes on what came in: everything but some of the new calls and SMS."""
        if inbound.kind == "sms":
            return not self._is_busy or max(self._late, self._latest) < SMS_LATE
        if self._rate == math.inf or not begins_call(inbound):
            return True
        now = self._now()
        most = max(1.0, self._rate * EVERY_SECONDS)
        self._credit = min(self._credit + (now - self._credited_at) * self._rate, most)
        self._credited_at = now
        if self._credit < 1:
            return False
        self._credit -= 1
        return True

    def look(self) -> None:
        """Adjust the rate of new calls. Call this every `EVERY_SECONDS`, on the event loop that answers."""
        now = self._now()
        passed = max(now - self._looked_at, EVERY_SECONDS)
        self._ended_rate += (self._ended / passed - self._ended_rate) * (1 - math.exp(-passed / MEAN_SECONDS))
        self._capacity = max(self._capacity * (1 - DECLINE * passed), self._ended_rate)
        self._is_busy = self._requests >= MANY
        is_late = passed - EVERY_SECONDS > MOST_LAG or self._late > MOST_LATE
        if is_late and self._is_busy:
            lateness = max(self._late - MOST_LATE, 0.0)
            self._rate = max(OF_CAPACITY * self._capacity * (1 - lateness / NONE_LATE), LEAST)
        elif not is_late:
            rise = 1 + RISE * passed if self._is_busy else QUIET_RISE
            self._rate = max(self._rate * rise, OF_CAPACITY * self._capacity)
        self._latest, self._late, self._requests = max(self._late, passed - EVERY_SECONDS), 0.0, 0
        self._ended, self._looked_at = 0, now

    async def run(self) -> None:
        """Look for as long as the event loop runs."""
        while True:
            await asyncio.sleep(EVERY_SECONDS)
            self.look()
