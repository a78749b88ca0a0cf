"""Which priorities are urgent, and which queue takes which priority. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

Speed = Literal["urgent", "standard"]

URGENT, CAN_WAIT = ("P1", "P2"), ("P3", "P4")
PRIORITIES = (*URGENT, *CAN_WAIT)
QUEUES: Mapping[str, Sequence[str]] = {"urgent": URGENT, "standard": CAN_WAIT}  # which priorities each takes


def speed_of(priority: str) -> Speed:
    """Return the queue that takes deliveries of this priority."""
    return "urgent" if priority in URGENT else "standard"
