"""Decrypt reports, messages and notes that are sealed to a hotline, for a person of its staff."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from reports.crypto import DecryptError, SealContext, SealedBody, open_body, open_head
from reports.crypto.key_files import PrivateKeySet
from reports.json_bodies import without_contact
from reports.store.cases.case_list import CaseHead, CaseRow
from reports.store.cases.case_view import CaseView
from reports.store.outbox import StoredBody

HEAD_CACHE_SIZE = 20_000  # decrypted heads


@dataclass(frozen=True, slots=True)
class DecryptedReport:
    """The decrypted content of a case.

    `report`: the JSON of the report; None if it does not open or is not a JSON object. `said`: the messages that the
    reporter left by My report, oldest first. `notes`: the hotline's own notes, including its answers to the reporter.
    """

    report: Mapping[str, Any] | None
    said: tuple[Mapping[str, Any], ...]
    notes: tuple[Mapping[str, Any], ...]


class ReportDecryptor:
    """Decrypts what is sealed to the hotlines of this console. Heads are cached, because the list shows many."""

    def __init__(self, keys: PrivateKeySet, mode: str) -> None:
        self._keys = keys
        self._mode = mode
        self._cached_head = lru_cache(HEAD_CACHE_SIZE)(self._open_head)

    def head(self, row: CaseRow | CaseHead, hotline: str) -> Mapping[str, Any]:
        """Return the head of a report, which the list shows; empty if there is none or it does not open."""
        if not row.head:
            return {}
        return self._cached_head(hotline, row.mode, row.report_id, row.revision, row.key_id, row.wrap, row.head)

    def _open_head(
        self, hotline: str, mode: str, report_id: str, revision: int, *sealed_parts: Any
    ) -> Mapping[str, Any]:
        key_id, wrap, head = sealed_parts
        try:
            context = SealContext(mode, report_id, revision, hotline)
            content: Mapping[str, Any] = json.loads(
                open_head(self._keys.of(hotline, key_id), context, SealedBody(key_id, wrap, head, b""))
            )
        except (DecryptError, ValueError):
            return {}
        return content

    def all(self, before: CaseView, report_id: str, hotline: str) -> DecryptedReport:
        """Decrypt report, messages and notes of a case. The contact of the latest message replaces the report's."""
        notes = tuple(self._open_note(note, report_id, hotline) for note in before.notes)
        readable = before.held
        if readable is None:
            return DecryptedReport(None, (), notes)
        report = self._open_json(
            readable.report, SealContext(readable.mode, report_id, readable.revision, hotline), readable.withdrawn
        )
        message_contents = []
        for message in readable.messages:
            context = SealContext.of_message(readable.mode, report_id, message.message_id, hotline)
            content = self._open_json(message, context, readable.withdrawn)
            if content is not None:
                message_contents.append(content)
                if report is not None and content.get("contact"):
                    report = {**report, "contact": content["contact"]}
        return DecryptedReport(report, tuple(message_contents), notes)

    def drafts(self, rows: Iterable[Any], report_id: str, hotline: str) -> dict[str, str]:
        """Return kind → text, without drafts that do not open any more."""
        texts_by_kind = {row.kind: self._open_text(row, report_id, hotline) for row in rows}
        return {kind: text for kind, text in texts_by_kind.items() if text is not None}

    def _open_json(self, body: StoredBody, context: SealContext, withdrawn: bool) -> Mapping[str, Any] | None:
        try:
            key = self._keys.of(context.hotline, body.key_id)
            plaintext = open_body(key, context, SealedBody(body.key_id, body.wrap, body.head, body.sealed))
        except DecryptError:
            return None
        try:
            content = json.loads(without_contact(plaintext) if withdrawn else plaintext)
        except ValueError:
            return None
        return content if isinstance(content, dict) else None

    def _open_note(self, row: Any, report_id: str, hotline: str) -> Mapping[str, Any]:
        text = self._open_text(row, report_id, hotline)
        return {"kind": row.kind, "by": row.actor.rpartition("/")[2], "at": row.created_at, "text": text}

    def _open_text(self, row: Any, report_id: str, hotline: str) -> str | None:
        context = SealContext.of_message(self._mode, report_id, row.note_id, hotline)
        content = self._open_json(StoredBody(row.key_id, row.wrap, b"", row.sealed, row.note_id), context, False)
        return str(content.get("text", "")) if content else None
