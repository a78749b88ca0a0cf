"""What people do with a report that was sent to them, and what may follow what. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

HANDLING_STATES: Final = ("accepted", "in_progress", "rejected", "closed")

# rejected: it went to others, who answer for it now. closed: it can be taken up again, until it is purged.
HANDLING_TRANSITIONS: Final[Mapping[str, tuple[str, ...]]] = {
    "none": HANDLING_STATES,
    "accepted": ("in_progress", "rejected", "closed"),
    "in_progress": ("rejected", "closed"),
    "rejected": (),
    "closed": ("in_progress",),
}


def may_change(before: str, wanted: str) -> bool:
    """The same again changes nothing, and so may always follow."""
    return wanted == before or wanted in HANDLING_TRANSITIONS[before]


# How a report as a whole stands: one pure function of what was sent to its hotlines.

UNACKNOWLEDGED_STATES = ("queued", "delivered", "needs_person")  # states of a report that no person has taken on
HANDLING_RANK = ("in_progress", "accepted", "none", "closed")  # whose name the reporter is told, first that holds


@dataclass(frozen=True, slots=True)
class RecipientState:
    """One hotline that got, or is to get, the report itself (types `created` and `unread`)."""

    hotline: str
    role: str  # primary, also, fallback
    state: str  # due, delivered, refused, parked, cancelled
    handling: str  # none, accepted, in_progress, rejected, closed


@dataclass(frozen=True, slots=True)
class CaseState:
    """`desk` is the hotline furthest along; None where nobody has it and nobody is about to."""

    state: str  # needs_person, closed, in_progress, accepted, delivered, queued
    desk: str | None


def derive_case_state(sendings: Iterable[RecipientState]) -> CaseState:
    """The first line that holds, from "nobody can take it" to "still on its way"."""
    alive = [s for s in sendings if s.state in ("due", "delivered") and s.handling != "rejected"]
    if not alive:
        return CaseState("needs_person", None)
    there = [s for s in alive if s.state == "delivered"]
    if there and all(s.handling == "closed" for s in there):
        return CaseState("closed", there[0].hotline)
    for handling in ("in_progress", "accepted"):
        for sending in alive:
            if sending.handling == handling:
                return CaseState(handling, sending.hotline)
    if there:
        return CaseState("delivered", min(there, key=lambda s: HANDLING_RANK.index(s.handling)).hotline)
    return CaseState("queued", alive[0].hotline)
