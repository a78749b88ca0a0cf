"""Overload: simulated reporters who dial at a steady rate, however long answers take (open loop).

A reporter reads each screen for `THINKS` seconds and waits `PATIENCE` seconds for each answer, as a network does; then
the call is dropped. Capacity is the rate of "Sent" while each reporter waits for the one before (closed loop). It is
measured before and after each rate, because the speed of a shared machine changes by a third within minutes.
"""

from __future__ import annotations

import asyncio
import itertools
import math
import random
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field

import uvloop

from tests.faults.conversations import TO_SEND
from tests.faults.light_client import Caller
from tests.support.installation import Installation

REPLIES = ("", *TO_SEND, "1")
IN_DANGER = ("", "1", "1", "1", "7", "4", "1", "2", "1")  # now, Go on, bullying, Shefa, me, SMS, Send
SAID_DANGER = 2  # index in IN_DANGER of the reply "now"
ONE_IN_DANGER_OF = 10  # calls
THINKS = 0.5
PATIENCE = 5.0
NUMBERS = itertools.count()  # no number dials twice: a broken call would leave a draft for the next


@dataclass
class Seen:
    """Counts between `begins` and `ends`, in monotonic seconds, of calls that were dialled at any time.

    `sent`: calls that reached "Sent". `put_off`: ended at the first screen. `broken`: until the last call was over.
    `in_danger_broken`: calls that broke off after *Now*, also before `begins`. `asked_again`: screens that were shown
    again. `waits`: seconds to each answer. `client_cpu`: these reporters' own share of one processor.
    """

    begins: float = 0.0
    ends: float = math.inf

    sent: int = 0
    put_off: int = 0
    broken: int = 0
    in_danger_broken: int = 0
    asked_again: int = 0
    waits: list[float] = field(default_factory=list)
    seconds: float = 0.0
    client_cpu: float = 0.0

    @property
    def is_open(self) -> bool:
        """Return whether the present time is counted."""
        return self.begins <= time.monotonic() <= self.ends

    @property
    def goodput(self) -> float:
        """Return the calls per second that reached "Sent"."""
        return self.sent / self.seconds

    def row(self, name: str, best: float) -> str:
        """Return a row of the table."""
        waits = sorted(self.waits) or [0.0]
        calls = self.sent + self.put_off + self.broken
        p99 = waits[int(0.99 * (len(waits) - 1))]
        rates = f"{calls / self.seconds:.0f} | {self.goodput:.1f} | {self.goodput / best:.2f}"
        calls_not_sent = f"{self.put_off} | {self.broken} | {self.in_danger_broken} | {self.asked_again}"
        return f"| {name} | {rates} | {calls_not_sent} | {p99:.2f} | {waits[-1]:.2f} | {self.client_cpu:.2f} |"


HEAD = (
    "| load | calls a second | sent a second | of the best | put off | broken | broken in danger, from the start "
    "| asked again | p99, s | slowest, s | processors of these reporters |"
)


def capacity(installation: Installation, callers: int, seconds: float) -> Seen:
    """Let `callers` reporters call repeatedly, without a pause."""
    return uvloop.run(_closed(_Calls(installation, thinks=0.0), callers, seconds))


def open_loop(installation: Installation, rate: float, seconds: float, warm: float) -> Seen:
    """Let `rate` reporters a second dial. The first `warm` seconds are not counted."""
    return uvloop.run(_open(_Calls(installation, thinks=THINKS), rate, seconds, warm))


async def _closed(calls: _Calls, callers: int, seconds: float) -> Seen:
    seen, until = Seen(), time.monotonic() + seconds
    began = time.monotonic()

    async def again() -> None:
        while time.monotonic() < until:
            await calls.one(seen)

    cpu = time.process_time()
    await asyncio.gather(*(again() for _ in range(callers)))
    seen.seconds = time.monotonic() - began
    seen.client_cpu = (time.process_time() - cpu) / seen.seconds
    return seen


async def _open(calls: _Calls, rate: float, seconds: float, warm: float) -> Seen:
    chance = random.Random(1)
    began = due = time.monotonic()
    cpu = time.process_time()
    seen = Seen(seconds=seconds, begins=began + warm, ends=began + warm + seconds)
    async with asyncio.TaskGroup() as group:
        while (due := due + chance.uniform(0.5, 1.5) / rate) < began + warm + seconds:
            await asyncio.sleep(max(0.0, due - time.monotonic()))
            group.create_task(calls.one(seen))
    seen.client_cpu = (time.process_time() - cpu) / (time.monotonic() - began)
    return seen


class _Calls:
    def __init__(self, installation: Installation, thinks: float) -> None:
        self._installation = installation
        self._thinks = thinks
        self._run = uuid.uuid4().hex[:8]

    async def one(self, seen: Seen) -> None:
        number = next(NUMBERS)
        phone = f"+67875{number % 100_000:05d}"
        caller = Caller(self._installation, phone, f"ATUid_{self._run}_{phone}")
        is_in_danger = number % ONE_IN_DANGER_OF == 0
        replies = IN_DANGER if is_in_danger else REPLIES
        step, screen = -1, ""
        try:
            async for answer in caller.walk(replies, thinks=self._thinks, patience=PATIENCE):
                step, screen = answer.step, answer.screen
                if seen.is_open:
                    seen.waits.append(answer.seconds)
                    seen.asked_again += answer.is_repeated
        except (OSError, TimeoutError):
            screen = ""
        if screen.startswith("CON Sent"):
            seen.sent += seen.is_open
        elif screen and step == 0:
            seen.put_off += seen.is_open
        else:
            seen.broken += time.monotonic() >= seen.begins
            seen.in_danger_broken += is_in_danger and step >= SAID_DANGER


def levels(installation: Installation, write: Callable[[str], None], seconds: float = 20) -> list[tuple[float, Seen]]:
    """Measure 100, 200, 300 and 400 % of the capacity; write a row for each, and return each with its capacity.

    The capacity of a rate is the mean of those before and after it.
    """
    before = capacity(installation, callers=24, seconds=10)
    write(HEAD)
    write(before.row("closed loop", before.goodput))
    found = []
    for times in (1.0, 2.0, 3.0, 4.0):
        seen = open_loop(installation, before.goodput * times, seconds, warm=10)
        after = capacity(installation, callers=24, seconds=10)
        best = (before.goodput + after.goodput) / 2
        write(seen.row(f"{times:.0%}", best))
        write(after.row("closed loop", best))
        found.append((best, seen))
        before = after
    return found
