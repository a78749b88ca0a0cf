"""Look for sent words in the database and in the session, opened with all keys."""

from __future__ import annotations

import asyncio
import base64
import json
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from typing import Any

from gateway.phone_numbers import normalise
from gateway.sessions.keys import SessionKeys
from gateway.sessions.store import RecordKeys, Sessions
from reports.crypto import RecordCipher, SealContext, SealedBody, open_body
from reports.crypto.key_files import read_private_key
from runtime.settings import CommonSettings, WebSecrets, load_all_settings
from tests.support.installation import Installation

ROWS = "SELECT rowid, report_id, revision, recipient, key_id, wrap, head, sealed FROM {} WHERE rowid > ? ORDER BY rowid"
MESSAGES = "SELECT rowid, report_id, message_id, recipient, key_id, wrap, sealed FROM message WHERE rowid > ?"
OVERLAP = 200  # rows of `pending` are deleted, and later rows reuse their ids


@dataclass(frozen=True)
class SentWords:
    """Words, and the conversation that sent them."""

    words: str
    channel: str
    code: str
    session: str
    phone: str
    before: tuple[str, ...] = ()  # earlier replies in it


class StoredWords:
    """A reader of all stored words."""

    def __init__(self, installation: Installation) -> None:
        self._folder = installation.plan.folder.inside
        settings = load_all_settings((CommonSettings, WebSecrets), installation.environment)
        vault = RecordCipher(settings[WebSecrets].session_key.reveal())
        keys = SessionKeys(installation.plan.folder.inside, vault.mac("session chain"))
        self._sessions = Sessions(settings[CommonSettings].session_redis, vault, keys)
        self._runner = asyncio.Runner()
        self._last = {"report_body": 0, "pending": 0}
        self._last_message = 0

    def close(self) -> None:
        """Close its connections."""
        self._sessions.close()
        self._runner.close()

    def without(self, told: Iterable[SentWords], *, everything: bool = False) -> list[SentWords]:
        """Return the words that are stored nowhere. `everything`: read all rows, not only new ones."""
        stands = set(self._stored(everything=everything))
        return [one for one in told if one.words not in stands and one.words not in self._conversation(one)]

    def _conversation(self, told: SentWords) -> set[str]:
        who = normalise(told.phone, "vu").key
        session = self._sessions.key("s", told.channel, told.code, told.session, who)
        draft = self._sessions.key("d", told.channel, told.code, who)
        found = self._runner.run(self._sessions.load(RecordKeys(session, draft)))
        return set(_strings([json.loads(one) for one in (found.session, found.drafts) if one]))

    def _stored(self, *, everything: bool) -> Iterator[str]:
        with closing(sqlite3.connect(self._folder / "tokaut.db", timeout=10)) as database:
            for table in self._last:
                after = 0 if everything else max(0, self._last[table] - OVERLAP)
                seen = set()
                for rowid, *row in database.execute(ROWS.format(table), (after,)):
                    self._last[table] = rowid
                    if (row[0], row[1]) not in seen:  # one recipient is enough
                        seen.add((row[0], row[1]))
                        yield from _strings(self._opened(*row))
            for rowid, *row in database.execute(MESSAGES, (0 if everything else self._last_message,)):
                self._last_message = max(self._last_message, rowid)
                yield from _strings(self._opened_message(*row))

    def _opened_message(self, report_id: str, message_id: str, hotline: str, key_id: str, *sealed: bytes) -> Any:
        private = read_private_key(self._folder / "keys", hotline, key_id)
        context = SealContext.of_message("demo", report_id, message_id, hotline)
        return json.loads(open_body(private, context, SealedBody(key_id, sealed[0], b"", sealed[1])))

    def _opened(self, report_id: str, revision: int, hotline: str, key_id: str, *sealed: bytes) -> Any:
        private = read_private_key(self._folder / "keys", hotline, key_id)
        body = json.loads(
            open_body(private, SealContext("demo", report_id, revision, hotline), SealedBody(key_id, *sealed))
        )
        if "body_base64" in body:
            body["body"] = base64.b64decode(body["body_base64"]).decode("utf-8", "replace").split("\n")
        return body


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for inner in value.values():
            yield from _strings(inner)
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from _strings(inner)
