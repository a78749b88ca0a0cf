"""Opens what is sealed to a hotline, with its private key, for a person of its staff."""

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

HEAD_CACHE_SIZE = 20_000


@dataclass(frozen=True, slots=True)
class DecryptedReport:
    """`report`: its JSON; None where it cannot be opened, or is no report. `said`: what came by My report, oldest
    first. `notes`: the hotline's own, with what was answered to the reporter."""

    report: Mapping[str, Any] | None
    said: tuple[Mapping[str, Any], ...]
    notes: tuple[Mapping[str, Any], ...]


class ReportDecryptor:
    def __init__(self, keys: PrivateKeySet, mode: str) -> None:
        self._keys = keys
        self._mode = mode
        self._head = lru_cache(HEAD_CACHE_SIZE)(self._open_head)

    def head(self, row: CaseRow | CaseHead, hotline: str) -> Mapping[str, Any]:
        """What the list shows of a report; empty where there is none or it does not open."""
        if not row.head:
            return {}
        return self._head(hotline, row.mode, row.report_id, row.revision, row.key_id, row.wrap, row.head)

    def _open_head(self, hotline: str, mode: str, report_id: str, revision: int, *box: Any) -> Mapping[str, Any]:
        key_id, wrap, head = box
        try:
            context = SealContext(mode, report_id, revision, hotline)
            found: Mapping[str, Any] = json.loads(
                open_head(self._keys.of(hotline, key_id), context, SealedBody(key_id, wrap, head, b""))
            )
        except (DecryptError, ValueError):
            return {}
        return found

    def all(self, before: CaseView, report_id: str, hotline: str) -> DecryptedReport:
        notes = tuple(self._note(one, report_id, hotline) for one in before.notes)
        held = before.held
        if held is None:
            return DecryptedReport(None, (), notes)
        report = self._body(held.report, SealContext(held.mode, report_id, held.revision, hotline), held.withdrawn)
        said = []
        for one in held.messages:
            context = SealContext.of_message(held.mode, report_id, one.message_id, hotline)
            found = self._body(one, context, held.withdrawn)
            if found is not None:
                said.append(found)
                if report is not None and found.get("contact"):
                    report = {**report, "contact": found["contact"]}  # what was said last holds
        return DecryptedReport(report, tuple(said), notes)

    def drafts(self, rows: Iterable[Any], report_id: str, hotline: str) -> dict[str, str]:
        """Kind → words; without those that do not open any more."""
        opened = {row.kind: self._words(row, report_id, hotline) for row in rows}
        return {kind: text for kind, text in opened.items() if text is not None}

    def _body(self, body: StoredBody, context: SealContext, withdrawn: bool) -> Mapping[str, Any] | None:
        try:
            key = self._keys.of(context.hotline, body.key_id)
            data = open_body(key, context, SealedBody(body.key_id, body.wrap, body.head, body.sealed))
        except DecryptError:
            return None
        try:
            found = json.loads(without_contact(data) if withdrawn else data)
        except ValueError:
            return None
        return found if isinstance(found, dict) else None

    def _note(self, row: Any, report_id: str, hotline: str) -> Mapping[str, Any]:
        text = self._words(row, report_id, hotline)
        return {"kind": row.kind, "by": row.actor.rpartition("/")[2], "at": row.created_at, "text": text}

    def _words(self, row: Any, report_id: str, hotline: str) -> str | None:
        context = SealContext.of_message(self._mode, report_id, row.note_id, hotline)
        found = self._body(StoredBody(row.key_id, row.wrap, b"", row.sealed, row.note_id), context, False)
        return str(found.get("text", "")) if found else None
