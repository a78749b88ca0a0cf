"""A hotline that is told by SMS to its duty phones that a report waits. No text holds a word of it.

A provider's taking it is the receipt. `OK` and the word of the text, from a number of the hotline's card, says that a
person has it; until then the next number is texted in its turn (workers/notifications/on_call.py).
"""

from __future__ import annotations

from runtime.settings import from_environment
from workers.delivery.outcomes import DeliveryOutcome, DeliveryRequest
from workers.delivery.registry import HotlineDependencies, Notify
from workers.delivery.settings import OnCallSmsSettings, on_call_phones


@from_environment
class Settings(OnCallSmsSettings):
    pass


def build(settings: Settings, means: HotlineDependencies) -> SmsAlertConnector:
    """Raises SetUpWrongly."""
    return SmsAlertConnector(means.register_phones(means.hotline.id, on_call_phones(settings, means)))


class SmsAlertConnector:
    def __init__(self, page: Notify) -> None:
        self._page = page

    def deliver(self, parcel: DeliveryRequest) -> DeliveryOutcome:
        return self._page(parcel)
