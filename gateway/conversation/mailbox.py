"""*My report*: what the holder of code and PIN may read and say. The service never contacts the reporter by it.

No report is read here: only its state, and the answers of staff, sealed to the mailbox that code and PIN open.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Literal

from msgspec.structs import replace

from flows.model import FlowState
from gateway.conversation.context import RenderContext, TurnRequest
from gateway.sessions.record import Record, has_open_mailbox
from gateway.submission.builder import ReportBuilder
from gateway.submission.submitter import Submitter
from reports.access_codes import parse_code, parse_pin
from reports.case_state import ReportState
from reports.countries.country import Countries
from reports.countries.hotline import Hotline
from reports.countries.numbers import redact_withdrawn
from reports.countries.opening_hours import first_to_open
from reports.crypto import RecordCipher
from reports.erasure_journal import ErasureJournal, ErasureKind
from reports.escalation import URGENT
from reports.json_bodies import NO_CONTACT, MessageKind, message_json
from reports.report import contact_details
from reports.store import mailbox_access
from reports.store.engine.database import Database, DatabaseUnavailable
from reports.store.mailboxes import correspondence
from reports.store.mailboxes.correspondence import MailboxView
from reports.store.mailboxes.pin_throttle import PinResult
from runtime.time_units import SECOND

UNNAMED = "A hotline"
UNREAD = (ReportState.DELIVERED, "overdue")
STATE = "my.state"  # the screen that says how many messages there are
WRITTEN = "my.written"  # the screen after words for staff
Effect = Literal["", "ended", "stored"]  # of a message: none; something ended without a message; it is stored
JOURNALED: Mapping[MessageKind, ErasureKind] = {
    MessageKind.DELETE_ASKED: "report",
    MessageKind.CONTACT_WITHDRAWN: "contact",
}


@dataclass(frozen=True, slots=True)
class ReporterMailbox:
    """Open a mailbox and send messages from it.

    `names`: hotline id → name, for all countries. All methods raise DatabaseUnavailable unless the database confirmed
    the write.
    """

    submitter: Submitter
    database: Database
    cipher: RecordCipher
    builder: ReportBuilder
    countries: Countries
    names: Mapping[str, str]
    journal: ErasureJournal

    def open(self, code: str, pin: str, before: int) -> PinResult:
        """Find the report of a code and a PIN, as typed. `before`: wrong pairs from this telephone number today."""
        digits, secret = parse_code(code), parse_pin(pin)
        return self.submitter.write(
            lambda: mailbox_access.find_report(self.database, self.cipher, digits, secret, before)
        )

    def is_closed(self, report_id: str) -> bool:
        """Return whether a hotline has closed the report."""
        view = self.submitter.write(lambda: correspondence.load_mailbox(self.database, report_id))
        return view is not None and view.state == ReportState.CLOSED

    def render_context(self, render_context: RenderContext, record: Record) -> RenderContext:
        """Return the render context with the report's state and the answers of staff, after code and PIN were right."""
        report_id = record.opened_report
        if report_id is None or not has_open_mailbox(record):
            return render_context
        values = record.state.values
        view = self.submitter.write(lambda: correspondence.load_mailbox(self.database, report_id))
        if view is None:
            raise DatabaseUnavailable("the report is deleted")
        code_and_pin = parse_code(values["code"] or "") or "", parse_pin(values["pin"] or "") or ""
        answers = mailbox_access.read_answers(self.cipher, code_and_pin, self.builder.mode, view)
        country = render_context.country_context(
            record.state
        ).country  # the current data, not those at the start of the session
        if country.iso == view.country:
            answers = tuple(redact_withdrawn(answer, country) for answer in answers)
        # The hotline may have left the country file since: the line with the number must stay.
        hotline_name = self.names.get(view.desk or "", UNNAMED)
        fields, facts = (
            {**render_context.session_fields, "desk": hotline_name},
            {**render_context.session_facts, "report_state": view.state},
        )
        if opening := self._first_opening(view):
            fields |= {"desk": opening[0].screen_name, "opens": opening[1]}
            facts |= {"report_state": "opens"}
        return render_context.with_values(
            session_fields=fields, session_facts=facts, staff_messages=answers, counted_messages=record.counted_messages
        )

    def _first_opening(self, view: MailboxView) -> tuple[Hotline, str] | None:
        """Return the hotline that opens first and when; None if the report was read or a hotline is open now.

        Also None in a country with several time zones: nobody knows by which clock the reporter would read the time.
        """
        country = self.countries.get(view.country)
        if country is None or not country.has_one_clock or view.state not in UNREAD:
            return None
        # An urgent report also went to an open hotline if there was one; so all of these are closed, or it was read.
        hotline_ids = self._routed(view.report_id)[1] if view.priority in URGENT else (view.desk or "",)
        hotlines = [country.hotlines[hotline_id] for hotline_id in hotline_ids if hotline_id in country.hotlines]
        return first_to_open(hotlines, country.time_zone, self.database.now())

    def add(self, request: TurnRequest, record: Record, words: str) -> None:
        """Send words to the staff of the hotline that has the report, or will get it."""
        self._send_message(record.opened_report, turn_of(request, record), request.now, MessageKind.WORDS, text=words)

    def add_without_code(self, request: TurnRequest, record: Record, report_id: str, words: str) -> bool:
        """Send words of a later call of the same phone to the staff who have the report, marked as sent without a code.

        `report_id`: "" if none is known; the database is read all the same, so that timing reveals nothing. Returns
        False if the database has no such report, its reporter has deleted it, or no hotline can open the words.
        """
        country, _ = self._routed(report_id)
        if not country:
            return False
        kind = MessageKind.WORDS
        message_id = self._message_id(report_id, kind, turn_of(request, record))
        try:
            return bool(self._send(report_id, message_id, request.now, kind, text=words, without_code=True))
        except correspondence.MailboxClosed:
            return False

    def set_contact(self, request: TurnRequest, record: Record, chosen: str) -> None:
        """Allow or withdraw contact by this phone. It applies at once, also to reports sealed before."""
        country = self.countries.get(self._routed(record.opened_report or "")[0]) or request.country
        number = request.sender.e164 if request.sender.valid else None
        contact = contact_details(chosen, country, None, number)  # only the hotlines can open the report with its place
        kind = MessageKind.CONTACT_GIVEN if contact["allowed"] else MessageKind.CONTACT_WITHDRAWN
        self._send_message(record.opened_report, turn_of(request, record), request.now, kind, contact=contact)

    def withdraw_contact(self, report_id: str, turn: tuple[str, ...], now: int) -> None:
        """Withdraw contact for a report. `turn`: the idempotency key. `now`: Unix seconds.

        Nothing happens if the report was deleted: its contact has ended.
        """
        kind = MessageKind.CONTACT_WITHDRAWN
        message_id = self._message_id(report_id, kind, turn)
        effect: Effect = "stored"
        with suppress(correspondence.MailboxClosed):
            effect = self._send(report_id, message_id, now, kind, contact=NO_CONTACT)
        self._record(JOURNALED[kind], report_id, message_id, effect)

    def erase(self, request: TurnRequest, record: Record) -> None:
        """Close the mailbox, withdraw contact, and ask the hotlines to delete their copies."""
        self._send_message(record.opened_report, ("delete",), request.now, MessageKind.DELETE_ASKED, contact=NO_CONTACT)

    def _send_message(
        self,
        report_id: str | None,
        turn: tuple[str, ...],
        now: int,
        kind: MessageKind,
        *,
        text: str | None = None,
        contact: Mapping[str, object] | None = None,
    ) -> None:
        if report_id is None:
            raise LookupError("no report is open under My report")  # the flow lint ensures that code and PIN come first
        message_id = self._message_id(report_id, kind, turn)
        try:
            effect = self._send(report_id, message_id, now, kind, text=text, contact=contact)
            if not effect:
                raise DatabaseUnavailable("no hotline could open the message")
        except correspondence.MailboxClosed:  # not a failure of the database, which must stay usable for other reports
            raise DatabaseUnavailable("the report is closed") from None
        if journal_kind := JOURNALED.get(kind):
            self._record(journal_kind, report_id, message_id, effect)

    def _record(self, kind: ErasureKind, report_id: str, message_id: str, effect: Effect) -> None:
        has_no_message = effect == "ended"
        self.journal.record(kind, report_id=report_id, message_id=message_id, has_no_message=has_no_message)

    def _message_id(self, report_id: str, kind: MessageKind, turn: tuple[str, ...]) -> str:
        digest = self.cipher.mac("message", report_id, kind, *turn)
        return str(uuid.UUID(bytes=digest[:16], version=4))

    def resend_message(self, report_id: str, message_id: str, kind: MessageKind) -> None:
        """Repeat a deletion request or a withdrawal of contact that a restored database has lost.

        Nothing happens if the database has the message, or does not have the report. Raises DatabaseUnavailable,
        MailboxClosed.
        """
        if self._routed(report_id)[0] and not correspondence.has_message(self.database, message_id):
            self._send(report_id, message_id, self.database.now() // SECOND, kind, contact=NO_CONTACT)

    def _send(
        self,
        report_id: str,
        message_id: str,
        now: int,
        kind: MessageKind,
        *,
        text: str | None = None,
        contact: Mapping[str, object] | None = None,
        without_code: bool = False,
    ) -> Effect:
        """Store a message for the hotlines.

        If no hotline can read it, as when all of the route have left the country file, no message is stored; but
        contact that is withdrawn ends, and a report that is deleted is deleted here ("ended").

        Raises DatabaseUnavailable, MailboxClosed.
        """
        message = message_json(
            report_id=report_id,
            message_id=message_id,
            mode=self.builder.mode,
            created_at=now,
            kind=kind,
            text=text,
            contact=contact,
            without_code=without_code,
        )
        sealed_messages = self.builder.seal_messages(report_id, message_id, self._recipients(report_id), message)
        closes_mailbox = kind == MessageKind.DELETE_ASKED
        if not sealed_messages:
            if kind not in JOURNALED:
                return ""
            self.submitter.write(
                lambda: correspondence.withdraw_contact(self.database, report_id, close=closes_mailbox)
            )
            return "ended"
        allowed = None if contact is None else bool(contact["allowed"])
        self.submitter.write(
            lambda: correspondence.save_message(
                self.database, report_id, message_id, sealed_messages, kind, allowed=allowed, close=closes_mailbox
            )
        )
        return "stored"

    def _recipients(self, report_id: str) -> tuple[str, ...]:
        """Return the current recipients; all hotlines of the country if the report has none."""
        iso, hotlines = self._routed(report_id)
        country = self.countries.get(iso)
        return hotlines or (tuple(country.hotlines) if country else ())

    def _routed(self, report_id: str) -> tuple[str, tuple[str, ...]]:
        return self.submitter.write(lambda: correspondence.current_recipients(self.database, report_id))


def turn_of(request: TurnRequest, record: Record) -> tuple[str, ...]:
    """Return the parts of this turn's idempotency key, the same for a repeat."""
    i = request.inbound
    return (i.channel, i.code, i.session, record.seed, record.last.turn_id)


def forgotten(state: FlowState) -> FlowState:
    """Return the state without the answer just given: it is stored elsewhere and must not stay in the session."""
    if not state.trail or state.trail[-1][1] != len(state.answers) - 1:
        return state
    trail = (*state.trail[:-1], (state.trail[-1][0], -1))
    return replace(state, trail=trail, answers=state.answers[:-1])
