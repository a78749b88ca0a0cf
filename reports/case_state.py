"""The handling of a case by each hotline, which changes are allowed, and the state of the report as a whole. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

HANDLING_STATES: Final = ("accepted", "in_progress", "rejected", "closed")

# rejected: the report went to other hotlines, which are responsible now. closed: it can be reopened until it is purged.
HANDLING_TRANSITIONS: Final[Mapping[str, tuple[str, ...]]] = {
    "none": HANDLING_STATES,
    "accepted": ("in_progress", "rejected", "closed"),
    "in_progress": ("rejected", "closed"),
    "rejected": (),
    "closed": ("in_progress",),
}


def may_change(before: str, wanted: str) -> bool:
    """Return whether staff may change the handling from `before` to `wanted`.

    The same state again changes nothing, and is always allowed.
    """
    return wanted == before or wanted in HANDLING_TRANSITIONS[before]


UNACKNOWLEDGED_STATES = ("queued", "delivered", "needs_person")  # states of a report that nobody has acknowledged
HANDLING_RANK = ("in_progress", "accepted", "none", "closed")  # the reporter is told the hotline that ranks first


@dataclass(frozen=True, slots=True)
class RecipientState:
    """The state of one hotline that got, or is to get, the report itself (types `created` and `unread`)."""

    hotline: str
    role: str  # primary, also, fallback
    state: str  # due, delivered, refused, parked, cancelled
    handling: str  # none, accepted, in_progress, rejected, closed


@dataclass(frozen=True, slots=True)
class CaseState:
    """The state of a report as a whole.

    `desk`: the hotline furthest along; None if no hotline has the report and none is about to get it.
    """

    state: str  # needs_person, closed, in_progress, accepted, delivered, queued
    desk: str | None


def derive_case_state(sendings: Iterable[RecipientState]) -> CaseState:
    """Return the state of a report: the first one that applies, from `needs_person` to `queued`."""
    alive = [
        recipient
        for recipient in sendings
        if recipient.state in ("due", "delivered") and recipient.handling != "rejected"
    ]
    if not alive:
        return CaseState("needs_person", None)
    delivered = [recipient for recipient in alive if recipient.state == "delivered"]
    if delivered and all(recipient.handling == "closed" for recipient in delivered):
        return CaseState("closed", delivered[0].hotline)
    for state in ("in_progress", "accepted"):
        for recipient in alive:
            if recipient.handling == state:
                return CaseState(state, recipient.hotline)
    if delivered:
        return CaseState(
            "delivered", min(delivered, key=lambda recipient: HANDLING_RANK.index(recipient.handling)).hotline
        )
    return CaseState("queued", alive[0].hotline)
