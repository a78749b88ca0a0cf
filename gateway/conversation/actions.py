"""Effects of a flow's `do:`. Each effect returns the name of its outcome; the flow decides the next screen."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Mapping
from contextlib import suppress

from msgspec.structs import replace

from gateway.conversation.contact_requests import ContactRequests
from gateway.conversation.context import TurnRequest, report_input
from gateway.conversation.mailbox import ReporterMailbox, forgotten
from gateway.conversation.overflow import has_stored_excess
from gateway.conversation.recordings import SpokenWords
from gateway.sessions.phone_history import SentReport
from gateway.sessions.record import Record
from gateway.sessions.store import Sessions
from gateway.sms import OptOuts
from gateway.submission.submitter import DeleteOutcome, NotSent, Submitter
from gateway.threads import RunBlocking
from reports.facts import Completeness
from reports.report import CONTACT_CHOICES
from reports.store.engine.database import DatabaseUnavailable

Outcome = tuple[str, Record]
Effect = Callable[[TurnRequest, Record], Awaitable[Outcome]]
BeginWordsReport = Callable[[TurnRequest, Record, str, Collection[str]], Awaitable[Record]]

TEXT_CHOICES = frozenset(choice for choice in CONTACT_CHOICES if choice.startswith("sms_"))
CALL_DURING_REPORT = "contact_request.ask_during"
CALL_PLACED = "contact_request.placed"
ADD_SECONDS = 60 * 60  # time after Send in which the same phone may add words without code and PIN


class Actions:
    """Run the effects of a flow.

    Raises NotSent if a report could not be stored, DatabaseUnavailable if another effect needs the database.
    """

    def __init__(
        self,
        submitter: Submitter,
        reporter_mailbox: ReporterMailbox,
        contact_requests: ContactRequests,
        *,
        spoken_words: SpokenWords,
        optouts: OptOuts,
        flow_version: int,
        sessions: Sessions,
        run_blocking: RunBlocking,
        begin_words_report: BeginWordsReport,
    ) -> None:
        """Create the table of effects. `begin_words_report`: begins a report with words that have no known report."""
        self._begin_words_report = begin_words_report
        self._run_blocking = run_blocking
        self._submitter = submitter
        self._mailbox = reporter_mailbox
        self._flow_version = flow_version
        self._sessions = sessions
        self._contact_requests = contact_requests
        self._spoken_words = spoken_words
        self._optouts = optouts
        self._table: Mapping[str, Effect] = {
            "send": self._send,
            "delete": self._delete,
            "new_code": self._new_code,
            "open": self._open,
            "helped": self._helped,
            "done": self._done,
            "write": self._write,
            "add_later": self._add_later,
            "contact": self._contact,
            "erase": self._erase,
            "call_me": self._call_me,
            "record": self._record,
        }

    async def run(self, effect: str, request: TurnRequest, record: Record) -> Outcome:
        """Run an effect and return its outcome with the record after it."""
        return await self._table[effect](request, record)

    async def _send(self, request: TurnRequest, record: Record) -> Outcome:
        report = record.report
        if report is None:
            # The flow lint ensures that every path to Send passes the category.
            raise LookupError("there is no report to send")
        recipients = request.render_context.recipients(record.state)
        if record.repeat_of is None and request.sender.answerable:
            history = await self._sessions.count_report(request.sender.key, report.origin_key, request.now)
            if history:
                record = replace(record, repeat_of=history.count, number=history.number, earlier=history.reports)
        content = report_input(request, record, self._flow_version)
        with_code = request.is_call
        try:
            sent_report = await self._run_blocking(
                self._submitter.send, content, report, recipients, with_code=with_code
            )
        except NotSent:
            if request.sender.answerable:  # a report that was not stored is no earlier report of this phone
                await self._sessions.uncount_report(request.sender.key, report.origin_key)
            raise
        hotlines = tuple(recipient.hotline for recipient in recipients)
        if content.with_number:
            await self._allow_texts(request, record.state.values["contact"])
        just_sent = SentReport(sent_report.report_id, hotlines, content.with_number, request.now)
        return "sent", replace(record, report=sent_report, just_sent=just_sent)

    async def _delete(self, request: TurnRequest, record: Record) -> Outcome:
        """Delete the report; the outcome says whether a hotline already has it.

        Hotlines that have the complete report are asked to delete it.
        """
        report = record.report
        outcome = await self._run_blocking(self._submitter.delete, report) if report else DeleteOutcome.DELETED
        if report and outcome is DeleteOutcome.WHOLE:
            await self._run_blocking(self._mailbox.erase, request, replace(record, opened_report=report.report_id))
        if outcome is DeleteOutcome.DELETED and has_stored_excess(record.state):
            outcome = DeleteOutcome.TOLD
        return outcome, replace(record, report=None, words=None)

    async def _new_code(self, _request: TurnRequest, record: Record) -> Outcome:
        if record.report is None:
            raise LookupError("there is no report to make a code for")
        return "made", replace(record, report=await self._run_blocking(self._submitter.open_mailbox, record.report))

    async def _done(self, _request: TurnRequest, record: Record) -> Outcome:
        """Make the gathered answers due now: the reporter pressed Done."""
        if record.report:
            await self._run_blocking(self._submitter.make_due_now, record.report)
        return "stored", record

    async def _open(self, request: TurnRequest, record: Record) -> Outcome:
        values = record.state.values
        code_and_pin = values.get("code") or "", values.get("pin") or ""
        attempt = await self._run_blocking(self._mailbox.open, *code_and_pin, request.wrong_pairs)
        if attempt.is_counted:
            record = replace(record, has_wrong_pair=True)
        record = replace(record, opened_report=attempt.report_id)
        if attempt.report_id is None:
            return "wrong", record
        is_closed = await self._run_blocking(self._mailbox.is_closed, attempt.report_id)
        asks = is_closed and await self._sessions.ask_if_it_helped(attempt.report_id)
        return ("closed" if asks else "open"), record

    async def _helped(self, request: TurnRequest, record: Record) -> Outcome:
        """Count whether it helped, for the country whose code was dialled."""
        answer = record.state.values["helped"]
        if record.opened_report and answer:
            await self._sessions.count_help(record.opened_report, request.now, request.country.iso, answer)
        return "counted", replace(record, state=forgotten(record.state))

    async def _write(self, request: TurnRequest, record: Record) -> Outcome:
        """Send words typed under My report as a message. Words after Send need no effect: `Reducer._store_answer`."""
        words = record.state.values["my_words"]
        if words is None:
            return "skipped", record
        await self._run_blocking(self._mailbox.add, request, record, words)
        return "written", replace(record, state=forgotten(record.state))

    async def _add_later(self, request: TurnRequest, record: Record) -> Outcome:
        """Add words of a later call to the last report of this phone, or else begin an incomplete report with them.

        The outcome is the same in both cases, so it does not reveal whether this phone has sent a report. Raises
        RedisUnavailable.
        """
        words = record.state.values["later_words"]
        if words is None:
            return "skipped", record
        sent = await self._sessions.last_sent(request.sender.key, request.now - ADD_SECONDS)
        report_id = sent.report_id if sent else record.words_report
        if not await self._run_blocking(self._mailbox.add_without_code, request, record, report_id, words):
            record = await self._begin_words_report(request, record, words, sent.hotlines if sent else ())
        return "added", replace(record, state=forgotten(record.state))

    async def _contact(self, request: TurnRequest, record: Record) -> Outcome:
        """Allow or withdraw contact under My report. Raises RedisUnavailable."""
        chosen = record.state.values["my_contact"] or "none"
        if chosen in CONTACT_CHOICES and request.sender.valid and record.opened_report:
            await self._sessions.remember_contact(request.sender.key, record.opened_report, request.now)
        await self._run_blocking(self._mailbox.set_contact, request, record, chosen)
        await self._allow_texts(request, chosen)
        return "noted", replace(record, state=forgotten(record.state))

    async def _allow_texts(self, request: TurnRequest, contact: str | None) -> None:
        """Withdraw the opt-out of a reporter who has chosen to be texted: they ask for these SMS.

        A carrier may still block them. Without the database the opt-out stays.
        """
        if contact in TEXT_CHOICES:
            with suppress(DatabaseUnavailable):
                await self._run_blocking(self._optouts.take_back_if_any, request.sender.key)

    async def _call_me(self, request: TurnRequest, record: Record) -> Outcome:
        """Store or withdraw a request to be called. The chosen hours are removed from the session."""
        chosen = record.state.values["call_hours"] or "none"
        if chosen in CONTACT_CHOICES:
            record = await self._submit_before_call(request, record)
        outcome = await self._run_blocking(self._contact_requests.place, request, record, chosen)
        return outcome, replace(record, state=forgotten(record.state))

    async def _submit_before_call(self, request: TurnRequest, record: Record) -> Record:
        """Submit a report that is not sent as INCOMPLETE, for the hotline that is asked to call.

        The request to be called names this report to staff. Only the question that is asked during a report tells the
        reporter that, and names the hotline. So if it was asked elsewhere, nothing of an open report is sent. Raises
        NotSent.
        """
        if record.state.screen != CALL_DURING_REPORT:
            return record
        report, recipients = record.report, request.render_context.recipients(record.state, Completeness.INCOMPLETE)
        if report is None or report.is_submitted or not recipients:
            return record
        content = report_input(request, record, self._flow_version)
        report = await self._run_blocking(self._submitter.schedule_unsent_text, content, report, recipients)
        await self._run_blocking(self._submitter.make_due_now, report)
        hotlines = tuple(recipient.hotline for recipient in recipients)
        named = SentReport(report.report_id, hotlines, with_number=True, sent_at=request.now)
        return replace(record, report=report, earlier=(*record.earlier, named))

    async def _record(self, request: TurnRequest, record: Record) -> Outcome:
        """Let the provider record the reporter's words after the next screen, if a recording could be stored."""
        recording = await self._run_blocking(self._spoken_words.expect, request, record)
        record = replace(record, recording=recording, last_recording=recording or record.last_recording)
        return ("ready" if recording else "not_ready"), record

    async def _erase(self, request: TurnRequest, record: Record) -> Outcome:
        """Ask the hotlines to delete the report, and close it in this session.

        Pending updates, also those from another phone, are deleted too: they would reach a hotline afterwards.
        """
        report_id = str(record.opened_report)
        await self._run_blocking(self._submitter.refuse_spooled, report_id)
        await self._run_blocking(self._mailbox.erase, request, record)
        await self._run_blocking(self._submitter.cancel_updates, report_id)
        return "erased", replace(record, opened_report=None)
