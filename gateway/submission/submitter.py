"""Writes down what was told: in the database, and in the spool while that is away. Only then "Sent"."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from contextlib import suppress
from typing import TypeVar

import structlog
from msgspec import Struct
from msgspec.structs import replace

from gateway.sessions.circuit_breaker import CircuitBreaker
from gateway.sessions.report_ref import CodeState, PerhapsScheduled, ReportRef, Submitted
from gateway.submission.builder import ReportBuilder, ReportInput
from gateway.submission.transitions import Event, known_up_to, moved, revision_for
from reports.crypto import RecordCipher
from reports.escalation.priorities import queue_of
from reports.retention.erasure_journal import ErasureJournal
from reports.routing import Recipient
from reports.store import mailbox_access, submissions
from reports.store import submissions as store
from reports.store.engine.database import Database, DatabaseUnavailable
from reports.store.schema.base import new_id
from reports.store.spool import Spool, SpoolEntry, SpoolWriteError
from reports.store.submissions import Submission, SubmissionResult
from runtime.queue import DELIVER_JOB, JobQueue

T = TypeVar("T")

log = structlog.get_logger()

RESCUE_SECONDS = {"ussd": 120, "sms": 600}  # after the last answer; typing an SMS takes that long
WORDS_SECONDS = 30 * 60
GATHER_SECONDS = 20  # from the first answer after Send that is not filed yet; words wait for nothing
SECRET_BYTES = 32


class NotSent(Exception):
    """Neither the database nor the spool took it. The reporter must be told NOT SENT."""


class _Pending(Struct, frozen=True):
    """A revision that waits in the database; `was_submitted`: nothing was written, the report is complete already."""

    report_id: str
    revision: int
    priority: str
    was_submitted: bool = False


class Submitter:
    def __init__(
        self,
        *,
        database: Database,
        spool: Spool,
        cipher: RecordCipher,
        builder: ReportBuilder,
        hurry: JobQueue,
        count: Callable[[str], None],
        journal: ErasureJournal,
    ) -> None:
        self._database = database
        self._spool = spool
        self._cipher = cipher
        self._builder = builder
        self._job_queue = hurry
        self._count = count
        self._journal = journal
        self._breaker = CircuitBreaker(failures=3, window=30, rest=30)

    def begin(self, now: int, *origin: str, walked_again: bool = False) -> ReportRef:
        """Begin a report of this conversation. `origin` makes a repeated Send the same report.

        The id follows from it too, and tells only the hour: walked again with Redis and database both away, what is
        added goes into the spool under the id of what was sent before.

        Code and PIN come from a secret that is stored nowhere but in the sealed session. `walked_again`: the provider
        sends what nobody can guess with each request, and the secret is computed from that: there may be no session.
        """
        origin_key = self._cipher.mac("origin", *origin)
        secret = self._cipher.mac("code-secret", *origin) if walked_again else secrets.token_bytes(SECRET_BYTES)
        return ReportRef(self._own_id(origin_key, now), origin_key, now, secret=secret)

    def _own_id(self, origin_key: bytes, now: int) -> str:
        return new_id((now - now % 3600) * 1_000_000, self._cipher.mac("report-id", origin_key))

    # Send

    def send(
        self, told: ReportInput, report: ReportRef, recipients: tuple[Recipient, ...], *, with_code: bool
    ) -> ReportRef:
        """Store the report as complete for `recipients`; return what is now known of it. Raises NotSent."""
        if waits := self._spool.sent_by(report.origin_key):  # the same Send, replayed without Redis
            report = known_up_to(replace(report, report_id=waits[0]), max(report.revision, waits[1]))
        report = _with_secret(replace(report, recipients=recipients))
        box = mailbox_access.create_mailbox(self._cipher, report.secret) if with_code else None
        try:
            if (
                self._database.has_write_queue or self._breaker.is_open
            ):  # known before it is sealed; the spool takes all
                raise DatabaseUnavailable("others wait, or it is left alone")
            filing = self._seal(told, report, revision_for(report, Event.SEND), "complete")
            filed = self.write(lambda: store.commit(self._database, filing, box, unsent=report.is_unconfirmed))
            if filed.completeness == "complete" and not (filed.own or filed.late):
                # The earlier session's report went out whole; this may be another child: two reports rather than one.
                report = known_up_to(replace(report, report_id=self._own_id(report.origin_key, told.now)), 1)
                filing = self._seal(told, report, 1, "complete")
                filed = self.write(lambda: store.commit(self._database, filing, box))
            if not filed.fresh and (filed.late or filed.completeness == "incomplete"):
                filed = self._complete(told, report, filed)
            log.info("report_submitted", report_id=filed.report_id, priority=filing.priority)
        except DatabaseUnavailable:
            filing, filed = self._spool_sent(told, report, box)
            log.info(
                "report_submitted", report_id=filed.report_id, priority=filing.priority, reason="database_unavailable"
            )
        for delivery_id in filed.deliveries:
            self._job_queue.put(DELIVER_JOB, delivery_id, queue_of(filing.priority))
        code = CodeState.SHOWN if filed.has_code else CodeState.NONE
        state = Submitted(filed.revision, report.sent_at or told.now, code=code)
        return replace(report, report_id=filed.report_id, state=state, floor=filing.priority)

    def _seal(self, told: ReportInput, report: ReportRef, revision: int, completeness: str) -> Submission:
        return self._builder.seal(told, report, revision, report.recipients, completeness)

    def _complete(self, told: ReportInput, report: ReportRef, filed: SubmissionResult) -> SubmissionResult:
        """Complete what is there already as INCOMPLETE, or was stored late with less than is sent now."""
        report, revision = replace(report, report_id=filed.report_id), max(report.revision, filed.revision) + 1
        stored = self._put_pending(told, report, revision, report.recipients, "update", seconds=0)
        return replace(filed, revision=stored.revision)

    def _spool_sent(
        self, told: ReportInput, report: ReportRef, box: store.MailboxRecord | None
    ) -> tuple[Submission, SubmissionResult]:
        """Raises NotSent."""
        revision = revision_for(report, Event.SEND_SPOOLED)
        filing = self._seal(told, report, revision, "complete")
        kind = "anew" if report.is_unconfirmed else "again" if report.resumed else "sent"
        self._keep_in_spool(SpoolEntry(filing, kind, due_at=self._database.now(), mailbox=box))
        return filing, SubmissionResult(filing.report_id, True, "complete", revision, has_code=bool(box))

    def code_and_pin(self, report: ReportRef) -> tuple[str, str]:
        """Return what the Sent screen shows. By SMS the mailbox is opened only when the reporter asks for it."""
        return mailbox_access.code_and_pin(self._cipher, report.secret)

    def open_mailbox(self, report: ReportRef) -> ReportRef:
        """Store the mailbox of a code that was asked for. Raises DatabaseUnavailable."""
        if not isinstance(report.state, Submitted):
            raise LookupError("a code for a report that is not submitted")
        report = _with_secret(report)
        box = mailbox_access.create_mailbox(self._cipher, report.secret)
        self.write(lambda: store.save_mailbox(self._database, report.report_id, box))
        return replace(report, state=replace(report.state, code=CodeState.SHOWN))

    # Incomplete reports

    def schedule_incomplete(self, told: ReportInput, report: ReportRef, recipients: tuple[Recipient, ...]) -> ReportRef:
        """Schedule a report in danger: if nobody comes back, the child helpline gets it as INCOMPLETE (S-12)."""
        return self._schedule(told, report, recipients, "rescue", RESCUE_SECONDS[told.kind])

    def schedule_unsent_text(
        self, told: ReportInput, report: ReportRef, recipients: tuple[Recipient, ...]
    ) -> ReportRef:
        """Schedule words that were sent and never confirmed, without the number. Raises NotSent."""
        return self._schedule(told, report, recipients, "words", WORDS_SECONDS)

    def _schedule(
        self, told: ReportInput, report: ReportRef, recipients: tuple[Recipient, ...], kind: str, seconds: int
    ) -> ReportRef:
        """Treat an unknown commit outcome as scheduled: a later deletion must check."""
        if report.is_unconfirmed and self._spool.sent_by(report.origin_key):  # stored late: complete, not yet filed
            return replace(report, state=Submitted(report.revision, told.now, confirmed=False))
        try:
            stored = self._put_pending(
                told, report, revision_for(report, Event.SCHEDULE), recipients, kind, seconds=seconds
            )
        except DatabaseUnavailable:
            revision = revision_for(report, Event.SCHEDULE_SPOOLED)
            filing = self._builder.seal(told, report, revision, recipients, "incomplete")
            entry = SpoolEntry(filing, kind, due_at=self._database.now() + seconds * 1_000_000)
        else:
            report = replace(report, report_id=stored.report_id)
            if stored.was_submitted:
                state = Submitted(stored.revision, told.now, confirmed=not report.is_unconfirmed)
                return replace(report, state=state)
            return replace(moved(report, Event.SCHEDULE, stored.revision), floor=stored.priority)
        try:
            self._keep_in_spool(
                entry, lost="reports_not_stored" if kind == "words" else "incomplete_reports_not_stored"
            )
        except NotSent:
            if kind == "words":  # the screen promised that a hotline gets them
                raise
        return moved(report, Event.SCHEDULE_SPOOLED)  # where nothing stored it, the next answer tries again

    def update(self, told: ReportInput, report: ReportRef, *, at_once: bool) -> ReportRef:
        """Store an answer given after Send as the next revision, and return what is known of the report then.

        `at_once`: the clock files it in its next round, with every answer gathered before. Otherwise answers gather
        for `GATHER_SECONDS`, so that the hotline does not get an update for each key pressed. Raises NotSent.
        """
        seconds = 0 if at_once else GATHER_SECONDS
        try:
            revision = revision_for(report, Event.ADD)
            stored = self._put_pending(told, report, revision, report.recipients, "update", seconds=seconds)
            report = replace(report, report_id=stored.report_id, floor=stored.priority)
            return moved(report, Event.ADD, stored.revision)
        except DatabaseUnavailable:
            filing = self._seal(told, report, revision_for(report, Event.ADD_SPOOLED), "complete")
            self._keep_in_spool(SpoolEntry(filing, "update", due_at=self._database.now()))
            return replace(moved(report, Event.ADD_SPOOLED), floor=filing.priority)

    def _put_pending(
        self,
        told: ReportInput,
        report: ReportRef,
        revision: int,
        recipients: tuple[Recipient, ...],
        kind: str,
        *,
        seconds: int,
    ) -> _Pending:
        """Let a revision be filed after `seconds`; as the next one where the report was filed in the meantime."""
        filing = self._builder.seal(
            told, report, revision, recipients, "complete" if kind == "update" else "incomplete"
        )
        rose = report.floor is not None and filing.priority < report.floor and kind == "update"
        due_at = self._database.now() + (0 if rose else seconds * 1_000_000)
        known = self.write(lambda: submissions.schedule_pending(self._database, filing, kind, due_at))
        if known is None:
            return _Pending(report.report_id, revision, filing.priority)
        if known.complete and kind != "update":  # it was sent: nothing INCOMPLETE may come after that
            return _Pending(known.report_id, known.revision, filing.priority, was_submitted=True)
        report = replace(report, report_id=known.report_id)
        return self._put_pending(told, report, known.revision + 1, recipients, kind, seconds=seconds)

    # Cancel and delete

    def cancel(self, report: ReportRef) -> bool:
        """Delete what is scheduled, and no Send: its hotline was left out. False where it was filed already."""
        return not report.is_pending or self._delete(report, Event.CANCEL) == "deleted"

    def cancel_or_spool(self, report: ReportRef) -> bool:
        """Cancel, or let the spool do it once the database is back: False meanwhile.

        Raises DatabaseUnavailable where neither accepted it.
        """
        try:
            return self.cancel(report)
        except DatabaseUnavailable:
            if not self._spool_deletion(report, Event.CANCEL):
                raise
            return False

    def withdraw(self, report: ReportRef) -> None:
        """Cancel what a reporter who leaves has scheduled. Nobody is there to be told where that fails."""
        with suppress(DatabaseUnavailable):
            self.cancel_or_spool(report)

    def delete(self, report: ReportRef) -> str:
        """Delete on the reporter's word: "deleted"; "told" where a hotline knew of it before; "whole" where it was
        sent.

        Of what an earlier session told, the person on the phone now may be anybody, and learns nothing. Raises
        DatabaseUnavailable: then nobody may be told that it is deleted.
        """
        if not (report.is_pending or report.is_unconfirmed):
            return "deleted"
        return self._delete(report, Event.DELETE)

    def _delete(self, report: ReportRef, event: Event) -> str:
        spooled = any(report.report_id in name for name in self._spool.names())
        if spooled and not self._spool_deletion(report, event):
            raise DatabaseUnavailable("its deletion is not kept")
        found = self.write(lambda: submissions.cancel_pending(self._database, report.origin_key, report.report_id))
        by_another = report.resumed or isinstance(report.state, PerhapsScheduled)
        if found.filed != "complete" or by_another:
            self._record(report, event)
        if not found.filed or (by_another and (found.waited or spooled or not report.is_pending)):
            return "deleted"
        return "whole" if found.filed == "complete" and not by_another else "told"

    def _spool_deletion(self, report: ReportRef, event: Event) -> bool:
        """Put the deletion behind what waits in the spool, which would otherwise come after it."""
        over_sends = event is Event.DELETE and report.is_unconfirmed
        try:
            nothing = self._builder.nothing(report, revision_for(report, event))
            self._spool.put(SpoolEntry(nothing, "drop_unsent" if over_sends else "drop"))
        except SpoolWriteError:
            self._count("cancellations_not_stored")
            return False
        self._record(report, event)
        return True

    def _record(self, report: ReportRef, event: Event) -> None:
        """Note the deletion for a restored backup, which may bring back the draft up to this revision."""
        revision = revision_for(report, event)
        self._journal.record("draft", report_id=report.report_id, keys=(report.origin_key,), revision=revision)

    def flush_now(self, report: ReportRef) -> None:
        """File now what waits: the reporter pressed Done, or the network said that the call has ended."""
        if report.is_pending:
            try:
                now = self._database.now()
                self.write(
                    lambda: submissions.expedite_pending(self._database, report.origin_key, report.report_id, now)
                )
            except DatabaseUnavailable:
                self._count("pending_reports_not_flushed")  # it files itself in its own time

    # The two places

    def write(self, write: Callable[[], T]) -> T:
        """The database, unless it has just failed three times: then callers are not made to wait for it."""
        if self._breaker.is_open:
            raise DatabaseUnavailable("left alone")
        try:
            return write()
        except DatabaseUnavailable:
            self._breaker.failed()
            raise

    def _keep_in_spool(self, entry: SpoolEntry, lost: str = "reports_not_stored") -> None:
        try:
            self._spool.put(entry)
        except SpoolWriteError:
            self._count(lost)
            raise NotSent from None
        self._count("reports_spooled")


def _with_secret(report: ReportRef) -> ReportRef:
    """Give a report without a secret one of its own: code and PIN must never come from nothing."""
    return report if report.secret else replace(report, secret=secrets.token_bytes(SECRET_BYTES))
