"""The handling of a case by each hotline, which changes are allowed, and the state of the report as a whole. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from reports.delivery import DeliveryState, RecipientRole


class Handling(StrEnum):
    """The state that one hotline gives a case."""

    NONE = "none"  # nobody has acknowledged it
    ACCEPTED = "accepted"  # acknowledged
    IN_PROGRESS = "in_progress"
    REJECTED = "rejected"  # other hotlines got the report and are responsible now
    CLOSED = "closed"  # it can be reopened until it is purged


class ReportState(StrEnum):
    """The state of a report as a whole."""

    NEEDS_PERSON = "needs_person"  # no hotline has it or is about to get it
    QUEUED = "queued"
    DELIVERED = "delivered"
    ACCEPTED = "accepted"
    IN_PROGRESS = "in_progress"
    CLOSED = "closed"


class CaseOutcome(StrEnum):
    """The outcome with which a hotline closes a case."""

    HELPED = "helped"
    REFERRED = "handed_on"
    NOT_REACHED = "could_not_reach"
    NONE_RESPONDED = "none_came"
    NO_CHILD_IN_NEED = "no_child_in_need"
    HOAX = "hoax"  # a second person has to confirm


HANDLING_STATES: Final = tuple(state for state in Handling if state is not Handling.NONE)  # those that staff set

HANDLING_TRANSITIONS: Final[Mapping[Handling, tuple[Handling, ...]]] = {
    Handling.NONE: HANDLING_STATES,
    Handling.ACCEPTED: (Handling.IN_PROGRESS, Handling.REJECTED, Handling.CLOSED),
    Handling.IN_PROGRESS: (Handling.REJECTED, Handling.CLOSED),
    Handling.REJECTED: (),
    Handling.CLOSED: (Handling.IN_PROGRESS,),
}
ACTIVE: Final = (Handling.ACCEPTED, Handling.IN_PROGRESS)  # acknowledged and not closed
ACKNOWLEDGED: Final = (*ACTIVE, Handling.CLOSED)
# The states of a report that nobody has acknowledged
UNACKNOWLEDGED_STATES: Final = (ReportState.QUEUED, ReportState.DELIVERED, ReportState.NEEDS_PERSON)
# The hotline whose handling comes first here is named to the reporter
HANDLING_RANK: Final = (Handling.IN_PROGRESS, Handling.ACCEPTED, Handling.NONE, Handling.CLOSED)


def may_change(before: Handling, after: Handling) -> bool:
    """Return whether staff may change the handling from `before` to `after`.

    The same state again changes nothing, and is always allowed.
    """
    return after == before or after in HANDLING_TRANSITIONS[before]


@dataclass(frozen=True, slots=True)
class RecipientState:
    """The state of one hotline that got, or is to get, the report itself (types `created` and `unread`)."""

    hotline: str
    role: RecipientRole
    state: DeliveryState
    handling: Handling


@dataclass(frozen=True, slots=True)
class CaseState:
    """The state of a report as a whole.

    `desk`: the hotline furthest along; None if no hotline has the report and none is about to get it.
    """

    state: ReportState
    desk: str | None


def derive_case_state(recipients: Iterable[RecipientState]) -> CaseState:
    """Return the state of a report, and the hotline that decides it.

    The first that applies: needs a person, closed, in progress, accepted, delivered, queued.
    """
    alive = [
        recipient
        for recipient in recipients
        if recipient.state in (DeliveryState.DUE, DeliveryState.DELIVERED) and recipient.handling != Handling.REJECTED
    ]
    if not alive:
        return CaseState(ReportState.NEEDS_PERSON, None)
    delivered = [recipient for recipient in alive if recipient.state == DeliveryState.DELIVERED]
    if delivered and all(recipient.handling == Handling.CLOSED for recipient in delivered):
        return CaseState(ReportState.CLOSED, delivered[0].hotline)
    for handling, state in (
        (Handling.IN_PROGRESS, ReportState.IN_PROGRESS),
        (Handling.ACCEPTED, ReportState.ACCEPTED),
    ):
        for recipient in alive:
            if recipient.handling == handling:
                return CaseState(state, recipient.hotline)
    if delivered:
        furthest = min(delivered, key=lambda recipient: HANDLING_RANK.index(recipient.handling))
        return CaseState(ReportState.DELIVERED, furthest.hotline)
    return CaseState(ReportState.QUEUED, alive[0].hotline)
