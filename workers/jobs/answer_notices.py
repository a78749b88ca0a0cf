"""Text reporters that a hotline has answered and that they can dial in.

If the network can, according to the country file, the text is shown by network-initiated USSD, which stays in no inbox.
If that fails, it is sent by SMS.

The permission is checked again just before an SMS is sent. Only `clock` and the workers can do this: the number is in
the sealed bodies alone, and they hold the keys. A body is opened for the number only, and nothing of it is stored.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import structlog

from flows.catalogues import ENGLISH_CATALOGUE, Catalogue
from flows.pagination import segments
from reports.answer_notices import NOTICE_TEXT, next_notice_at, read_permission
from reports.case_state import ReportState
from reports.countries.country import Countries, Country
from reports.crypto import DecryptError, SealContext, SealedBody, keyed_hash, open_body
from reports.crypto.key_files import SENDER_KEY, KeyFileError
from reports.store.cases import case_view
from reports.store.engine.database import Database
from reports.store.outbox import StoredBody
from reports.store.sms import answer_notices, opt_outs
from reports.store.sms.answer_notices import DueNotice, NoticeFacts, NoticePermission
from workers.keyring import KeyRing
from workers.row_pages import RowPages
from workers.sms.dispatcher import SmsDispatcher, UssdSender
from workers.sms.notices import SmsRoute, seal_sms

NOTICES_AT_ONCE = 100
USSD_CHANNEL = "kannel"  # the only channel that can begin a USSD session

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class AnswerNotice:
    """An SMS that may be sent from `due_at` on (Unix time in microseconds).

    `opt_out_keys`: the hashes of the number under which an opt-out would be stored.
    """

    due_at: int
    number: str
    route: SmsRoute
    text: str
    facts: NoticeFacts
    opt_out_keys: tuple[bytes, ...] = ()


@dataclass(frozen=True, slots=True)
class AnswerNotices:
    """Schedules and sends the notices. `folder`: of the keys."""

    database: Database
    keys: KeyRing
    folder: Path
    countries: Countries
    catalogues: Mapping[str, Catalogue]
    sms_dispatcher: SmsDispatcher
    _undecided: RowPages = field(default_factory=lambda: RowPages("answer_notices"), init=False)
    _due: RowPages = field(default_factory=lambda: RowPages("answer_notices"), init=False)

    def process_due(self) -> None:
        """Schedule new notices and send the due ones.

        Nothing is scheduled before the opt-outs can be checked: `web` publishes the keys of their hashes. Raises
        DatabaseUnavailable.
        """
        keys = self._optout_keys()
        if not keys:
            return
        self._undecided.process(
            lambda skip: answer_notices.list_undecided(self.database, NOTICES_AT_ONCE, skip),
            NOTICES_AT_ONCE,
            lambda row: self._decide(*row, keys),
            lambda row: row[1],
        )
        if count := answer_notices.reopen_failed_ussd(self.database):
            log.info("ussd_not_shown", count=count)
        answer_notices.settle_unsent(self.database)
        notified = set[str]()
        self._due.process(
            lambda skip: answer_notices.list_due(self.database, NOTICES_AT_ONCE, skip),
            NOTICES_AT_ONCE,
            lambda due: self._send_due(due, keys, notified),
            lambda due: due.report_id,
        )

    def _decide(self, answer_id: str, report_id: str, keys: Sequence[bytes]) -> bool:
        notice = self._notice(report_id, keys)
        answer_notices.schedule(self.database, answer_id, report_id, notice.due_at if notice else None)
        return True

    def _send_due(self, due: DueNotice, keys: Sequence[bytes], notified: set[str]) -> bool:
        """Send a due notice, if it may still be sent, and add its report to `notified`. Returns whether it is done."""
        if due.report_id in notified:
            return True  # the SMS just sent covers this answer; rescheduled, it would lead to another one a day later
        notice = self._notice(due.report_id, keys, by_sms=due.ussd_failed)
        if notice is None and due.ussd_failed:
            answer_notices.close_ussd(self.database, due.answer_id)
        elif notice is None or notice.due_at > self.database.now():
            answer_notices.schedule(self.database, due.answer_id, due.report_id, notice.due_at if notice else None)
        else:
            is_sent = self._send(due.answer_id, due.report_id, notice)
            notified.add(due.report_id)
            return is_sent
        return True

    def _send(self, answer_id: str, report_id: str, notice: AnswerNotice) -> bool:
        mode = self.sms_dispatcher.mode
        sms_id = str(uuid.uuid4()) if notice.route.ussd else answer_id
        try:
            sms = seal_sms(
                self.database,
                self.folder,
                notice.route,
                notice.number,
                text=notice.text,
                mode=mode,
                sms_id=sms_id,
                unless=notice.opt_out_keys,
                permission=NoticePermission(report_id, notice.facts.revision, notice.facts.since),
            )
        except KeyFileError:
            log.error("key_missing")
            return False
        if answer_notices.enqueue(self.database, answer_id, report_id, sms):
            self.sms_dispatcher.send(sms_id)
        return True

    def _notice(self, report_id: str, keys: Sequence[bytes], *, by_sms: bool = False) -> AnswerNotice | None:
        """Return the notice for a report; None if none may be sent now. `by_sms`: never by USSD."""
        facts = answer_notices.load_facts(self.database, report_id)
        country = self.countries.get(facts.country) if facts else None
        if facts is None or country is None or facts.refused or facts.state == ReportState.CLOSED:
            return None
        for hotline in facts.hotlines:
            opened = self._open_report(report_id, hotline, facts.revision)
            if opened is not None:
                notice = self._notice_from(country, facts, *opened, by_sms=by_sms)
                return notice and self._unless_opted_out(notice, keys)
        return None

    def _notice_from(
        self,
        country: Country,
        facts: NoticeFacts,
        report: Mapping[str, Any],
        contact: Mapping[str, Any] | None,
        *,
        by_sms: bool,
    ) -> AnswerNotice | None:
        permission = read_permission(contact, facts.since)
        due_at = next_notice_at(permission, facts.sent, self.database.now())
        route = self._route(country)
        text = self._notice_text(report, " / ".join(country.ussd_codes))
        if not by_sms and (ussd_route := self._ussd_route(report, country)):
            route, text = ussd_route, self._notice_text(report, ussd_route.sender)
        if permission is None or due_at is None or route is None or not text:
            return None
        return AnswerNotice(due_at, permission.number, route, text, facts)

    def _unless_opted_out(self, notice: AnswerNotice, keys: Sequence[bytes]) -> AnswerNotice | None:
        hashes = tuple(keyed_hash(key, notice.number) for key in keys)
        return None if opt_outs.is_opted_out(self.database, hashes) else replace(notice, opt_out_keys=hashes)

    def _optout_keys(self) -> Sequence[bytes]:
        """Return the keys by which `web` hashes the numbers that opted out.

        The list is empty if `web` has not stored a key yet, or if a key cannot be opened here.
        """
        try:
            return [self._optout_key(row) for row in opt_outs.list_keys(self.database)]
        except DecryptError:
            log.error("key_missing")
            return ()

    def _optout_key(self, row: Any) -> bytes:
        sealed_body = SealedBody(row.key_id, row.wrap, b"", row.sealed)
        return open_body(
            self.keys.of(SENDER_KEY, row.key_id), SealContext(row.mode, row.id, 1, SENDER_KEY), sealed_body
        )

    def _open_report(
        self, report_id: str, hotline: str, revision: int
    ) -> tuple[Mapping[str, Any], Mapping[str, Any] | None] | None:
        """Return the report and the reporter's latest statement about contact.

        None if this process cannot open the report, or if the hotline has an older revision: the hotline was left out
        since, and a permission in it may have been withdrawn.
        """
        stored = case_view.load_report(self.database, report_id, hotline)
        if stored is None or stored.revision < revision:
            return None
        try:
            report = self._open(stored.report, SealContext(stored.mode, report_id, stored.revision, hotline))
            messages = [
                (message, SealContext.of_message(stored.mode, report_id, message.message_id, hotline))
                for message in stored.messages
            ]
            statements = [self._open(body, context).get("contact") for body, context in messages]
        except DecryptError:
            return None
        contact = next((statement for statement in reversed(statements) if statement), report.get("contact"))
        return report, None if stored.withdrawn else contact

    def _open(self, body: StoredBody, context: SealContext) -> Mapping[str, Any]:
        sealed_body = SealedBody(body.key_id, body.wrap, body.head, body.sealed)
        opened: Mapping[str, Any] = json.loads(
            open_body(self.keys.of(context.hotline, body.key_id), context, sealed_body)
        )
        return opened

    def _route(self, country: Country) -> SmsRoute | None:
        """Return the first of CHANNELS that can send, with the country's SMS code as sender.

        A body does not name the provider that the reporter used.
        """
        sender = next((code.code for code in country.codes if code.channel == "sms"), "")
        return next((SmsRoute(channel, sender) for channel in self.sms_dispatcher.senders), None)

    def _ussd_route(self, report: Mapping[str, Any], country: Country) -> SmsRoute | None:
        """Return how to show the text by USSD; None if the reporter did not dial, or no network or Kannel can.

        A body does not name the dialled code. A phone of another network gets the SMS after USSD has failed.
        """
        sender = self.sms_dispatcher.senders.get(USSD_CHANNEL)
        code = next((code.code for code in country.codes if code.channel == "ussd" and code.network_initiated), "")
        if report.get("channel") != "ussd" or not code or not (isinstance(sender, UssdSender) and sender.can_notify):
            return None
        is_one_screen = segments(self._notice_text(report, code)) == 1
        return SmsRoute(USSD_CHANNEL, code, ussd=True) if is_one_screen else None

    def _notice_text(self, report: Mapping[str, Any], code: str) -> str:
        """Return the text in the report's language, with the codes to dial; empty without a code."""
        catalogue = self.catalogues.get(str(report.get("language", "")), ENGLISH_CATALOGUE)
        return catalogue.translate(NOTICE_TEXT).replace("{ussd}", code) if code else ""
