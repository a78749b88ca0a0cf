"""Kill processes: half at random times, half aimed at an event. Seeded."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tests.faults.faulty_installation import FaultyInstallation, end
from tests.faults.json_lines import JsonLinesFile

# Target, triggers ("": a random time), and seconds for which it stays down. gunicorn's master restarts its workers.
# posted, sent: a reporter presses Send, sees "Sent" · commit, committed: web's COMMIT goes to the database, its reply
# comes back · called, taken: a hotline begins to receive a delivery; has stored it and is about to answer.
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
DOWN_SECONDS = {target: seconds for target, _, seconds in TARGETS}
TRIGGERS = {target: moments for target, moments, _ in TARGETS}
MAX_DELAY = {"": 0.3, "posted": 0.02, "sent": 0.005}  # seconds from the trigger to the kill; the others are immediate


@dataclass
class Kill:
    """Armed once `after` reporters have seen "Sent"; done `delay` seconds after its trigger."""

    target: str
    trigger: str
    after: int
    delay: float
    down: float


def plan(seed: int, reports: int, counts: Mapping[str, int], hotline_away: float) -> list[Kill]:
    """Return the kills of each target, every second one aimed. The last kill of the hotline keeps it down longer."""
    chance = random.Random(f"kills {seed}")
    wanted = [
        (target, _trigger(target, n), DOWN_SECONDS[target]) for target, count in counts.items() for n in range(count)
    ]
    chance.shuffle(wanted)
    last_of_all = max((n for n, (target, _, _) in enumerate(wanted) if target == "hotline"), default=-1)
    first, last = reports * 0.05, reports * 0.85
    step = (last - first) / len(wanted)
    return [
        Kill(
            target,
            trigger,
            round(first + step * (n + chance.random())),
            chance.uniform(0, MAX_DELAY.get(trigger, 0)),
            hotline_away if n == last_of_all else down,
        )
        for n, (target, trigger, down) in enumerate(wanted)
    ]


def _trigger(target: str, n: int) -> str:
    """Return the trigger of a target's nth kill: aimed and random in turn."""
    aimed = TRIGGERS[target][1:]
    return "" if n % 2 else aimed[n // 2 % len(aimed)]


class Killer:
    """Carry out the kills. Call `look` in the main thread: a process ends with the thread that started it."""

    def __init__(self, installation: FaultyInstallation, kills: Sequence[Kill], ledger: JsonLinesFile) -> None:
        self._installation = installation
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
        """Return whether all kills are done and all processes run."""
        with self._lock:
            return not (self._waiting or self._armed or self._under_way or self._down)

    def look(self, sent: int, *, over: bool = False) -> None:
        """Arm due kills, and restart processes at the end of their downtime. `over`: no reporter is left to aim by."""
        with self._lock:
            now = time.monotonic()
            for kill in [kill for kill in self._waiting if kill.after <= sent or over]:
                self._waiting.remove(kill)
                self._armed.append(kill)
            for kill in [kill for kill in self._armed if (over or not kill.trigger) and kill.target not in self._down]:
                self._fire(kill, "")
            up = [target for target, until in self._down.items() if until <= now]
        for target in up:
            self._revive(target)

    def kill_now(self, target: str) -> None:
        """Kill a running process, in addition to the planned kills."""
        with self._lock:
            if target in self._down:
                return
            self._armed.append(kill := Kill(target, "", 0, 0.0, DOWN_SECONDS[target]))
            self._fire(kill, "a clock jump")

    def is_armed(self, name: str) -> bool:
        """Return whether a kill waits for this trigger."""
        with self._lock:
            return any(kill.trigger == name and kill.target not in self._down for kill in self._armed)

    def trigger(self, name: str, during: str) -> None:
        """Carry out the kill that waits for this event, if there is one."""
        with self._lock:
            kill = next((kill for kill in self._armed if kill.trigger == name and kill.target not in self._down), None)
            if kill is not None:
                self._fire(kill, during)

    def _fire(self, kill: Kill, during: str) -> None:
        self._armed.remove(kill)
        self._under_way += 1
        if kill.delay:
            threading.Timer(kill.delay, self._kill, (kill, during)).start()
        else:
            self._kill(kill, during)

    def _kill(self, kill: Kill, during: str) -> None:
        with self._lock:
            self._under_way -= 1
            pids = self._installation.pids(kill.target)
            if kill.target in self._down or not pids:  # it is down already: kill it when it runs again
                self._armed.append(kill)
                return
            for pid in pids:
                end(pid)
            if kill.down:
                self._down[kill.target] = time.monotonic() + kill.down
            self.done.append(kill)
        self._note("killed", kill.target, pids=pids, trigger=kill.trigger or "random", during=during)

    def _revive(self, target: str) -> None:
        self._installation.revive(target)
        with self._lock:
            del self._down[target]
        self._note("back", target)

    def _note(self, event: str, target: str, **more: object) -> None:
        self._ledger.add(event=event, at=time.time(), process=target, **more)
