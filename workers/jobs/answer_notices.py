"""Texts a reporter to dial, after a hotline has answered: looked at again in the moment before it goes.

Only clock and worker can: the number stands in sealed bodies alone, and theirs are the keys. A body is opened for the
number and for nothing else; it is kept nowhere.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import structlog

from flows.catalogues import ENGLISH_CATALOGUE, Catalogue
from reports.answer_notices import NOTICE_TEXT, next_notice_at, read_permission
from reports.countries.country import Countries, Country
from reports.crypto import DecryptError, SealContext, SealedBody, keyed_hash, open_body
from reports.crypto.key_files import SENDER_KEY, KeyFileError
from reports.store.cases import case_view
from reports.store.engine.database import Database
from reports.store.outbox import StoredBody
from reports.store.sms import answer_notices, opt_outs
from reports.store.sms.answer_notices import NoticeFacts, NoticePermission
from workers.keyring import KeyRing
from workers.sms.dispatcher import SmsDispatcher
from workers.sms.notices import SmsRoute, seal_sms

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class AnswerNotice:
    """What would go, and from when on it may."""

    due_at: int
    number: str
    line: SmsRoute
    said: str
    facts: NoticeFacts
    unless: tuple[bytes, ...] = ()  # as what an opt-out of the number would be kept


@dataclass(frozen=True, slots=True)
class AnswerNotices:
    database: Database
    keys: KeyRing
    folder: Path
    countries: Countries
    catalogues: Mapping[str, Catalogue]
    texter: SmsDispatcher

    def go_on(self) -> None:
        """Nothing is decided before it can be told who wants no SMS: web says by which key.

        Raises DatabaseUnavailable.
        """
        keys = self._optout_keys()
        if not keys:
            return
        for answer_id, report_id in answer_notices.list_undecided(self.database):
            text = self._text(report_id, keys)
            answer_notices.schedule(self.database, answer_id, report_id, text.due_at if text else None)
        told = set[str]()
        for answer_id, report_id in answer_notices.list_due(self.database):
            if report_id in told:
                continue  # by the text that has just gone; decided anew, it would be told of again a day later
            text = self._text(report_id, keys)
            if text is None or text.due_at > self.database.now():
                answer_notices.schedule(self.database, answer_id, report_id, text.due_at if text else None)
            else:
                self._send(answer_id, report_id, text)
                told.add(report_id)

    def _send(self, answer_id: str, report_id: str, text: AnswerNotice) -> None:
        mode = self.texter.mode
        try:
            sms = seal_sms(
                self.database,
                self.folder,
                text.line,
                text.number,
                said=text.said,
                mode=mode,
                sms_id=answer_id,
                unless=text.unless,
                yes=NoticePermission(report_id, text.facts.revision, text.facts.since),
            )
        except KeyFileError:
            log.error("key_missing")
            return
        if answer_notices.enqueue(self.database, answer_id, report_id, sms):
            self.texter.send(answer_id)

    def _text(self, report_id: str, keys: Sequence[bytes]) -> AnswerNotice | None:
        """None: nothing may go out for this report on what is known now."""
        facts = answer_notices.load_facts(self.database, report_id)
        country = self.countries.get(facts.country) if facts else None
        if facts is None or country is None or facts.refused or facts.state == "closed":
            return None
        for hotline in facts.hotlines:
            found = self._opened(report_id, hotline, facts.revision)
            if found is not None:
                text = self._said(country, facts, *found)
                return text and self._unless_stopped(text, keys)
        return None

    def _said(
        self, country: Country, facts: NoticeFacts, report: Mapping[str, Any], contact: Mapping[str, Any] | None
    ) -> AnswerNotice | None:
        said = read_permission(contact, facts.since)
        when = next_notice_at(said, facts.sent, self.database.now())
        line, words = self._line(country), self._words(report, country)
        if said is None or when is None or line is None or not words:
            return None
        return AnswerNotice(when, said.number, line, words, facts)

    def _unless_stopped(self, text: AnswerNotice, keys: Sequence[bytes]) -> AnswerNotice | None:
        kept = tuple(keyed_hash(key, text.number) for key in keys)
        return None if opt_outs.is_opted_out(self.database, kept) else replace(text, unless=kept)

    def _optout_keys(self) -> Sequence[bytes]:
        """By which web hashes the numbers that told STOP; none where it has not said yet, or it cannot be read here."""
        try:
            return [self._optout_key(row) for row in opt_outs.list_keys(self.database)]
        except DecryptError:
            log.error("key_missing")
            return ()

    def _optout_key(self, row: Any) -> bytes:
        box = SealedBody(row.key_id, row.wrap, b"", row.sealed)
        return open_body(self.keys.of(SENDER_KEY, row.key_id), SealContext(row.mode, row.id, 1, SENDER_KEY), box)

    def _opened(
        self, report_id: str, hotline: str, revision: int
    ) -> tuple[Mapping[str, Any], Mapping[str, Any] | None] | None:
        """The report, and what was last said about contact; None where this process cannot open it, or where the
        hotline has an older one: it was left out since, and the yes in it may be a no by now.
        """
        held = case_view.load_report(self.database, report_id, hotline)
        if held is None or held.revision < revision:
            return None
        try:
            report = self._open(held.report, SealContext(held.mode, report_id, held.revision, hotline))
            of = [(one, SealContext.of_message(held.mode, report_id, one.message_id, hotline)) for one in held.messages]
            later = [self._open(body, context).get("contact") for body, context in of]
        except DecryptError:
            return None
        contact = next((one for one in reversed(later) if one), report.get("contact"))
        return report, None if held.withdrawn else contact

    def _open(self, body: StoredBody, context: SealContext) -> Mapping[str, Any]:
        box = SealedBody(body.key_id, body.wrap, body.head, body.sealed)
        found: Mapping[str, Any] = json.loads(open_body(self.keys.of(context.hotline, body.key_id), context, box))
        return found

    def _line(self, country: Country) -> SmsRoute | None:
        """The first of CHANNELS that sends, from the number that people text there: a body names no provider."""
        sender = next((code.code for code in country.codes if code.channel == "sms"), "")
        return next((SmsRoute(channel, sender) for channel in self.texter.senders), None)

    def _words(self, report: Mapping[str, Any], country: Country) -> str:
        """Empty where the country has no code to dial."""
        code = next((code.code for code in country.codes if code.channel == "ussd"), "")
        catalogue = self.catalogues.get(str(report.get("language", "")), ENGLISH_CATALOGUE)
        return catalogue.say(NOTICE_TEXT).replace("{ussd}", code) if code else ""
