"""The scheduler: one process leads and runs each job at its interval; a second one waits for the lease.

It checks the system time: if the wall clock jumps against the monotonic clock, nothing is parked or purged for a day.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import structlog

from reports.escalation import Priority
from reports.store.engine import leases
from reports.store.engine.database import Database, DatabaseUnavailable
from reports.time_limits import CLOCK_JUMP, LEASES
from runtime.time_units import DAY_SECONDS, SECOND
from workers.clock.jobs import ClockJobs
from workers.jobs.alerts import AlertSender
from workers.jobs.escalation import EscalationJob
from workers.metrics import WorkerMetrics
from workers.notifications.texts import CLOCK_JUMPED, Alert
from workers.thread_pool import BackgroundJob

LEASE_NAME = "clock"
LEAD_SECONDS = LEASES[LEASE_NAME] // SECOND
RENEW_SECONDS = 5
QUIET_SECONDS = DAY_SECONDS  # after a clock jump, nothing is parked or purged
TICK_SECONDS = 1.0  # between two rounds
BUSY_TICK_SECONDS = 0.1  # between two rounds if a job has more to do; the other jobs run in between

log = structlog.get_logger()


@dataclass(slots=True)
class ScheduledJob:
    """A job and its interval. `interval` and `next_at` are seconds of the monotonic clock.

    `run` returns whether there is more to do at once.
    """

    name: str
    interval: float
    run: Callable[[], bool | None]
    next_at: float = 0.0


class Scheduler:
    """Runs the jobs while this process holds the scheduler's lease."""

    def __init__(
        self,
        *,
        database: Database,
        jobs: ClockJobs,
        alert_sender: AlertSender,
        escalation: EscalationJob,
        metrics: WorkerMetrics,
        holder: str,
        background_jobs: Sequence[BackgroundJob] = (),
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._database = database
        self._jobs = jobs
        self._alert_sender = alert_sender
        self._escalation = escalation
        self._metrics = metrics
        self._holder = holder
        self._background_jobs = background_jobs
        self._monotonic = monotonic
        self._renew_at = 0.0
        self._last_times: tuple[int, float] | None = None
        self._quiet_until = 0.0
        self.leads = False
        self._schedule = [
            ScheduledJob("repair_times", 5, jobs.repair_times),
            ScheduledJob("urgent", 1, jobs.urgent),
            ScheduledJob("submit_pending", 1, jobs.submit_pending),
            ScheduledJob("messages", 1, jobs.messages),
            ScheduledJob("transfers", 1, jobs.transfers),
            ScheduledJob("chain", 1, jobs.chain),
            ScheduledJob("standard", 5, jobs.standard),
            ScheduledJob("sms", 5, jobs.sms),
            ScheduledJob("on_call", 5, jobs.text_duty_phones),
            ScheduledJob("answer_notices", 15, jobs.answer_notices),
            ScheduledJob("refuse_gone", 5, jobs.refuse_gone),
            ScheduledJob("receipts", 5, jobs.receipts),
            ScheduledJob("fallbacks", 5, jobs.fallbacks),
            ScheduledJob("escalate", 5, escalation.escalate),
            ScheduledJob("alert", 5, alert_sender.send_due),
            ScheduledJob("audit_metrics", 5, jobs.audit_metrics),
            ScheduledJob("escalation_metrics", 15, escalation.set_metrics),
            ScheduledJob("undelivered", 15, jobs.undelivered),
            *self._infrequent_jobs(monotonic()),
        ]

    def _infrequent_jobs(self, now: float) -> Iterator[ScheduledJob]:
        yield ScheduledJob("delete_old", 60, self._unless_quiet(self._jobs.delete_old))
        yield ScheduledJob("call_volume", 600, self._unless_quiet(self._jobs.call_volume), next_at=now + 60)
        yield ScheduledJob("park", 3600, self._unless_quiet(self._jobs.park), next_at=now + 60)
        for background in self._background_jobs:
            start = self._unless_quiet(background.start) if background.trusts_the_time else background.start
            yield ScheduledJob(background.name, background.interval, start, next_at=now + background.start_delay)

    def run(self, stopping: threading.Event, beat: Callable[[], None] = lambda: None) -> None:
        """Run until `stopping` is set, then finish the work in progress and release the lease.

        `beat` is called in each round.
        """
        for job in self._schedule:
            # Creates the counter: one that starts at its first fault shows no increase.
            self._metrics.faults.labels(job.name)
        while not stopping.is_set():
            beat()
            stopping.wait(BUSY_TICK_SECONDS if self.tick() else TICK_SECONDS)
        self._jobs.finish()
        self._escalation.finish()
        self._alert_sender.finish()
        for background in self._background_jobs:
            background.finish()
        self._step_down()

    def tick(self) -> bool:
        """Run the jobs that are due. Returns whether there is more to do at once."""
        self._check_clock()
        if not self._renew_lease():
            return False
        self._metrics.tick.set_to_current_time()
        more = False
        for job in self._schedule:
            now = self._monotonic()
            if now >= job.next_at:
                has_more = self._run_job(job)
                job.next_at = now + (0 if has_more else job.interval)
                more |= has_more
        return more

    def _run_job(self, job: ScheduledJob) -> bool:
        """Run one job. A job that fails does not stop the others."""
        try:
            return bool(job.run())
        except DatabaseUnavailable:
            self._metrics.faults.labels(job.name).inc()
            log.warning("database_unavailable", job=job.name)
        except Exception:
            self._metrics.faults.labels(job.name).inc()
            log.exception("job_failed", job=job.name)
        return False

    def _unless_quiet(self, start: Callable[[], None]) -> Callable[[], None]:
        def run_unless_quiet() -> None:
            if self._monotonic() >= self._quiet_until:
                start()

        return run_unless_quiet

    def _renew_lease(self) -> bool:
        now = self._monotonic()
        if self.leads and now < self._renew_at:
            return True
        try:
            previous_until = None if self.leads else leases.held_until(self._database, LEASE_NAME)
            leads = leases.acquire(self._database, LEASE_NAME, self._holder, LEAD_SECONDS)
        except DatabaseUnavailable:
            log.warning("database_unavailable")
            leads, previous_until = False, None
        if leads != self.leads:
            log.info("scheduler_elected" if leads else "scheduler_standby")
        if (
            leads
            and previous_until is not None
            and abs(self._database.now() - previous_until) > CLOCK_JUMP + LEAD_SECONDS * SECOND
        ):
            # No process led for long, or the clock jumped: retry all deliveries before any is parked or purged.
            self._start_quiet_period()
            if previous_until > self._database.now() + CLOCK_JUMP + LEAD_SECONDS * SECOND:
                self._alert_clock_jump(previous_until - self._database.now())
        self.leads = leads
        self._metrics.leader.set(int(leads))
        self._renew_at = now + RENEW_SECONDS
        return leads

    def _check_clock(self) -> None:
        wall_now, monotonic_now = self._database.now(), self._monotonic()
        if self._last_times is not None:
            drift = (wall_now - self._last_times[0]) - (monotonic_now - self._last_times[1]) * SECOND
            if abs(drift) > CLOCK_JUMP:
                self._alert_clock_jump(drift)
                self._start_quiet_period()
        self._last_times = (wall_now, monotonic_now)

    def _alert_clock_jump(self, drift: float) -> None:
        self._metrics.jumps.inc()
        log.error("clock_jumped", count=round(abs(drift) / SECOND))
        self._alert_sender.add(Alert("", "clock_jumped", Priority.P2, CLOCK_JUMPED))

    def _start_quiet_period(self) -> None:
        self._quiet_until = self._monotonic() + QUIET_SECONDS
        self._jobs.reconsider()
        for job in self._schedule:
            if job.name == "repair_times":
                job.next_at = 0.0

    def _step_down(self) -> None:
        self._metrics.leader.set(0)  # the metrics file outlives this process
        if self.leads:
            try:
                leases.release(self._database, LEASE_NAME, self._holder)
            except DatabaseUnavailable:
                log.warning("database_unavailable")
