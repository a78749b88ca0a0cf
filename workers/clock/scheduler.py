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
from workers.clock.jobs import ClockJobs
from workers.jobs.alerts import AlertSender
from workers.jobs.escalation import EscalationJob
from workers.metrics import WorkerMetrics
from workers.notifications.texts import CLOCK_JUMPED, Alert

LEASE_NAME = "clock"
LEAD_SECONDS = LEASES[LEASE_NAME] // SECOND
RENEW_SECONDS = 5
QUIET_SECONDS = DAY_SECONDS  # after a jump
TICK_SECONDS, BUSY_TICK_SECONDS = (
    1.0,
    0.1,
)  # seconds between two looks; where a duty has more to do, the others get their turn between

log = structlog.get_logger()


@dataclass(slots=True)
class ScheduledJob:
    """`every` and `next_at` in seconds of the monotonic clock. `do` says whether there is more to do at once."""

    name: str
    every: float
    do: Callable[[], bool | None]
    next_at: float = 0.0


class BackgroundJob(Protocol):
    """What takes long: done in a thread of its own, from `start` on, until it is told to finish what is in hand."""

    name: str
    every: int  # seconds
    after: int  # seconds from the clock's start
    trusts_the_time: bool  # and so is not done where that has jumped

    def start(self) -> None: ...

    def finish(self) -> None: ...


class Scheduler:
    def __init__(
        self,
        *,
        database: Database,
        duties: ClockJobs,
        telling: AlertSender,
        ladder: EscalationJob,
        metrics: WorkerMetrics,
        holder: str,
        aside: Sequence[BackgroundJob] = (),
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
            ScheduledJob("mend", 5, duties.mend),
            ScheduledJob("urgent", 1, duties.urgent),
            ScheduledJob("mature", 1, duties.mature),
            ScheduledJob("messages", 1, duties.messages),
            ScheduledJob("handovers", 1, duties.handovers),
            ScheduledJob("chain", 1, duties.chain),
            ScheduledJob("standard", 5, duties.standard),
            ScheduledJob("sms", 5, duties.sms),
            ScheduledJob("pages", 5, duties.pages),
            ScheduledJob("nudges", 15, duties.nudges),
            ScheduledJob("bury", 5, duties.bury),
            ScheduledJob("receipts", 5, duties.receipts),
            ScheduledJob("fallbacks", 5, duties.fallbacks),
            ScheduledJob("ladder", 5, ladder.escalate),
            ScheduledJob("tell", 5, telling.tell),
            ScheduledJob("figures", 5, duties.figures),
            ScheduledJob("waits", 15, ladder.figures),
            ScheduledJob("undelivered", 15, duties.undelivered),
            *self._rare(monotonic()),
        ]

    def _rare(self, now: float) -> Iterator[ScheduledJob]:
        yield ScheduledJob("tidy", 60, self._unless_quiet(self._duties.tidy))
        yield ScheduledJob("park", 3600, self._unless_quiet(self._duties.park), next_at=now + 60)
        for one in self._aside:
            start = self._unless_quiet(one.start) if one.trusts_the_time else one.start
            yield ScheduledJob(one.name, one.every, start, next_at=now + one.after)

    def run(self, stopping: threading.Event) -> None:
        """Until told to stop; then finishes what is in hand and steps down."""
        for duty in self._table:
            self._metrics.faults.labels(duty.name)  # a figure that begins with its first fault never rises
        while not stopping.is_set():
            stopping.wait(BUSY_TICK_SECONDS if self.tick() else TICK_SECONDS)
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

    def _do(self, duty: ScheduledJob) -> bool:
        """One duty that fails keeps none of the others from being done."""
        try:
            return bool(duty.do())
        except DatabaseUnavailable:
            self._metrics.faults.labels(duty.name).inc()
            log.warning("database_unavailable")
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
            before = None if self.leads else leases.held_until(self._database, LEASE_NAME)
            leads = leases.acquire(self._database, LEASE_NAME, self._holder, LEAD_SECONDS)
        except DatabaseUnavailable:
            log.warning("database_unavailable")
            leads, before = False, None
        if leads != self.leads:
            log.info("scheduler_elected" if leads else "scheduler_standby")
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
        self._telling.add(Alert("", "clock_jumped", "P2", CLOCK_JUMPED))

    def _be_quiet(self) -> None:
        self._quiet_until = self._monotonic() + QUIET_SECONDS
        self._duties.reconsider()
        for duty in self._table:
            if duty.name == "mend":
                duty.next_at = 0.0

    def _step_down(self) -> None:
        self._metrics.leader.set(0)  # what the monitor reads outlives this process
        if self.leads:
            try:
                leases.release(self._database, LEASE_NAME, self._holder)
            except DatabaseUnavailable:
                log.warning("database_unavailable")
