"""A hotline whose duty phones are notified by SMS. The text contains nothing of the report.

The receipt is a provider's acceptance of the SMS. The SMS contains a word of six digits. The reply `OK <word>` from a
number of the hotline's card means that a person has acknowledged the report. Until then the next number is texted
(workers/notifications/duty_phones.py).
"""

from __future__ import annotations

from runtime.settings import from_environment
from workers.delivery.outcomes import DeliveryOutcome, DeliveryRequest
from workers.delivery.registry import DutyPhoneSettings, HotlineDependencies, Notify, duty_phones


@from_environment
class Settings(DutyPhoneSettings):
    """The channel and number for the SMS."""


def build(settings: Settings, dependencies: HotlineDependencies) -> SmsAlertConnector:
    """Build the connector. Raises HotlineSetupError if a number, channel or sender is missing."""
    return SmsAlertConnector(dependencies.register_phones(dependencies.hotline.id, duty_phones(settings, dependencies)))


class SmsAlertConnector:
    """Notifies the duty phones."""

    takes_sound = False

    def __init__(self, alert: Notify) -> None:
        self._alert = alert

    def deliver(self, request: DeliveryRequest) -> DeliveryOutcome:
        """Text the next number."""
        return self._alert(request)
