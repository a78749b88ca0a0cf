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
from tests.workers.filings import ONE, THREE, TWO, Desk
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


def land(cards: Mapping[str, Mapping[str, Any]] = CARDS, **changes: Any) -> Country:
    """Return Vanuatu with these fields in its hotlines' partner cards."""
    hotlines = {name: replace(one, card=replace(one.card, **cards.get(name, {}))) for name, one in VU.hotlines.items()}
    return replace(VU, hotlines=hotlines, **changes)


class AtOnce(BackgroundPool):
    """A pool without threads: it runs each function at once."""

    def do(self, what: Callable[[], Any]) -> bool:
        what()
        return True


@dataclass(frozen=True, slots=True)
class Told:
    minute: int
    who: str
    said: Notification


class Night:
    """One clock, its reports, and a country with partner cards. `minute`: minutes since the beginning."""

    def __init__(self, desk: Desk, country: Country | None = None, on_call: Sequence[str] = (ON_CALL, SECOND_ON_CALL)):
        self.desk = desk
        self.began = desk.database.now()
        self.dead: set[str] = set()
        self.told: list[Told] = []
        self.given: list[tuple[int, str, str]] = []
        self.worries: list[Alert] = []
        database = desk.database
        self.metrics = metrics = WorkerMetrics(CollectorRegistry())
        self.notifier = Heard(None, on_call, "live", metrics, night=self)
        self.senders: dict[str, SmsSender] = {}
        sms_dispatcher = SmsDispatcher(database, KeyRing(desk.keys), self.senders, "demo", "here/clock/a", metrics)
        self.escalation = EscalationJob(
            database=database,
            countries=Countries((country or land(),)),
            notifier=self.notifier,
            duty_phone_notifier=DutyPhoneNotifier(database, sms_dispatcher, desk.keys, "demo"),
            metrics=metrics,
            alert_operator=self.worries.append,
            put=self._put,
            pools={URGENT: AtOnce(1), STANDARD: AtOnce(1)},
        )

    @property
    def minute(self) -> int:
        return (self.desk.database.now() - self.began) // MINUTE

    def _put(self, made: Any) -> None:
        for delivery_id, _ in made:
            row = self.desk.delivery(delivery_id)
            self.given.append((self.minute, row.hotline, row.why))

    def until(self, minute: int, step: int = 1, *, delivers: bool = True) -> None:
        """Run the escalation every `step` minutes. `delivers`: due deliveries succeed."""
        while True:
            if delivers:
                self.deliver()
            self.escalation.escalate()
            if self.minute >= minute:
                return
            self.desk.database.offset += min(step, minute - self.minute) * MINUTE

    def deliver(self) -> None:
        for row in self.desk.deliveries():
            if row.state == "due" and (leased := outbox.lease(self.desk.database, row.delivery_id, "w/urgent/1")):
                outbox.mark_delivered(
                    self.desk.database, leased, DeliveryReceipt("delivered", 200, bytes(32)), "worker"
                )

    def handle(self, hotline: str, handling: str) -> None:
        d = t.delivery.c
        with self.desk.database.write() as connection:
            connection.execute(update(t.delivery).where(d.hotline == hotline).values(handling=handling))

    def happened(self) -> list[tuple[int, str]]:
        """Return (minute, contact notified or hotline given the report), in order."""
        told = [(one.minute, one.who) for one in self.told]
        return sorted([*told, *((minute, f"→ {hotline}") for minute, hotline, _ in self.given)], key=lambda one: one[0])


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard(Notifier):
    """A notifier without mail server and provider: it records who would have been notified, and when."""

    night: Night

    def _notify_contact(self, contact: str, said: Notification) -> bool:
        if contact in self.night.dead:
            return False
        self.night.told.append(Told(self.night.minute, contact, said))
        return True
