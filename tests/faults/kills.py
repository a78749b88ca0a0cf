"""Who is killed and when: half at random times, half aimed at a moment that a caller sees. Seeded."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass

from tests.faults.city import City, end
from tests.faults.ledger import Ledger

# Who, the moments ("": a random time), and for how long it stays down. gunicorn's master starts its workers again.
TARGETS: tuple[tuple[str, tuple[str, ...], float], ...] = (
    ("web workers", ("", "posted", "sent"), 0.0),
    ("web", ("", "posted"), 1.0),
    ("urgent", ("", "sent"), 1.0),
    ("standard", ("", "sent"), 1.0),
    ("clock", ("", "sent"), 1.0),
    ("valkey", ("", "posted"), 1.5),
    ("hotline", ("", "sent"), 2.0),
)
DOWN = {target: seconds for target, _, seconds in TARGETS}


@dataclass
class Kill:
    """Armed once `after` callers have seen "Sent"; done `delay` seconds after its moment."""

    target: str
    moment: str
    after: int
    delay: float


def plan(seed: int, reports: int, rounds: int = 1) -> list[Kill]:
    chance = random.Random(f"kills {seed}")
    wanted = [(target, moment) for target, moments, _ in TARGETS for moment in moments] * rounds
    chance.shuffle(wanted)
    first, last = reports * 0.05, reports * 0.85
    step = (last - first) / len(wanted)
    return [
        Kill(target, moment, round(first + step * (n + chance.random())), chance.uniform(0, 0.02 if moment else 0.3))
        for n, (target, moment) in enumerate(wanted)
    ]


class Killer:
    """`look` belongs to the main thread, which alone starts processes again: they end with the thread that did."""

    def __init__(self, city: City, kills: Sequence[Kill], ledger: Ledger) -> None:
        self._city = city
        self._ledger = ledger
        self._lock = threading.Lock()
        self._waiting = list(kills)
        self._armed: list[Kill] = []
        self._under_way = 0
        self._down: dict[str, float] = {}
        self.done: list[Kill] = []

    @property
    def finished(self) -> bool:
        with self._lock:
            return not (self._waiting or self._armed or self._under_way or self._down)

    def look(self, sent: int, *, over: bool = False) -> None:
        """Arm what is due, start again what has been down long enough. `over`: no caller is left to aim by."""
        with self._lock:
            now = time.monotonic()
            for kill in [kill for kill in self._waiting if kill.after <= sent or over]:
                self._waiting.remove(kill)
                self._armed.append(kill)
            for kill in [kill for kill in self._armed if (over or not kill.moment) and kill.target not in self._down]:
                self._let_go(kill, "")
            up = [target for target, until in self._down.items() if until <= now]
        for target in up:
            self._revive(target)

    def moment(self, name: str, marker: str) -> None:
        """A caller has just posted a Send, or seen "Sent"."""
        with self._lock:
            kill = next((kill for kill in self._armed if kill.moment == name and kill.target not in self._down), None)
            if kill is not None:
                self._let_go(kill, marker)

    def _let_go(self, kill: Kill, marker: str) -> None:
        self._armed.remove(kill)
        self._under_way += 1
        threading.Timer(kill.delay, self._kill, (kill, marker)).start()

    def _kill(self, kill: Kill, marker: str) -> None:
        with self._lock:
            self._under_way -= 1
            pids = self._city.web_workers() if kill.target == "web workers" else [self._city.pid(kill.target)]
            if kill.target in self._down or not pids:  # it is down already: once more, when it is up
                self._armed.append(kill)
                return
            for pid in pids:
                end(pid)
            if DOWN[kill.target]:
                self._down[kill.target] = time.monotonic() + DOWN[kill.target]
            self.done.append(kill)
        self._ledger.add(at=time.time(), process=kill.target, pids=pids, moment=kill.moment or "random", during=marker)

    def _revive(self, target: str) -> None:
        self._city.processes[target].wait(timeout=30)
        self._city.start(target)
        with self._lock:
            del self._down[target]
