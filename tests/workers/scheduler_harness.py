"""A scheduler with its jobs and a moved clock; the queue, the hotline and the mail server are fakes."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from prometheus_client import CollectorRegistry

from tests.workers.sample_store import ONE, SECOND, THREE, TWO, SampleStore
from workers.clock.jobs import ClockJobs
from workers.clock.scheduler import Scheduler
from workers.delivery.outcomes import Delivered, DeliveryOutcome, DeliveryRequest, HotlineConnector
from workers.jobs.alerts import AlertSender
from workers.jobs.deliver import DeliveryRunner
from workers.keyring import KeyRing
from workers.metrics import WorkerMetrics
from workers.notifications.duty_phones import DutyPhoneNotifier
from workers.notifications.texts import Alert
from workers.sms.dispatcher import SmsDispatcher


@dataclass
class FakeMonotonicClock:
    """A monotonic clock that tests move."""

    now: float = 1000.0

    def __call__(self) -> float:
        return self.now


@dataclass
class FakeJobQueue:
    """A job queue that accepts ids or is unavailable; no worker reads it."""

    away: bool = False
    ids: list[str] = field(default_factory=list)

    def put(self, job: str, item: str, speed: str) -> bool:
        if not self.away:
            self.ids.append(item)
        return not self.away

    def close(self) -> None:
        pass


@dataclass
class AcceptingHotline:
    """A hotline that accepts every delivery."""

    requests: list[DeliveryRequest] = field(default_factory=list)

    def deliver(self, request: DeliveryRequest) -> DeliveryOutcome:
        self.requests.append(request)
        return Delivered(200)


@dataclass
class FakeNotifier:
    ok: bool = True
    alerts: list[Alert] = field(default_factory=list)

    def notify_on_call(self, alert: Alert) -> bool:
        self.alerts.append(alert)
        return self.ok


class FakeEscalation:
    """An escalation that does nothing; it has its own tests. `full_runs`: how many times it has more work at once."""

    def __init__(self) -> None:
        self.runs = self.full_runs = 0

    def escalate(self) -> bool:
        self.runs += 1
        return self.runs <= self.full_runs

    def finish(self) -> None:
        pass

    set_metrics = finish


class SchedulerHarness:
    """A scheduler with its jobs; the queue, the hotline and the mail server are fakes."""

    def __init__(self, store: SampleStore, holder: str = "here/clock-1/a") -> None:
        self.store = store
        store.harnesses.append(self)
        self.time = FakeMonotonicClock()
        self.job_queue = FakeJobQueue()
        self.hotline = AcceptingHotline()
        self.notifier = FakeNotifier()
        self.metrics = WorkerMetrics(CollectorRegistry())
        database = store.database
        hotlines: dict[str, HotlineConnector] = {ONE: self.hotline, TWO: self.hotline}
        delivery_runner = DeliveryRunner(
            database=database,
            keys=KeyRing(store.keys),
            hotlines=hotlines,
            mode="demo",
            holder=holder,
            actor="worker",  # with whose rights these tests use the outbox
            metrics=self.metrics,
        )
        sms_dispatcher = SmsDispatcher(database, KeyRing(store.keys), {}, "demo", holder, self.metrics)
        job_queue, duty_phone_notifier = self.job_queue, DutyPhoneNotifier(database, sms_dispatcher, store.keys, "demo")
        self.jobs = ClockJobs(
            database=database,
            delivery_runner=delivery_runner,
            duty_phone_notifier=duty_phone_notifier,
            job_queue=job_queue,  # type: ignore[arg-type]  # a fake
            metrics=self.metrics,
            monotonic=FakeMonotonicClock(),  # never moves, so queued deliveries stay with the workers
        )
        self.known = {ONE, TWO, THREE}  # hotlines of the country files
        self.alert_sender = self._alert_sender()
        self.escalation = FakeEscalation()
        self.clock = Scheduler(
            database=database,
            jobs=self.jobs,
            alert_sender=self.alert_sender,
            escalation=self.escalation,  # type: ignore[arg-type]  # a fake
            metrics=self.metrics,
            holder=holder,
            monotonic=self.time,
        )

    def finish(self) -> None:
        """End the threads of the scheduler."""
        self.jobs.finish()
        self.alert_sender.finish()

    def pass_time(self, seconds: float) -> None:
        """Move the monotonic clock and the database's clock together."""
        self.time.now += seconds
        self.store.database.offset += int(seconds * SECOND)

    def _alert_sender(self) -> AlertSender:
        fake: Any = self.notifier
        return AlertSender(self.store.database, fake, self.known, self.time)

    def send_alerts(self) -> list[Alert]:
        """Send the alerts that are due, and return them."""
        before = len(self.notifier.alerts)
        self.alert_sender.send_due()
        self.alert_sender.finish()
        self.alert_sender = self._alert_sender()
        return self.notifier.alerts[before:]
