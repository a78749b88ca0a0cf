"""My report: what whoever has code and PIN may read of it, and what they may say there. Pull only.

Nothing here reads a report: the state of it, and what staff wrote, sealed to the mailbox that code and PIN open.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass

from msgspec.structs import replace

from flows.model import FlowState
from gateway.conversation.context import RenderContext
from gateway.conversation.request import TurnRequest
from gateway.sessions.record import Record
from gateway.submission.builder import ReportBuilder
from gateway.submission.submitter import Submitter
from reports.access_codes import parse_code, parse_pin
from reports.countries.country import Countries
from reports.countries.hotline import Hotline
from reports.countries.numbers import redact_withdrawn
from reports.countries.opening_hours import first_to_open
from reports.crypto import RecordCipher
from reports.escalation.priorities import URGENT
from reports.json_bodies import NO_CONTACT, message_json
from reports.report import contact_details
from reports.retention.erasure_journal import ErasureJournal, ErasureKind
from reports.store import mailbox_access
from reports.store.engine.database import Database, DatabaseUnavailable
from reports.store.mailboxes import correspondence
from reports.store.mailboxes.correspondence import MailboxView
from reports.store.mailboxes.pin_throttle import PinResult
from runtime.time_units import SECOND

UNNAMED = "A hotline"
UNREAD = ("delivered", "overdue")
WRITTEN = "my.written"  # the screen after words for staff
JOURNALED: Mapping[str, ErasureKind] = {"delete_asked": "report", "contact_withdrawn": "contact"}


@dataclass(frozen=True, slots=True)
class ReporterMailbox:
    """`names`: of every hotline of every country, by id. All raise DatabaseUnavailable where the database did not
    surely say yes.
    """

    submitter: Submitter
    database: Database
    cipher: RecordCipher
    builder: ReportBuilder
    countries: Countries
    names: Mapping[str, str]
    journal: ErasureJournal

    def open(self, code: str, pin: str, before: int) -> PinResult:
        """Try a code and a PIN, as typed. `before`: wrong pairs that came from this telephone number today."""
        digits, secret = parse_code(code), parse_pin(pin)
        return self.submitter.write(
            lambda: mailbox_access.find_report(self.database, self.cipher, digits, secret, before)
        )

    def around(self, around: RenderContext, record: Record) -> RenderContext:
        """With how the report stands and what staff wrote, where code and PIN were given."""
        report_id = record.opened
        if report_id is None or not is_open(record):
            return around
        values = record.state.values
        found = self.submitter.write(lambda: correspondence.load_mailbox(self.database, report_id))
        if found is None:
            raise DatabaseUnavailable("it is gone")
        pair = parse_code(values["code"] or "") or "", parse_pin(values["pin"] or "") or ""
        letters = mailbox_access.read_answers(self.cipher, pair, self.builder.mode, found)
        country = around.ground_in(record.state).country  # as it is now, and not as at the start
        if country.iso == found.country:
            letters = tuple(redact_withdrawn(one, country) for one in letters)
        # Taken out of its country file since: the line with the number must not go too.
        desk = self.names.get(found.desk or "", UNNAMED)
        said, told = {**around.said, "desk": desk}, {**around.told, "report_state": found.state}
        if opens := self._opens(found):
            said |= {"desk": opens[0].screen_name, "opens": opens[1]}
            told |= {"report_state": "opens"}
        return around.knowing(said=said, told=told, letters=letters)

    def _opens(self, found: MailboxView) -> tuple[Hotline, str] | None:
        """Who reads first and when, where nobody has read it and nobody reads now."""
        country = self.countries.get(found.country)
        if country is None or found.state not in UNREAD:
            return None
        # What is urgent went to an open one too, where there was one: then they are all closed, or it is read.
        asked = self._asked(found) if found.priority in URGENT else (found.desk or "",)
        hotlines = [country.hotlines[one] for one in asked if one in country.hotlines]
        return first_to_open(hotlines, country.time_zone, self.database.now())

    def _asked(self, found: MailboxView) -> tuple[str, ...]:
        return self.submitter.write(lambda: correspondence.current_recipients(self.database, found.report_id))[1]

    def add(self, caller: TurnRequest, record: Record, words: str) -> None:
        """For staff: whoever has the report, or gets it."""
        self._say(record, _turn(caller, record), caller.now, "words", text=words)

    def agree(self, caller: TurnRequest, record: Record, chosen: str) -> None:
        """How this phone may be used, or no more; that holds from now on, for what was sealed before as well."""
        country = self.countries.get(self._routed(record.opened or "")[0]) or caller.country
        number = caller.sender.e164 if caller.sender.valid else None
        contact = contact_details(chosen, country, number)
        kind = "contact_given" if contact["allowed"] else "contact_withdrawn"
        self._say(record, _turn(caller, record), caller.now, kind, contact=contact)

    def erase(self, caller: TurnRequest, record: Record) -> None:
        """The mailbox is closed, contact withdrawn, and the hotlines are asked to delete their copies."""
        self._say(record, ("delete",), caller.now, "delete_asked", contact=NO_CONTACT)

    def _say(
        self,
        record: Record,
        turn: tuple[str, ...],
        now: int,
        kind: str,
        *,
        text: str | None = None,
        contact: Mapping[str, object] | None = None,
    ) -> None:
        report_id = record.opened
        if report_id is None:
            raise LookupError("nothing is open")  # lint keeps all this behind code and PIN
        drawn = self.cipher.mac("message", report_id, kind, *turn)
        message_id = str(uuid.UUID(bytes=drawn[:16], version=4))
        try:
            if not self._send(report_id, message_id, now, kind, text=text, contact=contact):
                raise DatabaseUnavailable("nobody could read it")
        except correspondence.MailboxClosed:  # no fault of the database: other callers' reports go on into it
            raise DatabaseUnavailable("closed") from None
        if journaled := JOURNALED.get(kind):
            self.journal.record(journaled, report_id=report_id, message_id=message_id)

    def say_again(self, report_id: str, message_id: str, kind: str) -> None:
        """Repeat a wish to delete, or to withdraw contact, that a restored database has forgotten.

        Nothing happens where the database knows the message, or does not know the report. Raises DatabaseUnavailable,
        Closed.
        """
        if self._routed(report_id)[0]:
            self._send(report_id, message_id, self.database.now() // SECOND, kind, contact=NO_CONTACT)

    def _send(
        self,
        report_id: str,
        message_id: str,
        now: int,
        kind: str,
        *,
        text: str | None = None,
        contact: Mapping[str, object] | None = None,
    ) -> bool:
        """Store a message for the hotlines. Return whether any of them can read it.

        Raises DatabaseUnavailable, Closed.
        """
        data = message_json(
            report_id=report_id,
            message_id=message_id,
            mode=self.builder.mode,
            created_at=now,
            kind=kind,
            text=text,
            contact=contact,
        )
        letters = self.builder.letters(report_id, message_id, self._recipients(report_id), data)
        if not letters:
            return False
        allowed = None if contact is None else bool(contact["allowed"])
        close = kind == "delete_asked"
        self.submitter.write(
            lambda: correspondence.save_message(
                self.database, report_id, message_id, letters, kind, allowed=allowed, close=close
            )
        )
        return True

    def _recipients(self, report_id: str) -> tuple[str, ...]:
        """As a report that nobody could take, it is held for all hotlines of its country."""
        iso, hotlines = self._routed(report_id)
        country = self.countries.get(iso)
        return hotlines or (tuple(country.hotlines) if country else ())

    def _routed(self, report_id: str) -> tuple[str, tuple[str, ...]]:
        return self.submitter.write(lambda: correspondence.current_recipients(self.database, report_id))


def is_open(record: Record) -> bool:
    """Code and PIN were given, and the walk has not gone back behind them."""
    if record.opened is None:
        return False
    values = record.state.values
    return bool(values.get("code") and values.get("pin"))


def _turn(caller: TurnRequest, record: Record) -> tuple[str, ...]:
    """Of a repeat it is the same: nothing is said twice."""
    i = caller.inbound
    return (i.channel, i.code, i.session, record.seed, record.last.turn)


def forgotten(state: FlowState) -> FlowState:
    """Without the answer just given: it was passed on, and no conversation carries it."""
    if not state.trail or state.trail[-1][1] != len(state.answers) - 1:
        return state
    trail = (*state.trail[:-1], (state.trail[-1][0], -1))
    return replace(state, trail=trail, answers=state.answers[:-1])
