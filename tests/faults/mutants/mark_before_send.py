"""Mark the delivery as delivered before sending it to the hotline."""

from __future__ import annotations

from reports.store.outbox import LeasedDelivery
from workers.delivery.outcomes import Delivered, DeliveryRequest
from workers.jobs.deliver import DeliveryRunner


def apply() -> None:
    def forward(self: DeliveryRunner, leased: LeasedDelivery) -> None:
        parcel = self._build_request(leased)
        if isinstance(parcel, DeliveryRequest):
            self._record_outcome(leased, Delivered(204), parcel.body)
            self._send(parcel, leased.hotline)
        else:
            self._record_outcome(leased, parcel, b"")

    DeliveryRunner._attempt = forward  # type: ignore[method-assign]  # a mutant replaces it
