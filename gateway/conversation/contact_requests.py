"""Requests to be called: one for each phone, withdrawn in the same menu or by STOP. STOP ends calls for reports too.

A request is stored as a report of the flow `contact_request`, so it is sealed, delivered, escalated and purged as one.
It holds the number only for the hours that the person has chosen.
"""

from __future__ import annotations

import time
from collections import deque
from contextlib import suppress
from dataclasses import dataclass, field
from typing import NamedTuple

from msgspec.structs import replace

from gateway.conversation.context import TurnRequest
from gateway.conversation.mailbox import ReporterMailbox, turn_of
from gateway.sessions.record import Record
from gateway.submission.builder import ReportInput
from gateway.submission.submitter import Submitter, WaitsInSpool
from reports.case_state import ReportState
from reports.facts import CONTACT_REQUEST, Completeness, GivenAnswer
from reports.report import CONTACT_CHOICES
from reports.retention import NEVER_CLOSED
from reports.store import submissions
from reports.store.engine.database import Database, DatabaseUnavailable, RowRefused
from reports.store.mailboxes import correspondence

HOUR_SECONDS, DAY_SECONDS = 60 * 60, 24 * 60 * 60
RECENT_HOURS = 48
MAX_WAITING = 1000  # withdrawals that wait for the database
RETRY_SECONDS = 60  # until a withdrawal is tried again that failed because of a bug, or whose report is not stored yet
FOUND_DAYS = NEVER_CLOSED.days  # whose requests are found: a report that nobody closes is stored as long
UNKNOWN_FOUND_DAYS = 30  # likewise, for requests that came while the stored ones were unknown
MAX_A_DAY = 5  # requests of one phone; if all are closed, a further request becomes a message to the last one

Origin = tuple[str, ...]  # what the origin key of a request is made from
Stored = dict[Origin, tuple[str, ReportState]]  # id and state of the requests that are stored


class Withdrawal(NamedTuple):
    """A withdrawal that could not be stored. `turn`: the idempotency key; `now`: Unix seconds of STOP or *No*.

    `report_ids`: the reports, beside requests to be called, that allowed contact.
    """

    iso: str
    sender: str
    turn: tuple[str, ...]
    now: int
    report_ids: tuple[str, ...] = ()
    retry_at: float = 0.0  # monotonic seconds


@dataclass(frozen=True, slots=True)
class ContactRequests:
    """Store and withdraw requests to be called."""

    submitter: Submitter
    mailbox: ReporterMailbox
    database: Database
    waiting: deque[Withdrawal] = field(default_factory=deque)

    def place(self, request: TurnRequest, record: Record, chosen: str) -> str:
        """Store a request for the hours `chosen`, or withdraw each open one, and return the outcome for the flow.

        A withdrawal has the same outcome for each phone, so that it reveals no request. If this phone has an open
        request of yesterday or today, only its hours change. Raises NotSent or DatabaseUnavailable if nothing was
        stored.
        """
        phone, turn = (request.country.iso, request.sender.key), turn_of(request, record)
        if chosen not in CONTACT_CHOICES:
            withdrawal = Withdrawal(*phone, turn, request.now)
            try:
                self._withdraw(withdrawal)
            except WaitsInSpool:  # it is stored within seconds; "Not working now" would reveal it
                self._put_off(withdrawal)
            return "withdrawn"
        origins = _origins(*phone, request.now // DAY_SECONDS)
        try:
            stored = self._stored(*phone, request.now)
        except DatabaseUnavailable:
            origins, stored = [_unknown_origin(*phone, request.now // HOUR_SECONDS)], {}
        recent = _open_requests({origin: stored[origin] for origin in _recent(*phone, request.now) if origin in stored})
        free = [origin for origin in origins if origin not in stored]
        if recent or not free:
            changed_id = recent[-1] if recent else stored[origins[-1]][0]
            self.mailbox.set_contact(request, replace(record, opened_report=changed_id), chosen)
        else:
            changed_id = ""
            recipients = request.render_context.recipients(record.state, Completeness.INCOMPLETE)
            if not recipients:
                return "nobody"
            report = self.submitter.begin(request.now, *free[0])
            self.submitter.send(_content(request, record, chosen), report, recipients, with_code=False)
        for open_id in _open_requests(stored):
            if open_id != changed_id:  # an older one: its hours must not stand beside the new ones
                with suppress(DatabaseUnavailable):
                    self.mailbox.set_contact(request, replace(record, opened_report=open_id), chosen)
        return "placed"

    def withdraw(
        self, iso: str, sender: str, turn: tuple[str, ...], now: int, report_ids: tuple[str, ...] = ()
    ) -> None:
        """Withdraw the open requests of a phone that sent STOP, and contact for `report_ids`. `now`: Unix seconds.

        While the database is unavailable, the withdrawal waits in this process for `retry`. Raises DatabaseUnavailable
        if too many wait: then the provider sends STOP again.
        """
        withdrawal = Withdrawal(iso, sender, turn, now, report_ids)
        try:
            self._withdraw(withdrawal)
        except DatabaseUnavailable:
            self._put_off(withdrawal)

    def _put_off(self, withdrawal: Withdrawal) -> None:
        """Leave a withdrawal for `retry`. Raises DatabaseUnavailable if too many wait."""
        if len(self.waiting) >= MAX_WAITING:
            raise DatabaseUnavailable("too many withdrawals wait")
        self.waiting.append(withdrawal)

    def retry(self) -> None:
        """Try each waiting withdrawal once; one that fails waits for the next call, after all others.

        A failure that is not an outage is tried again a minute later. Raises an exception at the end.
        """
        fault: Exception | None = None
        for _ in range(len(self.waiting)):
            withdrawal = self.waiting.popleft()
            if withdrawal.retry_at > time.monotonic():
                self.waiting.append(withdrawal)
                continue
            try:
                self._withdraw(withdrawal)
            except Exception as error:
                is_outage = isinstance(error, DatabaseUnavailable) and not isinstance(error, RowRefused)
                retry_at = 0.0 if is_outage else time.monotonic() + RETRY_SECONDS
                self.waiting.append(withdrawal._replace(retry_at=retry_at))
                fault = fault if fault and is_outage else error
        if fault:
            raise fault

    def _withdraw(self, withdrawal: Withdrawal) -> None:
        """Withdraw all that is stored. A report that is not may be in the spool of another host: it is tried again."""
        open_ids = _open_requests(self._stored(withdrawal.iso, withdrawal.sender, withdrawal.now))
        for report_id in withdrawal.report_ids:
            self.submitter.refuse_spooled(report_id)
        report_ids = [*open_ids, *withdrawal.report_ids]
        not_stored = self.submitter.write(lambda: submissions.list_not_stored(self.database, withdrawal.report_ids))
        to_end = self.submitter.write(
            lambda: correspondence.list_contact_to_end(self.database, report_ids, withdrawal.now)
        )
        for report_id in to_end:
            self.mailbox.withdraw_contact(report_id, withdrawal.turn, withdrawal.now)
        if not_stored and time.time() < withdrawal.now + RECENT_HOURS * HOUR_SECONDS:
            self._put_off(withdrawal._replace(report_ids=not_stored, retry_at=time.monotonic() + RETRY_SECONDS))

    def _stored(self, iso: str, sender: str, now: int) -> Stored:
        """Return the stored requests of this phone.

        Raises DatabaseUnavailable; WaitsInSpool if one of yesterday or today is still in the spool.
        """
        recent = frozenset(_recent(iso, sender, now))
        keys = {
            key: origin
            for origin in (*_earlier(iso, sender, now), *recent)
            for key in self.submitter.origin_keys(*origin)
        }
        stored_by_key = self.submitter.write(lambda: submissions.list_stored(self.database, list(keys)))
        self.submitter.refuse_spooled_origins(
            [key for key, origin in keys.items() if origin in recent and key not in stored_by_key]
        )
        return {origin: stored_by_key[key] for key, origin in keys.items() if key in stored_by_key}


def _earlier(iso: str, sender: str, now: int) -> list[Origin]:
    """Return the origins from before yesterday."""
    day, hour = now // DAY_SECONDS, now // HOUR_SECONDS
    unknown = [_unknown_origin(iso, sender, hour - n) for n in range(RECENT_HOURS, UNKNOWN_FOUND_DAYS * 24)]
    return unknown + [origin for n in range(2, FOUND_DAYS) for origin in _origins(iso, sender, day - n)]


def _recent(iso: str, sender: str, now: int) -> list[Origin]:
    """Return the origins of yesterday and today."""
    day, hour = now // DAY_SECONDS, now // HOUR_SECONDS
    unknown = [_unknown_origin(iso, sender, hour - n) for n in range(RECENT_HOURS)]
    return [*unknown, *_origins(iso, sender, day - 1), *_origins(iso, sender, day)]


def _origins(iso: str, sender: str, day: int) -> list[Origin]:
    return [(CONTACT_REQUEST, iso, sender, "day", str(day), str(n)) for n in range(MAX_A_DAY)]


def _unknown_origin(iso: str, sender: str, hour: int) -> Origin:
    """Return the origin of a request while stored requests are unknown. It may duplicate one, but none is lost."""
    return CONTACT_REQUEST, iso, sender, "hour", str(hour)


def _open_requests(stored: Stored) -> list[str]:
    """Return the requests that are not closed."""
    return [report_id for report_id, state in stored.values() if state != ReportState.CLOSED]


def _content(request: TurnRequest, record: Record, chosen: str) -> ReportInput:
    answer = GivenAnswer(record.state.screen, "contact", chosen, typed=False, at=request.now, counts=True)
    return ReportInput(
        given=(answer,),
        unasked=(),
        words=None,
        country=request.country,
        kind=request.inbound.kind,
        channel="simulator" if request.is_simulator else request.inbound.kind,
        language=request.render_context.country_context(record.state).language.tag,
        flow_version=1,
        msisdn=request.sender.e164 if request.sender.valid else None,
        repeat_of=None,
        now=request.now,
        earlier=record.earlier,
        flow=CONTACT_REQUEST,
    )
