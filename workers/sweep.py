"""The clock: one leads, does its duties each in their time, and steps down when it stops. A second one waits.

It mistrusts the time: where the wall clock moves and the monotonic one does not, nothing is parked or purged for a day.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import structlog

from reports.escalation.time_limits import CLOCK_JUMP, LEASES
from reports.store.engine import leases
from reports.store.engine.database import Database, DatabaseUnavailable
from runtime.time_units import DAY_SECONDS, SECOND
from workers.alerts import JUMPED, Alert
from workers.duties import Duties
from workers.ladder import Ladder
from workers.metrics import Metrics
from workers.telling import Telling

NAME = "clock"
LEAD_SECONDS = LEASES[NAME] // SECOND
RENEW_SECONDS = 5
QUIET = DAY_SECONDS  # after a jump
TICK, HURRIED = 1.0, 0.1  # seconds between two looks; where a duty has more to do, the others get their turn between

log = structlog.get_logger()


@dataclass(slots=True)
class Duty:
    """`every` and `next_at` in seconds of the monotonic clock. `do` says whether there is more to do at once."""

    name: str
    every: float
    do: Callable[[], bool | None]
    next_at: float = 0.0


class Aside(Protocol):
    """What takes long: done in a thread of its own, from `start` on, until it is told to finish what is in hand."""

    name: str
    every: int  # seconds
    after: int  # seconds from the clock's start
    trusts_the_time: bool  # and so is not done where that has jumped

    def start(self) -> None: ...

    def finish(self) -> None: ...


class Clock:
    def __init__(
        self,
        *,
        database: Database,
        duties: Duties,
        telling: Telling,
        ladder: Ladder,
        metrics: Metrics,
        holder: str,
        aside: Sequence[Aside] = (),
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._database = database
        self._duties = duties
        self._telling = telling
        self._ladder = ladder
        self._metrics = metrics
        self._holder = holder
        self._aside = aside
        self._monotonic = monotonic
        self._renew_at = 0.0
        self._seen: tuple[int, float] | None = None
        self._quiet_until = 0.0
        self.leads = False
        self._table = [
            Duty("mend", 5, duties.mend),
            Duty("urgent", 1, duties.urgent),
            Duty("mature", 1, duties.mature),
            Duty("messages", 1, duties.messages),
            Duty("handovers", 1, duties.handovers),
            Duty("chain", 1, duties.chain),
            Duty("standard", 5, duties.standard),
            Duty("sms", 5, duties.sms),
            Duty("pages", 5, duties.pages),
            Duty("nudges", 15, duties.nudges),
            Duty("bury", 5, duties.bury),
            Duty("receipts", 5, duties.receipts),
            Duty("fallbacks", 5, duties.fallbacks),
            Duty("ladder", 5, ladder.climb),
            Duty("tell", 5, telling.tell),
            Duty("figures", 5, duties.figures),
            Duty("waits", 15, ladder.figures),
            Duty("undelivered", 15, duties.undelivered),
            *self._rare(monotonic()),
        ]

    def _rare(self, now: float) -> Iterator[Duty]:
        yield Duty("tidy", 60, self._unless_quiet(self._duties.tidy))
        yield Duty("park", 3600, self._unless_quiet(self._duties.park), next_at=now + 60)
        for one in self._aside:
            start = self._unless_quiet(one.start) if one.trusts_the_time else one.start
            yield Duty(one.name, one.every, start, next_at=now + one.after)

    def run(self, stopping: threading.Event) -> None:
        """Until told to stop; then finishes what is in hand and steps down."""
        for duty in self._table:
            self._metrics.faults.labels(duty.name)  # a figure that begins with its first fault never rises
        while not stopping.is_set():
            stopping.wait(HURRIED if self.tick() else TICK)
        self._duties.finish()
        self._ladder.finish()
        self._telling.finish()
        for one in self._aside:
            one.finish()
        self._step_down()

    def tick(self) -> bool:
        """Whether there is more to do at once."""
        self._look_at_the_time()
        if not self._lead():
            return False
        self._metrics.tick.set_to_current_time()
        more = False
        for duty in self._table:
            now = self._monotonic()
            if now >= duty.next_at:
                hurried = self._do(duty)
                duty.next_at = now + (0 if hurried else duty.every)
                more |= hurried
        return more

    def _do(self, duty: Duty) -> bool:
        """One duty that fails keeps none of the others from being done."""
        try:
            return bool(duty.do())
        except DatabaseUnavailable:
            self._metrics.faults.labels(duty.name).inc()
            log.warning("database_away")
        except Exception:
            self._metrics.faults.labels(duty.name).inc()
            log.exception("job_failed")
        return False

    def _unless_quiet(self, start: Callable[[], None]) -> Callable[[], None]:
        def do() -> None:
            if self._monotonic() >= self._quiet_until:
                start()

        return do

    def _lead(self) -> bool:
        now = self._monotonic()
        if self.leads and now < self._renew_at:
            return True
        try:
            before = None if self.leads else leases.held_until(self._database, NAME)
            leads = leases.acquire(self._database, NAME, self._holder, LEAD_SECONDS)
        except DatabaseUnavailable:
            log.warning("database_away")
            leads, before = False, None
        if leads != self.leads:
            log.info("clock_leads" if leads else "clock_waits")
        if leads and before is not None and abs(self._database.now() - before) > CLOCK_JUMP + LEAD_SECONDS * SECOND:
            self._be_quiet()  # nobody led for long, or the time is not what it was: try all again before giving up any
            if before > self._database.now() + CLOCK_JUMP + LEAD_SECONDS * SECOND:
                self._tell_of_a_jump(before - self._database.now())
        self.leads = leads
        self._metrics.leader.set(int(leads))
        self._renew_at = now + RENEW_SECONDS
        return leads

    def _look_at_the_time(self) -> None:
        wall, steady = self._database.now(), self._monotonic()
        if self._seen is not None:
            drift = (wall - self._seen[0]) - (steady - self._seen[1]) * SECOND
            if abs(drift) > CLOCK_JUMP:
                self._tell_of_a_jump(drift)
                self._be_quiet()
        self._seen = (wall, steady)

    def _tell_of_a_jump(self, drift: float) -> None:
        self._metrics.jumps.inc()
        log.error("clock_jumped", count=round(abs(drift) / SECOND))
        self._telling.add(Alert("", "clock_jumped", "P2", JUMPED))

    def _be_quiet(self) -> None:
        self._quiet_until = self._monotonic() + QUIET
        self._duties.reconsider()
        for duty in self._table:
            if duty.name == "mend":
                duty.next_at = 0.0

    def _step_down(self) -> None:
        self._metrics.leader.set(0)  # what the monitor reads outlives this process
        if self.leads:
            try:
                leases.release(self._database, NAME, self._holder)
            except DatabaseUnavailable:
                log.warning("database_away")
