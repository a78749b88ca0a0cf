"""Move the clocks of processes for a time while processes are killed. Seeded."""

from __future__ import annotations

import random
import time
from collections.abc import Sequence
from dataclasses import dataclass

from tests.faults.faulty_installation import TOKAUT_PROCESSES, FaultyInstallation
from tests.faults.json_lines import JsonLinesFile
from tests.faults.kills import Killer

HOUR, DAY = 3600, 86_400
DISTANCES = (2 * HOUR, -2 * HOUR, 11 * HOUR, -11 * HOUR, 15 * DAY)  # seconds
DURATION = (3.0, 8.0)  # seconds


@dataclass(frozen=True)
class Jump:
    """Begins once `after` reporters have seen "Sent". `restarts`: kill `processes` after their clock is corrected."""

    after: int
    processes: tuple[str, ...]
    seconds: int
    duration: float
    restarts: bool


def plan(seed: int, reports: int, count: int) -> list[Jump]:
    """Return jumps over each distance in turn: alternately of the whole host and of one process."""
    chance = random.Random(f"jumps {seed}")
    first, last = reports * 0.05, reports * 0.9
    return [
        Jump(
            round(first + (last - first) * n / count),
            TOKAUT_PROCESSES if n % 2 == 0 else (chance.choice(TOKAUT_PROCESSES),),
            DISTANCES[n % len(DISTANCES)],
            chance.uniform(*DURATION),
            restarts=n % 4 in (0, 1),
        )
        for n in range(count)
    ]


class ClockJumper:
    """Carry out the jumps. Call `look` in the main thread, like the killer's."""

    def __init__(
        self, installation: FaultyInstallation, jumps: Sequence[Jump], killer: Killer, ledger: JsonLinesFile
    ) -> None:
        self._installation = installation
        self._waiting = list(jumps)
        self._killer = killer
        self._ledger = ledger
        self._now: Jump | None = None
        self._ends = 0.0

    @property
    def finished(self) -> bool:
        """Return whether all jumps are over."""
        return not self._waiting and self._now is None

    def look(self, sent: int, *, over: bool = False) -> None:
        """Begin the next jump if it is due; end the current one after its duration. `over`: no reporter is left."""
        if self._now is not None and time.monotonic() >= self._ends:
            self._end(self._now)
        elif self._now is None and self._waiting and (over or self._waiting[0].after <= sent):
            self._now = self._waiting.pop(0)
            self._ends = time.monotonic() + self._now.duration
            self._set(self._now, self._now.seconds)

    def _end(self, jump: Jump) -> None:
        self._now = None
        for name in jump.processes if jump.restarts else ():
            self._killer.kill_now(name)  # its state contains times of the wrong clock
        self._set(jump, 0)

    def _set(self, jump: Jump, seconds: int) -> None:
        assert self._installation.clocks
        self._installation.clocks.set(jump.processes, seconds)
        self._ledger.add(event="jumped", at=time.time(), process=" ".join(jump.processes), seconds=seconds)
