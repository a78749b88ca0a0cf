"""What a delivery is, and a new row of the outbox."""

from __future__ import annotations

from reports.store.ids import new_id

THE_REPORT = ("created", "unread")  # types that bring a hotline the report; the others bring what follows it
UNDELIVERED = ("due", "refused", "parked")  # states in which the hotline does not have it and it is not cancelled


def new_delivery(
    report_id: str, hotline: str, *, kind: str, revision: int, priority: str, now: int
) -> dict[str, object]:
    """A row of `delivery` that is due at once; role and why are the caller's."""
    return {
        "delivery_id": new_id(now),
        "report_id": report_id,
        "hotline": hotline,
        "type": kind,
        "revision": revision,
        "priority": priority,
        "state": "due",
        "handling": "none",
        "attempt": 0,
        "next_at": now,
        "created_at": now,
    }
