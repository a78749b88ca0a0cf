"""Store reports: in the database, or in the spool while it is unavailable. Only then is "Sent" shown."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from enum import StrEnum
from typing import TypeVar

import structlog
from msgspec import Struct
from msgspec.structs import replace

from gateway.circuit_breaker import CircuitBreaker
from gateway.sessions.report_ref import CodeState, PerhapsScheduled, ReportRef, Submitted
from gateway.submission.builder import ReportBuilder, ReportInput
from gateway.submission.transitions import SubmissionEvent, after_event, known_up_to, revision_for
from reports.crypto import RecordCipher
from reports.erasure_journal import ErasureJournal
from reports.escalation import PendingKind, Priority, queue_of
from reports.facts import Completeness
from reports.routing import Recipient
from reports.store import mailbox_access, pending_submissions, submissions, tombstones
from reports.store.engine.database import Database, DatabaseUnavailable, NoTimeLeft, RowRefused
from reports.store.schema.base import derived_id
from reports.store.spool import Spool, SpoolEntry, SpoolWriteError
from reports.store.submissions import Submission, SubmissionResult
from runtime import tracing
from runtime.queue import DELIVER_JOB, JobQueue
from runtime.telephony import ChannelKind

T = TypeVar("T")

log = structlog.get_logger()

# After the last answer. Typing an SMS can take ten minutes.
INCOMPLETE_SECONDS: Mapping[ChannelKind, int] = {"ussd": 120, "voice": 120, "sms": 600}
UNCONFIRMED_TEXT_SECONDS = 30 * 60  # after the first of them; then a hotline gets words that were never confirmed
GATHER_ANSWERS_SECONDS = 20  # answers after Send wait this long, counted from the first; typed words do not wait
SLOW_SECONDS = 0.5  # a database that works answers sooner
SECRET_BYTES = 32


class NotSent(Exception):
    """Neither the database nor the spool stored the report. The reporter must read NOT SENT."""


class WaitsInSpool(DatabaseUnavailable):
    """The database answers, but what it would have to change is still in the spool."""


class DeleteOutcome(StrEnum):
    """The result of deleting a report at the reporter's request.

    `flows/report.yaml` names these values: each has a screen of its own.
    """

    DELETED = "deleted"  # no hotline has it, or nothing may be revealed of it
    TOLD = "told"  # a hotline already has an incomplete report
    WHOLE = "whole"  # it was sent complete


class _Pending(Struct, frozen=True):
    """A revision scheduled in the database.

    `was_submitted`: nothing was written: the report is complete, or holds later words of this session already.
    """

    report_id: str
    revision: int
    priority: Priority
    was_submitted: bool = False


class Submitter:
    """Submit, schedule, update, cancel and delete reports, with the spool as the fallback of the database."""

    def __init__(
        self,
        *,
        database: Database,
        spool: Spool,
        cipher: RecordCipher,
        builder: ReportBuilder,
        job_queue: JobQueue,
        count: Callable[[str], None],
        journal: ErasureJournal,
    ) -> None:
        self._database = database
        self._spool = spool
        self._cipher = cipher
        self._builder = builder
        self._job_queue = job_queue
        self._count = count
        self._journal = journal
        self._breaker = CircuitBreaker("database_unavailable", failures=3, window=30, pause=30)

    def begin(self, now: int, *origin: str, is_replayable: bool = False) -> ReportRef:
        """Return the reference of a new report of this session; nothing is stored yet.

        The same `origin` yields the same report, so that a repeated Send is idempotent.

        The report id follows from `origin` alone, not from the time. So if a session is replayed while Redis and the
        database are unavailable, later answers enter the spool under the id of the report sent before.

        Code and PIN are derived from a secret that is stored only in the sealed session. `is_replayable`: the provider
        sends the whole path with an unguessable session id, and the secret is derived from `origin`, since there may be
        no session.
        """
        origin_key = self.origin_key(*origin)
        secret = self._cipher.mac("code-secret", *origin) if is_replayable else secrets.token_bytes(SECRET_BYTES)
        return ReportRef(self._own_id(origin_key), origin_key, now, secret=secret)

    def origin_key(self, *origin: str) -> bytes:
        """Return the idempotency key of a report of this origin."""
        return self._cipher.mac("origin", *origin)

    def origin_keys(self, *origin: str) -> tuple[bytes, ...]:
        """Return the keys that a report of this origin may be stored under, one for each store key, newest first."""
        return self._cipher.macs("origin", *origin)

    def _own_id(self, origin_key: bytes) -> str:
        return derived_id(self._cipher.mac("report-id", origin_key))

    # Send

    def send(
        self, content: ReportInput, report: ReportRef, recipients: tuple[Recipient, ...], *, with_code: bool
    ) -> ReportRef:
        """Store the report as complete for `recipients`, and return its new state. Raises NotSent.

        `with_code`: also create the mailbox, so that code and PIN can be shown.
        """
        with tracing.span("send", channel=content.channel, country=content.country.iso):
            sent = self._send(content, report, recipients, with_code=with_code)
            tracing.annotate(report_id=sent.report_id, priority=sent.min_priority)
            return sent

    def _send(
        self, content: ReportInput, report: ReportRef, recipients: tuple[Recipient, ...], *, with_code: bool
    ) -> ReportRef:
        if spooled_send := self._spool.sent_by(report.origin_key):  # this Send was replayed without Redis
            report = known_up_to(replace(report, report_id=spooled_send[0]), max(report.revision, spooled_send[1]))
        report = _with_secret(replace(report, named_recipients=recipients))
        mailbox = mailbox_access.create_mailbox(self._cipher, report.secret) if with_code else None
        try:
            # Checked before sealing: the report goes to the spool instead.
            if self._database.has_write_queue or self._breaker.is_open:
                raise DatabaseUnavailable("other writes are waiting, or the circuit breaker is open")
            submission = self._seal(content, report, revision_for(report, SubmissionEvent.SEND), Completeness.COMPLETE)
            result = self.write(
                lambda: submissions.commit(self._database, submission, mailbox, unsent=report.is_unconfirmed)
            )
            if result.completeness == Completeness.COMPLETE and not (result.by_this_session or result.replaces_unsent):
                # The earlier session's report was sent complete; this may be another child: two reports, not one.
                report = known_up_to(replace(report, report_id=self._own_id(report.origin_key)), 1)
                submission = self._seal(content, report, 1, Completeness.COMPLETE)
                result = self.write(lambda: submissions.commit(self._database, submission, mailbox))
            if not result.is_new and (result.replaces_unsent or result.completeness == Completeness.INCOMPLETE):
                result = self._complete(content, report, result)
            log.info("report_submitted", report_id=result.report_id, priority=submission.priority)
        except DatabaseUnavailable:
            submission, result = self._spool_sent(content, report, mailbox)
            log.info(
                "report_submitted",
                report_id=result.report_id,
                priority=submission.priority,
                reason="database_unavailable",
            )
        for delivery_id in result.deliveries:
            self._job_queue.put(DELIVER_JOB, delivery_id, queue_of(submission.priority))
        code_state = CodeState.SHOWN if result.has_code else CodeState.NONE
        state = Submitted(result.revision, report.sent_at or content.now, code=code_state)
        return replace(report, report_id=result.report_id, state=state, min_priority=submission.priority)

    def _seal(self, content: ReportInput, report: ReportRef, revision: int, completeness: Completeness) -> Submission:
        return self._builder.seal(content, report, revision, report.named_recipients, completeness)

    def _complete(self, content: ReportInput, report: ReportRef, result: SubmissionResult) -> SubmissionResult:
        """Complete a report stored as incomplete, or one stored late with fewer answers than are sent now.

        If this Send is replayed, the session may have stored an update with later words already: it stays.
        """
        report, revision = replace(report, report_id=result.report_id), max(report.revision, result.revision) + 1
        pending = self._put_pending(
            content,
            report,
            revision,
            report.named_recipients,
            PendingKind.UPDATE,
            seconds=0,
            may_be_repeat=True,
        )
        return replace(result, revision=pending.revision)

    def _spool_sent(
        self, content: ReportInput, report: ReportRef, mailbox: submissions.MailboxRecord | None
    ) -> tuple[Submission, SubmissionResult]:
        """Put a complete report into the spool. Raises NotSent."""
        revision = revision_for(report, SubmissionEvent.SEND_SPOOLED)
        submission = self._seal(content, report, revision, Completeness.COMPLETE)
        kind = "anew" if report.is_unconfirmed else "again" if report.resumed else "sent"
        self._put_in_spool(SpoolEntry(submission, kind, due_at=self._database.now(), mailbox=mailbox))
        return submission, SubmissionResult(
            submission.report_id, True, Completeness.COMPLETE, revision, has_code=bool(mailbox)
        )

    def code_and_pin(self, report: ReportRef) -> tuple[str, str]:
        """Return the code and PIN of the Sent screen.

        By SMS the mailbox is created only when the reporter asks for a code.
        """
        return mailbox_access.code_and_pin(self._cipher, report.secret)

    def open_mailbox(self, report: ReportRef) -> ReportRef:
        """Store the mailbox of a code that the reporter asked for. Raises DatabaseUnavailable."""
        if not isinstance(report.state, Submitted):
            raise LookupError("cannot store a mailbox: the report is not submitted")
        report = _with_secret(report)
        mailbox = mailbox_access.create_mailbox(self._cipher, report.secret)
        self.write(lambda: submissions.save_mailbox(self._database, report.report_id, mailbox))
        return replace(report, state=replace(report.state, code=CodeState.SHOWN))

    # Incomplete reports

    def schedule_incomplete(
        self, content: ReportInput, report: ReportRef, recipients: tuple[Recipient, ...]
    ) -> ReportRef:
        """Schedule a report in danger: if the session drops, the child helpline gets it as INCOMPLETE (S-12)."""
        return self._schedule(content, report, recipients, PendingKind.RESCUE, INCOMPLETE_SECONDS[content.kind])

    def schedule_unsent_text(
        self, content: ReportInput, report: ReportRef, recipients: tuple[Recipient, ...]
    ) -> ReportRef:
        """Schedule words that were texted and never confirmed, without the telephone number. Raises NotSent."""
        return self._schedule(content, report, recipients, PendingKind.UNCONFIRMED_TEXT, UNCONFIRMED_TEXT_SECONDS)

    def submit_words(self, content: ReportInput, report: ReportRef, recipients: tuple[Recipient, ...]) -> str:
        """Submit a report of words alone at once, as INCOMPLETE, and return its id. Raises DatabaseUnavailable.

        It never goes to the spool: words for a report that is there need the database too, and both are answered alike.
        """
        if not recipients:
            raise DatabaseUnavailable("no hotline in the country file may receive words without a report")
        submission = self._builder.seal(content, report, 1, recipients, Completeness.INCOMPLETE)
        result = self.write(lambda: submissions.commit(self._database, submission))
        log.info("report_submitted", report_id=result.report_id, priority=submission.priority)
        for delivery_id in result.deliveries:
            self._job_queue.put(DELIVER_JOB, delivery_id, queue_of(submission.priority))
        return result.report_id

    def _schedule(
        self,
        content: ReportInput,
        report: ReportRef,
        recipients: tuple[Recipient, ...],
        kind: PendingKind,
        seconds: int,
    ) -> ReportRef:
        """Schedule an incomplete revision.

        An unknown commit outcome counts as scheduled: a later deletion must check.
        """
        # Stored late: complete in the spool, and not yet in the database.
        if report.is_unconfirmed and self._spool.sent_by(report.origin_key):
            return replace(report, state=Submitted(report.revision, content.now, confirmed=False))
        try:
            pending = self._put_pending(
                content, report, revision_for(report, SubmissionEvent.SCHEDULE), recipients, kind, seconds=seconds
            )
        except DatabaseUnavailable:
            revision = revision_for(report, SubmissionEvent.SCHEDULE_SPOOLED)
            submission = self._builder.seal(content, report, revision, recipients, Completeness.INCOMPLETE)
            entry = SpoolEntry(submission, kind, due_at=self._database.now() + seconds * 1_000_000)
        else:
            report = replace(report, report_id=pending.report_id)
            if pending.was_submitted:
                state = Submitted(pending.revision, content.now, confirmed=not report.is_unconfirmed)
                return replace(report, state=state)
            scheduled = after_event(report, SubmissionEvent.SCHEDULE, pending.revision)
            own_revision = report.own_revision or pending.revision
            return replace(scheduled, min_priority=pending.priority, own_revision=own_revision)
        try:
            self._put_in_spool(
                entry,
                lost="reports_not_stored" if kind == PendingKind.UNCONFIRMED_TEXT else "incomplete_reports_not_stored",
            )
        except NotSent:
            if kind == PendingKind.UNCONFIRMED_TEXT:  # the screen promised them to a hotline
                raise
        # If neither the database nor the spool stored it, the next answer tries again.
        own_revision = report.own_revision or revision
        return replace(after_event(report, SubmissionEvent.SCHEDULE_SPOOLED), own_revision=own_revision)

    def update(self, content: ReportInput, report: ReportRef, *, at_once: bool) -> ReportRef:
        """Store an answer after Send as the next revision, and return the report's new state. Raises NotSent.

        `at_once`: the scheduler submits it in its next round, with all answers gathered before. Otherwise answers are
        gathered for `GATHER_ANSWERS_SECONDS`, so that the hotline does not get an update for each key. An update in
        the spool is always due at once.
        """
        seconds = 0 if at_once else GATHER_ANSWERS_SECONDS
        try:
            revision = revision_for(report, SubmissionEvent.ADD)
            pending = self._put_pending(
                content, report, revision, report.named_recipients, PendingKind.UPDATE, seconds=seconds
            )
            report = replace(report, report_id=pending.report_id, min_priority=pending.priority)
            return after_event(report, SubmissionEvent.ADD, pending.revision)
        except DatabaseUnavailable:
            submission = self._seal(
                content, report, revision_for(report, SubmissionEvent.ADD_SPOOLED), Completeness.COMPLETE
            )
            self._put_in_spool(SpoolEntry(submission, PendingKind.UPDATE, due_at=self._database.now()))
            return replace(after_event(report, SubmissionEvent.ADD_SPOOLED), min_priority=submission.priority)

    def _put_pending(
        self,
        content: ReportInput,
        report: ReportRef,
        revision: int,
        recipients: tuple[Recipient, ...],
        kind: PendingKind,
        *,
        seconds: int,
        may_be_repeat: bool = False,
    ) -> _Pending:
        """Schedule a revision to be submitted after `seconds`.

        If the report was submitted meanwhile, the next higher revision is scheduled, but nothing INCOMPLETE after a
        complete report. An update that raises the priority is due at once. Raises DatabaseUnavailable.
        """
        submission = self._builder.seal(
            content,
            report,
            revision,
            recipients,
            Completeness.COMPLETE if kind == PendingKind.UPDATE else Completeness.INCOMPLETE,
        )
        priority_rose = (
            report.min_priority is not None and submission.priority < report.min_priority and kind == PendingKind.UPDATE
        )
        due_at = self._database.now() + (0 if priority_rose else seconds * 1_000_000)
        existing = self.write(
            lambda: pending_submissions.schedule_pending(
                self._database, submission, kind, due_at, may_be_repeat=may_be_repeat
            )
        )
        if existing is None:
            return _Pending(report.report_id, revision, submission.priority)
        if existing.is_enough:
            return _Pending(existing.report_id, existing.revision, submission.priority, was_submitted=True)
        report = replace(report, report_id=existing.report_id)
        return self._put_pending(
            content,
            report,
            existing.revision + 1,
            recipients,
            kind,
            seconds=seconds,
            may_be_repeat=may_be_repeat,
        )

    # Cancel and delete

    def cancel(self, report: ReportRef) -> bool:
        """Delete the scheduled revision of a report; a submitted report stays.

        Returns True also if nothing was scheduled, False if it was submitted already. Raises DatabaseUnavailable.
        """
        return not report.is_pending or self._delete(report, SubmissionEvent.CANCEL) is DeleteOutcome.DELETED

    def cancel_or_spool(self, report: ReportRef) -> bool:
        """Cancel a scheduled revision.

        Returns True if deleted, False if it was submitted already or the deletion is queued in the spool. Raises
        DatabaseUnavailable if neither accepted it.
        """
        try:
            return self.cancel(report)
        except DatabaseUnavailable:
            if not self._spool_deletion(report, SubmissionEvent.CANCEL):
                raise
            return False

    def withdraw(self, report: ReportRef) -> None:
        """Cancel the scheduled revision of a reporter who leaves. Failures are ignored: nobody is left to read them."""
        with suppress(DatabaseUnavailable):
            self.cancel_or_spool(report)

    def delete(self, report: ReportRef) -> DeleteOutcome:
        """Delete a report at the reporter's request.

        Of a report resumed from an earlier session nothing is revealed that this session has not told: the person on
        the phone now may be another one. Raises DatabaseUnavailable: then the reporter must not be told that it is
        deleted.
        """
        if not (report.is_pending or report.is_unconfirmed):
            return DeleteOutcome.DELETED
        return self._delete(report, SubmissionEvent.DELETE)

    def _delete(self, report: ReportRef, event: SubmissionEvent) -> DeleteOutcome:
        spooled = self._is_spooled(report.report_id)
        if spooled and not self._spool_deletion(report, event):
            raise DatabaseUnavailable("the spool did not store the deletion")
        cancellation = self.write(
            lambda: pending_submissions.cancel_pending(
                self._database,
                report.origin_key,
                report.report_id,
                # After CANCEL the session goes on, so nothing beyond the last known revision is ruled out.
                tombstone_up_to=revision_for(report, event) if event is SubmissionEvent.DELETE else report.revision,
                with_sends=_includes_sends(report, event),
            )
        )
        by_other_session = report.resumed or isinstance(report.state, PerhapsScheduled)
        if cancellation.stored_completeness != Completeness.COMPLETE or by_other_session:
            self._record(report, event)
        if not cancellation.stored_completeness:
            return DeleteOutcome.DELETED
        is_complete = cancellation.stored_completeness == Completeness.COMPLETE
        if report.resumed and not (is_complete and report.own_send):
            is_told = not is_complete and 0 < report.own_revision <= cancellation.stored_revision
        elif isinstance(report.state, PerhapsScheduled):
            is_told = report.is_pending and not (cancellation.was_pending or spooled)
        else:
            return DeleteOutcome.WHOLE if is_complete else DeleteOutcome.TOLD
        return DeleteOutcome.TOLD if is_told else DeleteOutcome.DELETED

    def refuse_spooled(self, report_id: str) -> None:
        """Raise DatabaseUnavailable if the spool holds an update of this report: a deletion would come before it."""
        if self._is_spooled(report_id):
            raise DatabaseUnavailable("an update waits in the spool")

    def refuse_spooled_origins(self, origin_keys: Collection[bytes]) -> None:
        """Raise WaitsInSpool if the spool holds a report with one of these origin keys."""
        if self._spool.names() and any(self._spool.sent_by(key) for key in origin_keys):
            raise WaitsInSpool("a report waits in the spool")

    def cancel_updates(self, report_id: str) -> None:
        """Delete the scheduled updates of a report whose deletion was asked for. Raises DatabaseUnavailable."""
        self.write(
            lambda: pending_submissions.cancel_pending(
                self._database, b"", report_id, tombstone_up_to=tombstones.ALL_REVISIONS
            )
        )

    def _is_spooled(self, report_id: str) -> bool:
        return any(report_id in name for name in self._spool.names())

    def _spool_deletion(self, report: ReportRef, event: SubmissionEvent) -> bool:
        """Queue the deletion behind the spooled revisions, which would otherwise follow it. Return False on failure."""
        try:
            deletion = self._builder.empty_submission(report, revision_for(report, event))
            self._spool.put(SpoolEntry(deletion, "drop_unsent" if _includes_sends(report, event) else "drop"))
        except SpoolWriteError:
            self._count("cancellations_not_stored")
            return False
        self._record(report, event)
        return True

    def _record(self, report: ReportRef, event: SubmissionEvent) -> None:
        """Journal the deletion: a restored backup may bring back the draft up to this revision."""
        self._journal.record(
            "draft",
            report_id=report.report_id,
            keys=(report.origin_key,),
            revision=revision_for(report, event),
            with_sends=_includes_sends(report, event),
        )

    def make_due_now(self, report: ReportRef) -> None:
        """Make the scheduled revision due now; the scheduler submits it within a second. A failure is only counted."""
        if report.is_pending:
            try:
                now = self._database.now()
                self.write(
                    lambda: pending_submissions.expedite_pending(
                        self._database, report.origin_key, report.report_id, now
                    )
                )
            except DatabaseUnavailable:
                self._count("pending_reports_not_flushed")  # the scheduler submits it when it is due

    # Database and spool

    def write(self, write: Callable[[], T]) -> T:
        """Call `write` and return its result. Raises DatabaseUnavailable, at once while the circuit breaker is open.

        A failure counts for the circuit breaker only if the database had enough time to answer: enough was left when
        the call began, or the call took `SLOW_SECONDS` or more.
        """
        if self._breaker.is_open:
            raise DatabaseUnavailable("the circuit breaker is open")
        had_time, began = self._database.has_enough_time, time.monotonic()
        try:
            return write()
        except (RowRefused, NoTimeLeft):  # the database answers, or was not asked; other reports need not be spooled
            raise
        except DatabaseUnavailable:
            if had_time or time.monotonic() - began >= SLOW_SECONDS:
                self._breaker.failed()
            raise

    def _put_in_spool(self, entry: SpoolEntry, lost: str = "reports_not_stored") -> None:
        try:
            self._spool.put(entry)
        except SpoolWriteError:
            self._count(lost)
            raise NotSent from None
        self._count("reports_spooled")


def _includes_sends(report: ReportRef, event: SubmissionEvent) -> bool:
    """Return whether a deletion must also cover a Send that the reporter saw as NOT SENT."""
    return event is SubmissionEvent.DELETE and report.is_unconfirmed


def _with_secret(report: ReportRef) -> ReportRef:
    """Add a secret to a report without one: code and PIN must never be derived from an empty secret."""
    return report if report.secret else replace(report, secret=secrets.token_bytes(SECRET_BYTES))
