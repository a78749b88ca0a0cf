"""Escalation with a moved clock: the due steps, the people notified, and the minute of each. Nothing sleeps."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from prometheus_client import CollectorRegistry
from sqlalchemy import update

from reports.countries.country import Countries, Country
from reports.escalation import STANDARD, URGENT
from reports.store import outbox
from reports.store.outbox import DeliveryReceipt
from reports.store.schema import tables as t
from runtime.time_units import MINUTE
from tests.reports.sample import VU
from tests.workers.sample_store import ONE, THREE, TWO, SampleStore
from workers.jobs.escalation import EscalationJob
from workers.keyring import KeyRing
from workers.metrics import WorkerMetrics
from workers.notifications.duty_phones import DutyPhoneNotifier
from workers.notifications.notifier import Notifier
from workers.notifications.texts import Alert, Notification
from workers.sms.dispatcher import SmsDispatcher, SmsSender
from workers.thread_pool import BackgroundPool

CHAIN = ((ONE, "primary"), (TWO, "fallback"), (THREE, "fallback"))
OFFICER, LEAD, ON_CALL, SECOND_ON_CALL = "+6785550181", "lead@desk.example", "+6785550191", "second@operator.example"
CARDS: Mapping[str, Mapping[str, Any]] = {
    ONE: {"duty_officer": (OFFICER,), "supervisor": (LEAD,), "backup": TWO, "regional": THREE},
    TWO: {"duty_officer": ("desk@two.example",), "supervisor": ("lead@two.example",)},
    THREE: {"duty_officer": ("desk@three.example",), "supervisor": ("lead@three.example",)},
}


def country_with_cards(cards: Mapping[str, Mapping[str, Any]] = CARDS, **changes: Any) -> Country:
    """Return Vanuatu with these fields in its hotlines' partner cards."""
    hotlines = {name: replace(one, card=replace(one.card, **cards.get(name, {}))) for name, one in VU.hotlines.items()}
    return replace(VU, hotlines=hotlines, **changes)


class SynchronousPool(BackgroundPool):
    """A pool without threads: it runs each function at once."""

    def do(self, what: Callable[[], Any]) -> bool:
        what()
        return True


@dataclass(frozen=True, slots=True)
class SentNotification:
    minute: int
    who: str
    said: Notification


class EscalationScenario:
    """One clock, its reports, and a country with partner cards. `minute`: minutes since the beginning."""

    def __init__(
        self, store: SampleStore, country: Country | None = None, on_call: Sequence[str] = (ON_CALL, SECOND_ON_CALL)
    ):
        self.store = store
        self.began = store.database.now()
        self.unreachable: set[str] = set()
        self.notifications: list[SentNotification] = []
        self.transfers: list[tuple[int, str, str]] = []
        self.operator_alerts: list[Alert] = []
        database = store.database
        self.metrics = metrics = WorkerMetrics(CollectorRegistry())
        self.notifier = RecordingNotifier(None, on_call, "live", metrics, scenario=self)
        self.senders: dict[str, SmsSender] = {}
        sms_dispatcher = SmsDispatcher(database, KeyRing(store.keys), self.senders, "demo", "here/clock/a", metrics)
        self.escalation = EscalationJob(
            database=database,
            countries=Countries((country or country_with_cards(),)),
            notifier=self.notifier,
            duty_phone_notifier=DutyPhoneNotifier(database, sms_dispatcher, store.keys, "demo"),
            metrics=metrics,
            alert_operator=self.operator_alerts.append,
            put=self._put,
            pools={URGENT: SynchronousPool(1), STANDARD: SynchronousPool(1)},
        )

    @property
    def minute(self) -> int:
        return (self.store.database.now() - self.began) // MINUTE

    def _put(self, made: Any) -> None:
        for delivery_id, _ in made:
            row = self.store.delivery(delivery_id)
            self.transfers.append((self.minute, row.hotline, row.why))

    def until(self, minute: int, step: int = 1, *, delivers: bool = True) -> None:
        """Run the escalation every `step` minutes. `delivers`: due deliveries succeed."""
        while True:
            if delivers:
                self.deliver()
            self.escalation.escalate()
            if self.minute >= minute:
                return
            self.store.database.offset += min(step, minute - self.minute) * MINUTE

    def deliver(self) -> None:
        for row in self.store.deliveries():
            if row.state == "due" and (leased := outbox.lease(self.store.database, row.delivery_id, "w/urgent/1")):
                outbox.mark_delivered(
                    self.store.database, leased, DeliveryReceipt("delivered", 200, bytes(32)), "worker"
                )

    def handle(self, hotline: str, handling: str) -> None:
        d = t.delivery.c
        with self.store.database.write() as connection:
            connection.execute(update(t.delivery).where(d.hotline == hotline).values(handling=handling))

    def happened(self) -> list[tuple[int, str]]:
        """Return (minute, contact notified or hotline given the report), in order."""
        told = [(one.minute, one.who) for one in self.notifications]
        return sorted(
            [*told, *((minute, f"→ {hotline}") for minute, hotline, _ in self.transfers)], key=lambda one: one[0]
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordingNotifier(Notifier):
    """A notifier without mail server and provider: it records who would have been notified, and when."""

    scenario: EscalationScenario

    def _notify_contact(self, contact: str, said: Notification) -> bool:
        if contact in self.scenario.unreachable:
            return False
        self.scenario.notifications.append(SentNotification(self.scenario.minute, contact, said))
        return True
