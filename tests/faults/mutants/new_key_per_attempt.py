"""Draw a new webhook-id for each attempt: the hotline cannot tell a repeat from another report."""

from __future__ import annotations

import uuid
from dataclasses import replace

from workers.delivery.outcomes import DeliveryOutcome, DeliveryRequest
from workers.hotlines.webhook import WebhookConnector


def apply() -> None:
    call = WebhookConnector.deliver

    def deliver(self: WebhookConnector, parcel: DeliveryRequest) -> DeliveryOutcome:
        return call(self, replace(parcel, delivery_id=str(uuid.uuid4())))

    WebhookConnector.deliver = deliver  # type: ignore[method-assign]  # a mutant replaces it
