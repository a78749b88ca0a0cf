"""Draws the webhook-id for each attempt: the hotline cannot tell a repeat from another report."""

from __future__ import annotations

import uuid
from dataclasses import replace

from workers.delivery import Outcome, Parcel
from workers.hotlines.webhook import Webhook


def apply() -> None:
    call = Webhook.deliver

    def deliver(self: Webhook, parcel: Parcel) -> Outcome:
        return call(self, replace(parcel, delivery_id=str(uuid.uuid4())))

    Webhook.deliver = deliver  # type: ignore[method-assign]  # that is what a mutant is
