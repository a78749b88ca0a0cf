"""How a report as a whole stands: one pure function of what was sent to its hotlines."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

NOBODY_HAS_IT = ("queued", "delivered", "needs_person")  # states of a report that no person has taken on
FURTHEST = ("in_progress", "accepted", "none", "closed")  # whose name the reporter is told, first that holds


@dataclass(frozen=True, slots=True)
class Sending:
    """One hotline that got, or is to get, the report itself (types `created` and `unread`)."""

    hotline: str
    role: str  # primary, also, fallback
    state: str  # due, delivered, refused, parked, cancelled
    handling: str  # none, accepted, in_progress, rejected, closed


@dataclass(frozen=True, slots=True)
class Standing:
    """`desk` is the hotline furthest along; None where nobody has it and nobody is about to."""

    state: str  # needs_person, closed, in_progress, accepted, delivered, queued
    desk: str | None


def standing(sendings: Iterable[Sending]) -> Standing:
    """The first line that holds, from "nobody can take it" to "still on its way"."""
    alive = [s for s in sendings if s.state in ("due", "delivered") and s.handling != "rejected"]
    if not alive:
        return Standing("needs_person", None)
    there = [s for s in alive if s.state == "delivered"]
    if there and all(s.handling == "closed" for s in there):
        return Standing("closed", there[0].hotline)
    for handling in ("in_progress", "accepted"):
        for sending in alive:
            if sending.handling == handling:
                return Standing(handling, sending.hotline)
    if there:
        return Standing("delivered", min(there, key=lambda s: FURTHEST.index(s.handling)).hotline)
    return Standing("queued", alive[0].hotline)
