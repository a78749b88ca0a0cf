"""A hotline whose staff read in the console: the report stays in the database, and a notice is sent.

Notices go to the duty officers of its card: e-mail addresses in their order, and phones as with the kind sms_alert,
until one of them was notified. A failed notice is no receipt: it is retried by the schedule, and the operator is
alerted.
"""

from __future__ import annotations

from collections.abc import Sequence

from runtime.settings import from_environment
from workers.delivery.outcomes import DeliveryOutcome, DeliveryRequest
from workers.delivery.registry import (
    HotlineDependencies,
    HotlineSetupError,
    Notify,
    OnCallSmsSettings,
    mail_client,
    on_call_numbers,
    on_call_phones,
    send_mail,
)
from workers.network.smtp_client import SmtpClient


@from_environment
class Settings(OnCallSmsSettings):
    """The channel and number for notices by SMS; without on-call phones they are not needed."""


def build(settings: Settings, means: HotlineDependencies) -> ConsoleConnector:
    """Build the connector. Raises HotlineSetupError if the card names nobody to notify."""
    addresses = [contact for contact in means.hotline.card.duty_officer if "@" in contact]
    notifiers: list[Notify] = [_notify_by_mail(mail_client(means), means, contact) for contact in addresses]
    if on_call_numbers(means):
        notifiers.append(means.register_phones(means.hotline.id, on_call_phones(settings, means)))
    if not notifiers:
        raise HotlineSetupError(f"has nobody to be told among {means.on_duty} of its card")
    return ConsoleConnector(notifiers)


def _notify_by_mail(client: SmtpClient, means: HotlineDependencies, to: str) -> Notify:
    return lambda parcel: send_mail(client, parcel, means, to)


class ConsoleConnector:
    """Notifies staff. `tells`: functions that each notify one contact or the phones.

    Each attempt calls the next function, so that one that hangs does not block the others.
    """

    takes_sound = False

    def __init__(self, tells: Sequence[Notify]) -> None:
        self._tells = tells

    @property
    def ways(self) -> int:
        """Return the number of ways to notify staff."""
        return len(self._tells)

    def deliver(self, parcel: DeliveryRequest) -> DeliveryOutcome:
        """Send one notice."""
        return self._tells[(parcel.attempt - 1) % len(self._tells)](parcel)
