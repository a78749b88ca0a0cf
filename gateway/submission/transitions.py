"""The table of a report's submission: state and event → stored revision, next state, and the screen's message.

A higher revision of a report includes the content of all lower ones; numbers may have gaps. So a number that is too low
would lose words. If no record shows the latest revision, the table skips the numbers that may be in use.
`docs/submission.md` shows the table.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum

from msgspec import Struct
from msgspec.structs import replace

from gateway.messaging.model import Inbound
from gateway.sessions.record import Record
from gateway.sessions.report_ref import (
    NotSubmitted,
    PerhapsScheduled,
    ReportRef,
    Scheduled,
    SubmissionState,
    SubmissionUncertain,
    Submitted,
)

LEAP = 64  # revisions that an earlier session, or one without Redis, may have stored without a record of them
ADDITION = 2  # revisions that one answer after Send may take: in the database, and then in the spool
PER_REPLY = 4  # revisions that one reply of a replayed session may take


class SubmissionEvent(StrEnum):
    """An event in a report's submission, and where the report was stored."""

    SCHEDULE = "an answer in danger, or a first text"
    SCHEDULE_SPOOLED = "an answer in danger, or a first text, database unavailable"
    SEND = "Send"
    SEND_SPOOLED = "Send, database unavailable"
    NOT_STORED = "neither database nor spool stored it"
    ADD = "an answer after Send"
    ADD_SPOOLED = "an answer after Send, database unavailable"
    CANCEL = "the reporter leaves, or leaves the helpline out"
    DELETE = "Delete"
    NOT_WORKING = "the database fails during a step"  # its deletion or revision may be stored all the same
    REPLAY = "the session is replayed without Redis"
    DROP = "the call drops, or no SMS follows"


class Rule(Struct, frozen=True):
    """The effect of one event on a report in one state.

    The revision is that of the state, at least `min_revision`, plus `added_revisions`. `if_pending` replaces
    `added_revisions` while a revision is scheduled; `if_resumed` replaces it for a report that continues an earlier
    session. `told_reporter` is for docs/submission.md.
    """

    next_state: Callable[[SubmissionState, int], SubmissionState]
    told_reporter: str
    min_revision: int = 0
    added_revisions: int = 0
    if_pending: int | None = None
    if_resumed: int | None = None


def revision_for(report: ReportRef, event: SubmissionEvent) -> int:
    """Return the revision that `event` stores, or up to which it deletes. Raises KeyError for an impossible event."""
    rule = TABLE[type(report.state), event]
    add = rule.added_revisions
    if rule.if_pending is not None and report.is_pending:
        add = rule.if_pending
    if rule.if_resumed is not None and report.resumed:
        add = rule.if_resumed
    return max(report.revision, rule.min_revision) + add


def after_event(report: ReportRef, event: SubmissionEvent, revision: int | None = None) -> ReportRef:
    """Return the report after `event`. `revision`: the stored revision, if it is not the one of the table."""
    stored_revision = revision_for(report, event) if revision is None else revision
    return replace(report, state=TABLE[type(report.state), event].next_state(report.state, stored_revision))


def known_up_to(report: ReportRef, revision: int) -> ReportRef:
    """Return the report in the same state, with a revision that was found in the database or in the spool."""
    if isinstance(report.state, PerhapsScheduled):
        return replace(report, state=Scheduled(revision))
    return replace(report, state=replace(report.state, revision=revision))


def replayed(record: Record, inbound: Inbound) -> Record:
    """Return the record of a replayed session: in danger, a revision may be scheduled without a record of it.

    An answer before Send is then numbered by its place in the path, beyond any that the session in Redis may have
    stored before: whichever of database and spool is available, later words get the higher number.
    """
    in_danger = any(answer.question == "danger" and answer.value == "now" for answer in record.state.answers)
    report = record.report
    if report is None or report.is_submitted or not (report.is_pending or in_danger):
        return record
    revision_by_place = LEAP + PER_REPLY * inbound.text.count("*")
    revision = max(report.revision, revision_by_place)
    return replace(record, report=after_event(report, SubmissionEvent.REPLAY, revision))


def numbered(record: Record, inbound: Inbound) -> Record:
    """Number an answer after Send by its place in the path, if the provider sends the whole path each time.

    Whether the session is in Redis or is replayed, later words get the higher number, and one beyond its Send.
    """
    report = record.report
    if report is None or not report.is_submitted or not inbound.path:
        return record
    revision_by_place = 2 * LEAP + PER_REPLY * inbound.text.count("*")
    return replace(record, report=known_up_to(report, max(report.revision, revision_by_place)))


def _scheduled(state: SubmissionState, revision: int) -> SubmissionState:
    if isinstance(state, SubmissionUncertain):
        return SubmissionUncertain(revision, is_scheduled=True)
    return Scheduled(revision)


def _uncertain(state: SubmissionState, revision: int) -> SubmissionState:
    is_scheduled = state.is_scheduled if isinstance(state, SubmissionUncertain) else not isinstance(state, NotSubmitted)
    return SubmissionUncertain(revision, is_scheduled=is_scheduled)


def _submitted(state: SubmissionState, revision: int) -> SubmissionState:
    if isinstance(state, Submitted):
        return replace(state, revision=revision)
    return Submitted(revision, 0)


def _updated(state: SubmissionState, revision: int) -> SubmissionState:
    return replace(_submitted(state, revision), has_update=True)


def _updated_in_spool(state: SubmissionState, revision: int) -> SubmissionState:
    return replace(_submitted(state, revision), has_update=False)


def _cancelled(state: SubmissionState, _revision: int) -> SubmissionState:
    if isinstance(state, SubmissionUncertain):
        return SubmissionUncertain(state.revision)
    return NotSubmitted(state.revision)


def _replayed(state: SubmissionState, revision: int) -> SubmissionState:
    if isinstance(state, SubmissionUncertain):
        return SubmissionUncertain(revision, is_scheduled=True)
    return Scheduled(revision) if state.revision else PerhapsScheduled(revision)


def _deleted(_state: SubmissionState, _revision: int) -> SubmissionState:
    return NotSubmitted()


def _unchanged(state: SubmissionState, _revision: int) -> SubmissionState:
    return state


def _renumbered(state: SubmissionState, revision: int) -> SubmissionState:
    return replace(state, revision=revision)


NEXT, SENT, NOT_SENT, GONE = "the next screen", "Sent", "NOT SENT, and the numbers", "Deleted, or that a hotline knows"
FAILED = "the emergency numbers"
LEFT = "Goodbye by USSD, nothing by SMS"
NOTHING = "nothing"
AFTER_SEND = "nothing; answers after Send are submitted after 20 s at most, typed words at once"
AS_INCOMPLETE = "nothing; a hotline gets it as INCOMPLETE after 2 minutes (SMS 10, a first text 30)"

TABLE: dict[tuple[type[SubmissionState], SubmissionEvent], Rule] = {
    (NotSubmitted, SubmissionEvent.SCHEDULE): Rule(_scheduled, NEXT, added_revisions=1),
    (NotSubmitted, SubmissionEvent.SCHEDULE_SPOOLED): Rule(_scheduled, NEXT, added_revisions=2),
    (NotSubmitted, SubmissionEvent.SEND): Rule(_submitted, SENT, min_revision=1),
    (NotSubmitted, SubmissionEvent.SEND_SPOOLED): Rule(
        _submitted, SENT, min_revision=1, added_revisions=1, if_resumed=LEAP
    ),
    (NotSubmitted, SubmissionEvent.NOT_STORED): Rule(
        _uncertain, NOT_SENT, min_revision=1, added_revisions=1, if_resumed=LEAP
    ),
    (NotSubmitted, SubmissionEvent.NOT_WORKING): Rule(_unchanged, FAILED),
    (NotSubmitted, SubmissionEvent.REPLAY): Rule(_replayed, NEXT, min_revision=LEAP),
    (NotSubmitted, SubmissionEvent.DROP): Rule(_unchanged, NOTHING),
    (PerhapsScheduled, SubmissionEvent.SCHEDULE): Rule(_scheduled, NEXT),
    (PerhapsScheduled, SubmissionEvent.SCHEDULE_SPOOLED): Rule(_scheduled, NEXT, added_revisions=1),
    (PerhapsScheduled, SubmissionEvent.SEND): Rule(_submitted, SENT),
    (PerhapsScheduled, SubmissionEvent.SEND_SPOOLED): Rule(_submitted, SENT, added_revisions=1),
    (PerhapsScheduled, SubmissionEvent.NOT_STORED): Rule(_uncertain, NOT_SENT, added_revisions=1),
    (PerhapsScheduled, SubmissionEvent.CANCEL): Rule(_cancelled, LEFT),
    (PerhapsScheduled, SubmissionEvent.DELETE): Rule(_deleted, GONE),
    (PerhapsScheduled, SubmissionEvent.NOT_WORKING): Rule(_renumbered, FAILED, added_revisions=1),
    (PerhapsScheduled, SubmissionEvent.REPLAY): Rule(_renumbered, NEXT, min_revision=LEAP),
    (PerhapsScheduled, SubmissionEvent.DROP): Rule(_unchanged, AS_INCOMPLETE),
    (Scheduled, SubmissionEvent.SCHEDULE): Rule(_scheduled, NEXT, min_revision=1),
    (Scheduled, SubmissionEvent.SCHEDULE_SPOOLED): Rule(_scheduled, NEXT, min_revision=1, added_revisions=1),
    (Scheduled, SubmissionEvent.SEND): Rule(_submitted, SENT, min_revision=1),
    (Scheduled, SubmissionEvent.SEND_SPOOLED): Rule(
        _submitted, SENT, min_revision=1, added_revisions=1, if_resumed=LEAP
    ),
    (Scheduled, SubmissionEvent.NOT_STORED): Rule(
        _uncertain, NOT_SENT, min_revision=1, added_revisions=1, if_resumed=LEAP
    ),
    (Scheduled, SubmissionEvent.CANCEL): Rule(_cancelled, LEFT, min_revision=1),
    (Scheduled, SubmissionEvent.DELETE): Rule(_deleted, GONE, min_revision=1),
    (Scheduled, SubmissionEvent.NOT_WORKING): Rule(_renumbered, FAILED, min_revision=1, added_revisions=1),
    (Scheduled, SubmissionEvent.REPLAY): Rule(_renumbered, NEXT, min_revision=LEAP),
    (Scheduled, SubmissionEvent.DROP): Rule(_unchanged, AS_INCOMPLETE),
    (SubmissionUncertain, SubmissionEvent.SCHEDULE): Rule(_scheduled, NEXT, added_revisions=1, if_pending=0),
    (SubmissionUncertain, SubmissionEvent.SCHEDULE_SPOOLED): Rule(_scheduled, NEXT, added_revisions=2, if_pending=1),
    (SubmissionUncertain, SubmissionEvent.SEND): Rule(_submitted, SENT, min_revision=1, added_revisions=1),
    (SubmissionUncertain, SubmissionEvent.SEND_SPOOLED): Rule(
        _submitted, SENT, min_revision=1, added_revisions=1, if_resumed=LEAP
    ),
    (SubmissionUncertain, SubmissionEvent.NOT_STORED): Rule(
        _uncertain, NOT_SENT, min_revision=1, added_revisions=1, if_resumed=LEAP
    ),
    (SubmissionUncertain, SubmissionEvent.CANCEL): Rule(_cancelled, LEFT, min_revision=1),
    (SubmissionUncertain, SubmissionEvent.DELETE): Rule(
        _deleted, GONE, min_revision=1, added_revisions=1, if_resumed=LEAP
    ),
    (SubmissionUncertain, SubmissionEvent.NOT_WORKING): Rule(
        _renumbered, FAILED, min_revision=1, added_revisions=2, if_resumed=LEAP + 1
    ),
    (SubmissionUncertain, SubmissionEvent.REPLAY): Rule(_replayed, NEXT, min_revision=LEAP),
    (SubmissionUncertain, SubmissionEvent.DROP): Rule(_unchanged, AS_INCOMPLETE),
    (Submitted, SubmissionEvent.SEND): Rule(_submitted, SENT, min_revision=1, added_revisions=1),
    (Submitted, SubmissionEvent.SEND_SPOOLED): Rule(
        _submitted, SENT, min_revision=1, added_revisions=1, if_resumed=LEAP
    ),
    (Submitted, SubmissionEvent.NOT_STORED): Rule(_submitted, NOT_SENT, added_revisions=ADDITION),
    (Submitted, SubmissionEvent.ADD): Rule(_updated, NEXT, added_revisions=1, if_pending=0),
    (Submitted, SubmissionEvent.ADD_SPOOLED): Rule(_updated_in_spool, NEXT, added_revisions=2, if_pending=1),
    (Submitted, SubmissionEvent.DELETE): Rule(_deleted, GONE, min_revision=1, added_revisions=1, if_resumed=LEAP),
    (Submitted, SubmissionEvent.NOT_WORKING): Rule(
        _renumbered, FAILED, min_revision=1, added_revisions=2, if_resumed=LEAP + 1
    ),
    (Submitted, SubmissionEvent.DROP): Rule(_unchanged, AFTER_SEND),
}
