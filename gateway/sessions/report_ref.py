"""What a session remembers of its report: which one it is, and how far its submission has come.

The five states exclude one another. `gateway.submission.transitions` has the one table of how a report gets from one
to the next.
"""

from __future__ import annotations

from enum import StrEnum
from typing import ClassVar, TypeAlias

from msgspec import Struct

from reports.routing import Recipient


class CodeState(StrEnum):
    """Whether access code and PIN of a submitted report may still be shown."""

    NONE = "none"  # not asked for yet
    SHOWN = "shown"  # on the screen that is open
    SEEN = "seen"  # the reporter has replied to that screen: they are never shown again


class NotSubmitted(Struct, frozen=True, array_like=True, tag="not_submitted"):
    """Nothing is stored. `revision` is the highest that was stored and cancelled; 0 where there was none."""

    revision: int = 0


class PerhapsScheduled(Struct, frozen=True, array_like=True, tag="perhaps_scheduled"):
    """The session was replayed without Redis: a revision may be scheduled, and nobody remembers which."""

    revision: ClassVar[int] = 0


class Scheduled(Struct, frozen=True, array_like=True, tag="scheduled"):
    """The scheduler submits this revision as incomplete unless Send, Delete or a later revision comes first."""

    revision: int


class SubmissionUncertain(Struct, frozen=True, array_like=True, tag="uncertain"):
    """The reporter was told NOT SENT, and a slow disk may have stored it all the same.

    `is_scheduled`: an incomplete revision is scheduled, as in `Scheduled`.
    """

    revision: int
    is_scheduled: bool = False


class Submitted(Struct, frozen=True, array_like=True, tag="submitted"):
    """The report is stored as complete. `sent_at`: Unix seconds.

    `has_update`: an answer given after Send waits to be delivered. `confirmed`: the reporter was told "Sent"; False
    where NOT SENT was shown of a report that turned out to be stored.
    """

    revision: int
    sent_at: int
    has_update: bool = False
    confirmed: bool = True
    code: CodeState = CodeState.NONE


SubmissionState: TypeAlias = NotSubmitted | PerhapsScheduled | Scheduled | SubmissionUncertain | Submitted


class ReportRef(Struct, frozen=True, array_like=True):
    """A report that was begun: how it will be known, and how far it has come."""

    report_id: str
    origin_key: bytes  # the idempotency key: a repeated Send of one session is the same report
    created_at: int  # Unix seconds
    state: SubmissionState = NotSubmitted()
    floor: str | None = None  # the highest priority reached
    recipients: tuple[Recipient, ...] = ()  # the hotlines that the Send screen named: those and no others get it
    resumed: bool = False  # it goes on from an earlier session of this phone
    secret: bytes = b""  # of this session alone: code and PIN come from it; dropped once they were seen

    @property
    def revision(self) -> int:
        """The highest revision that this session knows of."""
        return self.state.revision

    @property
    def sent_at(self) -> int | None:
        """When the report was submitted, in Unix seconds; None before."""
        return self.state.sent_at if isinstance(self.state, Submitted) else None

    @property
    def is_submitted(self) -> bool:
        """Whether the report is stored as complete."""
        return isinstance(self.state, Submitted)

    @property
    def is_pending(self) -> bool:
        """Whether the scheduler holds a revision of it, or may hold one."""
        match self.state:
            case PerhapsScheduled() | Scheduled():
                return True
            case SubmissionUncertain(is_scheduled=waits) | Submitted(has_update=waits):
                return waits
            case _:
                return False

    @property
    def is_unconfirmed(self) -> bool:
        """Whether NOT SENT was shown of what may be stored, or is."""
        match self.state:
            case SubmissionUncertain() | Submitted(confirmed=False):
                return True
            case _:
                return False

    @property
    def code(self) -> CodeState:
        """Whether access code and PIN may be shown; `NONE` before Send."""
        return self.state.code if isinstance(self.state, Submitted) else CodeState.NONE
