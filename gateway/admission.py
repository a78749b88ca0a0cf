"""Admission control: while this process is late it takes on fewer new calls, for the sake of those under way.

A call is ten requests or more over some minutes, so a process that takes every new call at the edge of what it can do
is late for all of them soon, and they break in the middle. Two figures say four times a second that it cannot do
more: how late its event loop wakes, and how late it begins requests. Above a bound the share of new calls that it
admits falls quickly; below, it rises slowly (additive increase, multiplicative decrease, as in TCP). A caller who is
not admitted gets the emergency numbers at once. An SMS that comes while the process is late is left to its provider,
who sends it again. A call under way is never refused, and nobody is while there are few requests: to refuse them
would help nobody.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Final

from gateway.message import Inbound
from gateway.turns import begins_call

EVERY_SECONDS: Final = 0.25
MOST_LAG: Final = 0.25  # seconds by which the event loop wakes late
MOST_LATE: Final = 0.5  # seconds from a request's arrival until it is begun
FALL: Final = 0.7  # of the share, at each look
RISE: Final = 0.02
LEAST: Final = 0.01
SMS_LATE: Final = 2.0  # seconds; above it an SMS is left to its provider
MANY: Final = 10  # requests between two looks; with fewer, it is not the callers who make this process late


class Admission:
    """`now`: monotonic seconds."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._share = 1.0  # of new calls that are admitted
        self._credit = 1.0
        self._requests = 0  # since the last look
        self._is_busy = False  # there were many of them
        self._late = self._latest = 0.0  # seconds: since the last look, and at it
        self._looked_at = now()

    def note(self, seconds: float) -> None:
        """Take in how long a request has waited before it was begun."""
        self._late = max(self._late, seconds)
        self._requests += 1

    def admits(self, inbound: Inbound) -> bool:
        """Return whether this process takes on what came in: everything but some of the new calls and SMS."""
        if inbound.kind == "sms":
            return not self._is_busy or max(self._late, self._latest) < SMS_LATE
        if self._share >= 1 or not begins_call(inbound):
            return True
        self._credit += self._share
        if self._credit < 1:
            return False
        self._credit -= 1
        return True

    def look(self) -> None:
        """Adjust the share of new calls. Call this every `EVERY_SECONDS`, on the event loop that answers."""
        now = self._now()
        lag = max(now - self._looked_at - EVERY_SECONDS, 0.0)
        self._is_busy = self._requests >= MANY
        is_over = self._is_busy and (lag > MOST_LAG or self._late > MOST_LATE)
        self._share = max(self._share * FALL, LEAST) if is_over else min(self._share + RISE, 1.0)
        self._latest, self._late, self._requests = max(self._late, lag), 0.0, 0
        self._looked_at = now

    async def run(self) -> None:
        """Look for as long as the event loop runs."""
        while True:
            await asyncio.sleep(EVERY_SECONDS)
            self.look()
