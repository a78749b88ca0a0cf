"""A hotline whose staff read in the console: the report waits in the store, sealed to them, and somebody is told.

Told are those whom its card names as duty officers: e-mail addresses in their order, and phones as of the kind
sms_alert, until one of them was. That nobody could be told is no receipt: it comes back by the schedule, and the
operator hears of it.
"""

from __future__ import annotations

from collections.abc import Sequence

from runtime.settings import from_environment
from workers.delivery.notices import mail_client, send_mail
from workers.delivery.outcomes import DeliveryOutcome, DeliveryRequest
from workers.delivery.registry import HotlineDependencies, HotlineSetupError, Notify
from workers.delivery.settings import OnCallSmsSettings, on_call_numbers, on_call_phones
from workers.network.smtp_client import SmtpClient


@from_environment
class Settings(OnCallSmsSettings):
    pass


def build(settings: Settings, means: HotlineDependencies) -> ConsoleConnector:
    """Raises SetUpWrongly."""
    mails = [one for one in means.hotline.card.duty_officer if "@" in one]
    tells: list[Notify] = [_mailer(mail_client(means), means, one) for one in mails]
    if on_call_numbers(means):
        tells.append(means.register_phones(means.hotline.id, on_call_phones(settings, means)))
    if not tells:
        raise HotlineSetupError(f"has nobody to be told among {means.on_duty} of its card")
    return ConsoleConnector(tells)


def _mailer(post: SmtpClient, means: HotlineDependencies, to: str) -> Notify:
    return lambda parcel: send_mail(post, parcel, means, to)


class ConsoleConnector:
    """`tells`: ways to somebody. Each attempt takes the next: one that hangs must not hold up the others."""

    def __init__(self, tells: Sequence[Notify]) -> None:
        self._tells = tells

    @property
    def ways(self) -> int:
        return len(self._tells)

    def deliver(self, parcel: DeliveryRequest) -> DeliveryOutcome:
        return self._tells[(parcel.attempt - 1) % len(self._tells)](parcel)
