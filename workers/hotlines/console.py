"""A hotline whose staff read in the console: the report stays in the database, and a notice is sent.

Notices go to the duty officers of its card: e-mail addresses in their order, and phones as with the kind sms_alert,
until one of them was notified. A failed notice is no receipt: it is retried by the schedule, and the operator is
alerted.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from runtime.settings import from_environment
from workers.delivery.outcomes import DeliveryOutcome, DeliveryRequest, Refused
from workers.delivery.registry import (
    DutyPhoneSettings,
    HotlineDependencies,
    HotlineSetupError,
    Notify,
    duty_phone_numbers,
    duty_phones,
    mail_client,
    send_mail,
)
from workers.network.smtp_client import SmtpClient


@from_environment
class Settings(DutyPhoneSettings):
    """The channel and number for notices by SMS; without duty phones they are not needed."""


def build(settings: Settings, dependencies: HotlineDependencies) -> ConsoleConnector:
    """Build the connector. Raises HotlineSetupError if the card names nobody to notify."""
    addresses = [contact for contact in dependencies.hotline.card.duty_officer if "@" in contact]
    notifiers: list[Notify] = [
        _notify_by_mail(mail_client(dependencies), dependencies, contact) for contact in addresses
    ]
    if duty_phone_numbers(dependencies):
        notifiers.append(dependencies.register_phones(dependencies.hotline.id, duty_phones(settings, dependencies)))
    if not notifiers:
        raise HotlineSetupError(
            f"has nobody to notify in {dependencies.duty_field} of its card; add an e-mail address or a number with +"
        )
    return ConsoleConnector(notifiers)


def _notify_by_mail(client: SmtpClient, dependencies: HotlineDependencies, address: str) -> Notify:
    return lambda request: send_mail(client, request, dependencies, address)


class ConsoleConnector:
    """Notifies staff. `notifiers`: functions that each notify one contact or the phones.

    Each attempt calls the next function, so that one that hangs does not block the others.
    """

    takes_sound = False

    def __init__(self, notifiers: Sequence[Notify]) -> None:
        self._notifiers = notifiers

    @property
    def ways(self) -> int:
        """Return the number of ways to notify staff."""
        return len(self._notifiers)

    def deliver(self, request: DeliveryRequest) -> DeliveryOutcome:
        """Send one notice."""
        outcome = self._notifiers[(request.attempt - 1) % self.ways](request)
        return replace(outcome, addresses=self.ways) if isinstance(outcome, Refused) else outcome
