"""Whose clock is moved and when, by how much and for how long, while processes are killed. Seeded."""

from __future__ import annotations

import random
import time
from collections.abc import Sequence
from dataclasses import dataclass

from tests.faults.city import OURS, City
from tests.faults.kills import Killer
from tests.faults.ledger import Ledger

HOUR, DAY = 3600, 86_400
BY = (2 * HOUR, -2 * HOUR, 11 * HOUR, -11 * HOUR, 15 * DAY)  # seconds
LASTS = (3.0, 8.0)  # seconds


@dataclass(frozen=True)
class Jump:
    """Once `after` callers have seen "Sent". `restarts`: all of `who` are killed as their time is set right."""

    after: int
    who: tuple[str, ...]
    seconds: int
    lasts: float
    restarts: bool


def plan(seed: int, reports: int, count: int) -> list[Jump]:
    """Each distance in turn; every second time of the whole host, else of one of its processes."""
    chance = random.Random(f"jumps {seed}")
    first, last = reports * 0.05, reports * 0.9
    return [
        Jump(
            round(first + (last - first) * n / count),
            OURS if n % 2 == 0 else (chance.choice(OURS),),
            BY[n % len(BY)],
            chance.uniform(*LASTS),
            restarts=n % 4 in (0, 1),
        )
        for n in range(count)
    ]


class Jumper:
    """`look` belongs to the main thread, as the killer's does."""

    def __init__(self, city: City, jumps: Sequence[Jump], killer: Killer, ledger: Ledger) -> None:
        self._city = city
        self._waiting = list(jumps)
        self._killer = killer
        self._ledger = ledger
        self._now: Jump | None = None
        self._ends = 0.0

    @property
    def finished(self) -> bool:
        return not self._waiting and self._now is None

    def look(self, sent: int, *, over: bool = False) -> None:
        """Begin the next jump where it is due, and end the one that has lasted. `over`: no caller is left."""
        if self._now is not None and time.monotonic() >= self._ends:
            self._end(self._now)
        elif self._now is None and self._waiting and (over or self._waiting[0].after <= sent):
            self._now = self._waiting.pop(0)
            self._ends = time.monotonic() + self._now.lasts
            self._set(self._now, self._now.seconds)

    def _end(self, jump: Jump) -> None:
        self._now = None
        for name in jump.who if jump.restarts else ():
            self._killer.strike(name)  # what it holds was written by the wrong clock
        self._set(jump, 0)

    def _set(self, jump: Jump, seconds: int) -> None:
        assert self._city.clocks
        self._city.clocks.set(jump.who, seconds)
        self._ledger.add(event="jumped", at=time.time(), process=" ".join(jump.who), seconds=seconds)
