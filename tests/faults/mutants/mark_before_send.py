"""Writes down that the hotline has it, and then calls the hotline."""

from __future__ import annotations

from reports.store.outbox import LeasedDelivery
from workers.delivery.outcomes import Delivered, DeliveryRequest
from workers.jobs.deliver import DeliveryRunner


def apply() -> None:
    def forward(self: DeliveryRunner, leased: LeasedDelivery) -> None:
        parcel = self._pack(leased)
        if isinstance(parcel, DeliveryRequest):
            self._mark(leased, Delivered(204), parcel.body)
            self._hand_over(parcel, leased.hotline)
        else:
            self._mark(leased, parcel, b"")

    DeliveryRunner._forward = forward  # type: ignore[method-assign]  # that is what a mutant is
