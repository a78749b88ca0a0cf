"""The experiment: callers walk to "Sent" while everything is killed; then both ledgers are compared."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from tests.faults import kills
from tests.faults.callers import Callers
from tests.faults.city import City
from tests.faults.kills import Killer
from tests.faults.ledger import Ledger, lines
from tests.faults.verdict import Verdict, judge

TICK = 0.02
STILL = 7.0  # seconds; the clock's own hands take what nobody took within 5
LATER = (200, 900, 4000, 15000, 90000)  # seconds: past every delay of the schedule, one after the other
CHECKOUT = Path(__file__).parents[2]
KEPT = CHECKOUT / "var" / "faults"


@dataclass(frozen=True)
class Form:
    """`rounds`: how often each process is killed at each of its moments."""

    reports: int
    rounds: int
    at_a_time: int


FORMS = {"small": Form(200, 1, 16), "short": Form(2000, 2, 32)}


class CannotSay(Exception):
    """The experiment itself went wrong; its verdict would mean nothing."""


@dataclass(frozen=True)
class Now:
    """For whoever watches."""

    sent: int
    arrived: int
    killed: int
    doing: str


@dataclass
class Run:
    form: Form
    seed: int = 1
    mutant: str = ""
    watch: Callable[[Now], None] = field(default=lambda now: None)

    def __post_init__(self) -> None:
        self.city = City(mutant=self.mutant, seed=self.seed)
        self.folder = self.city.folder
        self._sent = 0

    def go(self) -> Verdict:
        """Raises CannotSay. Ledgers and logs are kept in var/faults where the verdict is bad."""
        try:
            self._tell("starting")
            self.city.up()
            self._let_call()
            self._finish()
            verdict = self._judge()
        finally:
            kept = self._keep() if self._sent else None
            self.city.down()
        if not verdict.bad and kept:
            shutil.rmtree(kept)
        return verdict

    # The three parts

    def _let_call(self) -> None:
        self._ledgers = {name: Ledger(self.folder / f"{name}.jsonl") for name in ("callers", "kills")}
        planned = kills.plan(self.seed, self.form.reports, self.form.rounds)
        self._killer = Killer(self.city, planned, self._ledgers["kills"])
        callers = Callers(
            self.city,
            self._ledgers["callers"],
            self.seed,
            posted=lambda marker: self._killer.moment("posted", marker),
            sent=self._saw_sent,
        )
        pool = callers.start(self.form.reports, self.form.at_a_time)
        while not ((over := callers.count >= self.form.reports) and self._killer.finished):
            self._killer.look(self._sent, over=over)
            self._tell("calling")
            time.sleep(TICK)
        pool.shutdown()
        callers.second.shutdown()
        for ledger in self._ledgers.values():
            ledger.close()
        if callers.gave_up:
            raise CannotSay(f"{callers.gave_up} callers never came to Sent; see {KEPT}")

    def _saw_sent(self, marker: str) -> None:
        self._sent += 1
        self._killer.moment("sent", marker)

    def _finish(self) -> None:
        """Until no row is due and the spool is empty; what waits for a later time gets its time."""
        self._tell("finishing")
        self._wait(3)  # a hotline that was away gets its backlog over a minute, and not sooner
        for seconds in LATER:
            if not any(self.city.unfinished().values()) and not self.city.count("pending"):
                return
            self.city.move_time(seconds)
            self._wait(60)
        if any(self.city.unfinished().values()):
            raise CannotSay(f"not finished after all: {self.city.unfinished()}; see {KEPT}")

    def _wait(self, at_most: float) -> None:
        """While something moves: what stays the same for a while waits for a later time."""
        before, since = {}, time.monotonic()
        end = since + at_most
        while any((now := self.city.unfinished()).values()) and time.monotonic() < min(end, since + STILL):
            if now != before:
                before, since = now, time.monotonic()
            self._tell("finishing")
            time.sleep(0.25)

    def _judge(self) -> Verdict:
        callers = lines(self.folder / "callers.jsonl")
        faults = [line["why"] for line in callers if line["event"] == "fault"]
        if faults:
            raise CannotSay(f"{len(faults)} callers failed, the first with {faults[0]}")
        marked = [str(row[0]) for row in self.city.ask("SELECT delivery_id FROM delivery WHERE state = 'delivered'")]
        arrived = lines(self.folder / "every.jsonl")
        return judge(callers, arrived, lines(self.folder / "kills.jsonl"), marked, self.city.moved_at)

    # Beside it

    def _tell(self, doing: str) -> None:
        received = self.city.plan.folder.received
        arrived = received.read_bytes().count(b"\n") if received.exists() else 0
        killed = len(self._killer.done) if hasattr(self, "_killer") else 0
        self.watch(Now(self._sent, arrived, killed, doing))

    def _keep(self) -> Path:
        """Ledgers and logs out of the folder that will be deleted."""
        place = KEPT / f"{self.mutant or 'product'}-seed-{self.seed}"
        shutil.rmtree(place, ignore_errors=True)
        place.mkdir(parents=True)
        for path in (*self.folder.glob("*.jsonl"), *self.folder.glob("*.log")):
            shutil.copy(path, place)
        return place
