"""Who is killed and when: half at random times, half aimed at a moment that somebody sees. Seeded."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tests.faults.city import City, end
from tests.faults.ledger import Ledger

# Who, the moments ("": a random time), and for how long it stays down. gunicorn's master starts its workers again.
# posted, sent: a caller presses Send, sees "Sent" · commit, committed: web's COMMIT goes to the database, its reply
# comes back · called, taken: a hotline gets a delivery, has it on the disk and is about to say so.
TARGETS: tuple[tuple[str, tuple[str, ...], float], ...] = (
    ("web workers", ("", "committed", "posted", "sent"), 0.0),
    ("web", ("", "committed", "posted"), 1.0),
    ("urgent", ("", "taken", "called"), 1.0),
    ("standard", ("", "taken", "called"), 1.0),
    ("clock", ("", "sent", "called"), 1.0),
    ("valkey", ("", "posted", "committed"), 1.5),
    ("hotline", ("", "called"), 2.0),
    ("postgres", ("", "commit", "committed"), 1.5),
)
DOWN = {target: seconds for target, _, seconds in TARGETS}
MOMENTS = {target: moments for target, moments, _ in TARGETS}
LATEST = {"": 0.3, "posted": 0.02, "sent": 0.005}  # seconds from the moment to the kill; the others are hit at once


@dataclass
class Kill:
    """Armed once `after` callers have seen "Sent"; done `delay` seconds after its moment."""

    target: str
    moment: str
    after: int
    delay: float
    down: float


def plan(seed: int, reports: int, counts: Mapping[str, int], hotline_away: float) -> list[Kill]:
    """Each target so often, every second time aimed; the hotline's last kill keeps it away for longer."""
    chance = random.Random(f"kills {seed}")
    wanted = [(target, _moment(target, n), DOWN[target]) for target, count in counts.items() for n in range(count)]
    chance.shuffle(wanted)
    last_of_all = max((n for n, (target, _, _) in enumerate(wanted) if target == "hotline"), default=-1)
    first, last = reports * 0.05, reports * 0.85
    step = (last - first) / len(wanted)
    return [
        Kill(
            target,
            moment,
            round(first + step * (n + chance.random())),
            chance.uniform(0, LATEST.get(moment, 0)),
            hotline_away if n == last_of_all else down,
        )
        for n, (target, moment, down) in enumerate(wanted)
    ]


def _moment(target: str, n: int) -> str:
    """Aimed, random, aimed at the next of its moments, random …"""
    aimed = MOMENTS[target][1:]
    return "" if n % 2 else aimed[n // 2 % len(aimed)]


class Killer:
    """`look` belongs to the main thread, which alone starts processes again: they end with the thread that did."""

    def __init__(self, city: City, kills: Sequence[Kill], ledger: Ledger) -> None:
        self._city = city
        self._ledger = ledger
        self._lock = threading.RLock()
        self._waiting = list(kills)
        self._armed: list[Kill] = []
        self._under_way = 0
        self._down: dict[str, float] = {}
        self.planned = len(kills)
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

    def strike(self, target: str) -> None:
        """Kill it now, where it is up, beside what is planned."""
        with self._lock:
            if target in self._down:
                return
            self._armed.append(kill := Kill(target, "", 0, 0.0, DOWN[target]))
            self._let_go(kill, "a jump")

    def waits_for(self, name: str) -> bool:
        with self._lock:
            return any(kill.moment == name and kill.target not in self._down for kill in self._armed)

    def moment(self, name: str, during: str) -> None:
        """It is now: a caller has just posted a Send, or seen "Sent", or whatever the name says."""
        with self._lock:
            kill = next((kill for kill in self._armed if kill.moment == name and kill.target not in self._down), None)
            if kill is not None:
                self._let_go(kill, during)

    def _let_go(self, kill: Kill, during: str) -> None:
        self._armed.remove(kill)
        self._under_way += 1
        if kill.delay:
            threading.Timer(kill.delay, self._kill, (kill, during)).start()
        else:
            self._kill(kill, during)

    def _kill(self, kill: Kill, during: str) -> None:
        with self._lock:
            self._under_way -= 1
            pids = self._city.pids(kill.target)
            if kill.target in self._down or not pids:  # it is down already: once more, when it is up
                self._armed.append(kill)
                return
            for pid in pids:
                end(pid)
            if kill.down:
                self._down[kill.target] = time.monotonic() + kill.down
            self.done.append(kill)
        self._note("killed", kill.target, pids=pids, moment=kill.moment or "random", during=during)

    def _revive(self, target: str) -> None:
        self._city.revive(target)
        with self._lock:
            del self._down[target]
        self._note("back", target)

    def _note(self, event: str, target: str, **more: object) -> None:
        self._ledger.add(event=event, at=time.time(), process=target, **more)
