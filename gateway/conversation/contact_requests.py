"""Requests to be called: one for each phone, withdrawn in the same menu or by STOP.

A request is stored as a report of the flow `contact_request`, so it is sealed, delivered, escalated and purged as one.
It holds the number only for the hours that the person has chosen.
"""

from __future__ import annotations

import time
from collections import deque
from dataclasses import dataclass, field
from typing import NamedTuple

from msgspec.structs import replace

from gateway.conversation.context import TurnRequest
from gateway.conversation.mailbox import ReporterMailbox
from gateway.sessions.record import Record
from gateway.submission.builder import ReportInput
from gateway.submission.submitter import Submitter
from reports.case_state import ReportState
from reports.facts import CONTACT_REQUEST, Completeness, GivenAnswer
from reports.report import CONTACT_CHOICES
from reports.store import submissions
from reports.store.engine.database import Database, DatabaseUnavailable, RowRefused

HOUR_SECONDS, DAY_SECONDS = 60 * 60, 24 * 60 * 60
MAX_WAITING = 1000  # withdrawals that wait for the database
RETRY_SECONDS = 60  # until a withdrawal that failed because of a bug is tried again
MAX_A_DAY = 5  # requests of one phone; if all are closed, a further request becomes a message to the last one

Origin = tuple[str, ...]  # what the origin key of a request is made from
Stored = dict[Origin, tuple[str, ReportState]]  # id and state of the requests that are stored


class Withdrawal(NamedTuple):
    """A withdrawal that could not be stored. `turn`: the idempotency key; `now`: Unix seconds of the STOP."""

    iso: str
    sender: str
    turn: tuple[str, ...]
    now: int
    retry_at: float = 0.0  # monotonic seconds


@dataclass(frozen=True, slots=True)
class ContactRequests:
    """Store and withdraw requests to be called."""

    submitter: Submitter
    mailbox: ReporterMailbox
    database: Database
    waiting: deque[Withdrawal] = field(default_factory=deque)

    def place(self, request: TurnRequest, record: Record, chosen: str) -> str:
        """Store a request for the hours `chosen`, or withdraw the open one, and return the outcome for the flow.

        If this phone has an open request, only its hours change. Raises NotSent or DatabaseUnavailable if nothing was
        stored.
        """
        phone = request.country.iso, request.sender.key
        origins = _origins(*phone, request.now // DAY_SECONDS)
        try:
            stored = self._stored(*phone, request.now)
        except DatabaseUnavailable:
            if chosen not in CONTACT_CHOICES:
                raise
            origins, stored = [_unknown_origin(*phone, request.now // HOUR_SECONDS)], {}
        open_id = _open_request(stored)
        if chosen not in CONTACT_CHOICES and open_id is None:
            return "nothing"
        free = [origin for origin in origins if origin not in stored]
        if open_id is None and not free:
            open_id = stored[origins[-1]][0]
        if open_id is not None:
            self.mailbox.set_contact(request, replace(record, opened_report=open_id), chosen)
            return "placed"
        recipients = request.render_context.recipients(record.state, Completeness.INCOMPLETE)
        if not recipients:
            return "nobody"
        report = self.submitter.begin(request.now, *free[0])
        self.submitter.send(_content(request, record, chosen), report, recipients, with_code=False)
        return "placed"

    def withdraw(self, iso: str, sender: str, turn: tuple[str, ...], now: int) -> None:
        """Withdraw the open request of a phone that sent STOP. `now`: Unix seconds.

        While the database is unavailable, the withdrawal waits in this process for `retry`. Raises DatabaseUnavailable
        if too many wait: then the provider sends STOP again.
        """
        try:
            self._withdraw(iso, sender, turn, now)
        except DatabaseUnavailable:
            if len(self.waiting) >= MAX_WAITING:
                raise
            self.waiting.append(Withdrawal(iso, sender, turn, now))

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
                self._withdraw(withdrawal.iso, withdrawal.sender, withdrawal.turn, withdrawal.now)
            except Exception as error:
                is_outage = isinstance(error, DatabaseUnavailable) and not isinstance(error, RowRefused)
                retry_at = 0.0 if is_outage else time.monotonic() + RETRY_SECONDS
                self.waiting.append(withdrawal._replace(retry_at=retry_at))
                fault = fault if fault and is_outage else error
        if fault:
            raise fault

    def _withdraw(self, iso: str, sender: str, turn: tuple[str, ...], now: int) -> None:
        if open_id := _open_request(self._stored(iso, sender, now)):
            self.mailbox.withdraw_contact(open_id, turn, now)

    def _stored(self, iso: str, sender: str, now: int) -> Stored:
        """Return the requests of this phone of yesterday and today.

        Raises DatabaseUnavailable, also if one of them is still in the spool.
        """
        day, hour = now // DAY_SECONDS, now // HOUR_SECONDS
        origins = [_unknown_origin(iso, sender, hour - n) for n in range(48)]
        origins += [*_origins(iso, sender, day - 1), *_origins(iso, sender, day)]
        keys = {self.submitter.origin_key(*origin): origin for origin in origins}
        stored_by_key = self.submitter.write(lambda: submissions.list_stored(self.database, list(keys)))
        self.submitter.refuse_spooled_origins(set(keys) - set(stored_by_key))
        return {origin: stored_by_key[key] for key, origin in keys.items() if key in stored_by_key}


def _origins(iso: str, sender: str, day: int) -> list[Origin]:
    return [(CONTACT_REQUEST, iso, sender, "day", str(day), str(n)) for n in range(MAX_A_DAY)]


def _unknown_origin(iso: str, sender: str, hour: int) -> Origin:
    """Return the origin of a request while stored requests are unknown. It may duplicate one, but none is lost."""
    return CONTACT_REQUEST, iso, sender, "hour", str(hour)


def _open_request(stored: Stored) -> str | None:
    """Return the newest request that is not closed."""
    open_ids = [report_id for report_id, state in stored.values() if state != ReportState.CLOSED]
    return open_ids[-1] if open_ids else None


def _content(request: TurnRequest, record: Record, chosen: str) -> ReportInput:
    answer = GivenAnswer(record.state.screen, "contact", chosen, typed=False, at=request.now, counts=True)
    return ReportInput(
        given=(answer,),
        unasked=(),
        words=None,
        country=request.country,
        kind=request.kind,
        channel="simulator" if request.is_simulator else request.kind,
        language=request.render_context.country_context(record.state).language.tag,
        flow_version=1,
        msisdn=request.sender.e164 if request.sender.valid else None,
        repeat_of=None,
        now=request.now,
        earlier=record.earlier,
        flow=CONTACT_REQUEST,
    )
