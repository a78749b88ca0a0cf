"""What people do with a report that was sent to them, and what may follow what. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

STATES: Final = ("accepted", "in_progress", "rejected", "closed")

# rejected: it went to others, who answer for it now. closed: it can be taken up again, until it is purged.
NEXT: Final[Mapping[str, tuple[str, ...]]] = {
    "none": STATES,
    "accepted": ("in_progress", "rejected", "closed"),
    "in_progress": ("rejected", "closed"),
    "rejected": (),
    "closed": ("in_progress",),
}


def may_follow(before: str, wanted: str) -> bool:
    """The same again changes nothing, and so may always follow."""
    return wanted == before or wanted in NEXT[before]
