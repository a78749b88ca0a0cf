"""Which priorities are urgent, and which queue takes which priorities. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

Speed = Literal["urgent", "standard"]

URGENT, STANDARD = ("P1", "P2"), ("P3", "P4")
PRIORITIES = (*URGENT, *STANDARD)
QUEUE_PRIORITIES: Mapping[str, Sequence[str]] = {"urgent": URGENT, "standard": STANDARD}  # the priorities of each queue


def queue_of(priority: str) -> Speed:
    """Return the queue that takes deliveries of this priority."""
    return "urgent" if priority in URGENT else "standard"
