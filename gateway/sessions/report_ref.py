"""The state of a report in its session: which report it is, and how far its submission has come.

The five states exclude one another. `gateway.submission.transitions` has the table of transitions between them.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TypeAlias

from msgspec import Struct

from reports.escalation import Priority
from reports.routing import Recipient


class CodeState(StrEnum):
    """The state of a submitted report's access code and PIN."""

    NONE = "none"  # not asked for yet
    SHOWN = "shown"  # on the current screen
    SEEN = "seen"  # the reporter has replied to that screen: they are never shown again


class NotSubmitted(Struct, frozen=True, array_like=True, tag="not_submitted"):
    """Nothing is stored. `revision`: the highest that was stored and cancelled; 0 if there was none."""

    revision: int = 0


class PerhapsScheduled(Struct, frozen=True, array_like=True, tag="perhaps_scheduled"):
    """The session was replayed: a revision of at most this number may be scheduled, or none."""

    revision: int


class Scheduled(Struct, frozen=True, array_like=True, tag="scheduled"):
    """The scheduler submits this revision as incomplete unless Send, Delete or a later revision comes first."""

    revision: int


class SubmissionUncertain(Struct, frozen=True, array_like=True, tag="uncertain"):
    """The reporter was told NOT SENT, but a slow disk may have stored the report all the same.

    `is_scheduled`: an incomplete revision is scheduled, as in `Scheduled`.
    """

    revision: int
    is_scheduled: bool = False


class Submitted(Struct, frozen=True, array_like=True, tag="submitted"):
    """The report is stored as complete. `sent_at`: Unix time.

    `has_update`: an answer given after Send is scheduled. `confirmed`: the reporter was told "Sent"; False if NOT SENT
    was shown and the report turned out to be stored.
    """

    revision: int
    sent_at: int
    has_update: bool = False
    confirmed: bool = True
    code: CodeState = CodeState.NONE


SubmissionState: TypeAlias = NotSubmitted | PerhapsScheduled | Scheduled | SubmissionUncertain | Submitted


class ReportRef(Struct, frozen=True, array_like=True):
    """A report that was begun: its identity and its state."""

    report_id: str
    origin_key: bytes  # the idempotency key: a repeated Send of one session is the same report
    created_at: int  # Unix time
    state: SubmissionState = NotSubmitted()
    min_priority: Priority | None = None  # the highest priority reached
    named_recipients: tuple[Recipient, ...] = ()  # the hotlines named on the Send screen; no others get it
    resumed: bool = False  # it continues an earlier session of this phone
    secret: bytes = b""  # secret of this session, from which code and PIN are derived; deleted once they were seen
    own_revision: int = 0  # the first revision that was scheduled with answers of this session; 0 if there is none
    own_send: bool = False  # Send was pressed in this session, and NOT SENT shown: a slow disk may have stored it

    @property
    def revision(self) -> int:
        """Return the highest revision known to this session."""
        return self.state.revision

    @property
    def sent_at(self) -> int | None:
        """Return when the report was submitted, as Unix time; None before."""
        return self.state.sent_at if isinstance(self.state, Submitted) else None

    @property
    def is_submitted(self) -> bool:
        """Return whether the report is stored as complete."""
        return isinstance(self.state, Submitted)

    @property
    def is_pending(self) -> bool:
        """Return whether a revision of it is scheduled, or may be."""
        match self.state:
            case PerhapsScheduled() | Scheduled():
                return True
            case SubmissionUncertain(is_scheduled=is_scheduled) | Submitted(has_update=is_scheduled):
                return is_scheduled
            case _:
                return False

    @property
    def is_unconfirmed(self) -> bool:
        """Return whether NOT SENT was shown, and the report is or may be stored."""
        match self.state:
            case SubmissionUncertain() | Submitted(confirmed=False):
                return True
            case _:
                return False

    @property
    def code(self) -> CodeState:
        """Return whether access code and PIN may be shown; `NONE` before Send."""
        return self.state.code if isinstance(self.state, Submitted) else CodeState.NONE
