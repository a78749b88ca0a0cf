"""Text the duty phones of a hotline, one after another, until somebody acknowledges the report.

A text says that a report waits, with the end of its id and a word of six digits. `OK <word>` from a listed number means
that a person has acknowledged the report. The id proves nothing, because it is in mails and logs. The word is made for
one text and appears nowhere else.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import structlog

from reports.crypto.key_files import KeyFileError
from reports.delivery import DeliveryType
from reports.escalation import ESCALATION_TIMES, Priority
from reports.store.engine.database import Database, DatabaseUnavailable
from reports.store.row_isolation import process_each
from reports.store.sms import duty_phones
from reports.store.sms.duty_phones import AlertedDelivery, DutyPhoneAlert
from reports.store.sms.messages import SmsState
from runtime.settings import Mode
from runtime.time_units import SECOND
from workers.delivery.outcomes import Delivered, DeliveryOutcome, DeliveryRequest, Unavailable, Undeliverable
from workers.delivery.registry import EVENT_PHRASES, DutyPhones, Notify
from workers.sms.dispatcher import SmsDispatcher
from workers.sms.notices import SmsRoute, seal_sms

# Time without an answer until the next number is texted: the same as until the hotline is reminded.
ANSWER_TIMEOUTS: Mapping[str, int] = {priority: clock.desk for priority, clock in ESCALATION_TIMES.items()}
RECENT = 60 * SECOND
ALERT_PHRASES: Mapping[str, str] = {
    **EVENT_PHRASES,
    DeliveryType.UNREAD: "waits and nobody could read it",
    "risen": "is more urgent now",
}

log = structlog.get_logger()


def alert_text(kind: str, report_id: str, priority: Priority, word: str, *, drill: bool) -> str:
    """Return the text for a duty phone: at most one SMS of GSM-7, without anything of the report."""
    report = f"{report_id[-6:]}, {priority}, {ALERT_PHRASES[kind]}"
    text = f"{report}. Please look at your reports. You have it? Answer OK {word}"
    return f"DRILL {text}" if drill else text


@dataclass(slots=True)
class DutyPhoneNotifier:
    """Texts the duty phones.

    `draw`: returns a random number below a million, the word of a text.
    `contact_order`: hotline → its contacts, those on duty now first. `is_quiet`: hotline → whether nobody there may be
    notified of P3 and P4 now.
    """

    database: Database
    sms_dispatcher: SmsDispatcher
    keys: Path
    mode: Mode
    draw: Callable[[], int] = field(default=lambda: secrets.randbelow(1_000_000))
    contact_order: Callable[[str], Sequence[str]] = field(default=lambda _: ())
    is_quiet: Callable[[str], bool] = field(default=lambda _: False)
    registered_phones: dict[str, DutyPhones] = field(default_factory=dict)

    def register_phones(self, hotline: str, phones: DutyPhones) -> Notify:
        """Register the phones of a hotline and return the function that notifies them."""
        self.registered_phones[hotline] = phones
        return self.alert

    def alert(self, request: DeliveryRequest) -> DeliveryOutcome:
        """Send at most one text.

        A text that a provider accepted is a receipt; the next attempt texts the next number.
        """
        try:
            alerts = duty_phones.list_alerts(self.database, request.delivery_id)
            if not alerts or alerts[-1].state not in (SmsState.DUE, SmsState.SENT) or alerts[-1].status == "failed":
                self._text(_alerted_delivery(request, len(alerts)))
                alerts = duty_phones.list_alerts(self.database, request.delivery_id)
        except KeyFileError:
            return Undeliverable("no_key")
        except DatabaseUnavailable:
            log.warning("database_unavailable")
            return Unavailable("sms_waits")
        return _outcome(alerts[-1])

    def text_next(self) -> None:
        """Text the next number if nobody answered in time or a text did not arrive; each number once.

        About P3 and P4 the next number is texted in the hours of alerts. A number is texted again if it answered an
        older text, from before the report became more urgent. Raises DatabaseUnavailable.
        """
        numbers = {hotline: len(phones.numbers) for hotline, phones in self.registered_phones.items()}
        quiet = [hotline for hotline in numbers if self.is_quiet(hotline)]
        unanswered = duty_phones.list_unanswered(self.database, ANSWER_TIMEOUTS, numbers, quiet)
        process_each("on_call", unanswered, self._text, ids=lambda delivery: {"delivery_id": delivery.delivery_id})
        superseded = [
            (delivery, rank)
            for delivery, rank in duty_phones.list_superseded(self.database)
            if delivery.hotline in self.registered_phones
        ]
        process_each(
            "on_call", superseded, lambda row: self._text(*row), ids=lambda row: {"delivery_id": row[0].delivery_id}
        )

    def text_again(self, report_id: str, hotline: str) -> bool:
        """Text the next number once more, from the first one on. Returns True if a provider accepted a text just now.

        Sends nothing while the last text still waits for its provider, or within a minute of a text. Raises
        DatabaseUnavailable.
        """
        delivery = duty_phones.find_unacknowledged(self.database, report_id, hotline)
        if delivery is None:
            return False
        try:
            waits = [alert.state for alert in duty_phones.list_alerts(self.database, delivery.delivery_id)][-1:] == [
                SmsState.DUE
            ]
            if not waits and not duty_phones.was_alerted_within(self.database, delivery.delivery_id, RECENT):
                self._text(delivery)
        except KeyFileError:
            log.error("key_missing")
        alerts = duty_phones.list_alerts(self.database, delivery.delivery_id)
        return bool(alerts) and alerts[-1].state == SmsState.SENT

    def _text(self, delivery: AlertedDelivery, index: int | None = None) -> None:
        """Text one number. `index`: its place in the order; by default the next one."""
        phones = self.registered_phones[delivery.hotline]
        word = f"{self.draw():06d}"
        text = alert_text(delivery.type, delivery.report_id, delivery.priority, word, drill=self.mode != Mode.LIVE)
        numbers = [
            number for number in self.contact_order(delivery.hotline) if number in phones.numbers
        ] or phones.numbers
        position = delivery.count if index is None else index
        to, route = numbers[position % len(numbers)], SmsRoute(phones.channel, phones.sender)
        sms = seal_sms(self.database, self.keys, route, to, text=text, mode=self.mode)
        if duty_phones.add_alert(self.database, sms, delivery, word):
            self.sms_dispatcher.send(sms.id)


def _alerted_delivery(request: DeliveryRequest, count: int) -> AlertedDelivery:
    return AlertedDelivery(
        request.delivery_id, request.report_id, request.hotline, request.type, request.priority, count
    )


def _outcome(alert: DutyPhoneAlert) -> DeliveryOutcome:
    if alert.state == SmsState.SENT:
        return Delivered(is_notice=True)
    return Unavailable("sms_waits" if alert.state == SmsState.DUE else "sms_failed")
