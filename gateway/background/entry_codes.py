"""Make the mailboxes of reports that staff entered in the console, so that code and PIN open them under My report.

Only web has the store key under which a mailbox is looked up. The console seals code and PIN to a public key that is
derived from it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import structlog

from reports.crypto import DecryptError, PrivateKey, RecordCipher, open_answer
from reports.store import mailbox_access
from reports.store.engine.database import Database
from reports.store.mailboxes import entry_codes
from reports.store.row_isolation import process_each
from runtime.settings import Mode

KEY_LABEL = "entry-codes"

log = structlog.get_logger()


class EntryMailboxes:
    """Publish web's public key, and make the requested mailboxes."""

    def __init__(self, database: Database, cipher: RecordCipher, mode: Mode, count: Callable[[str], None]) -> None:
        self._database = database
        self._cipher = cipher
        self._mode = mode
        self._count = count
        self._keys = [PrivateKey.from_raw(secret) for secret in cipher.macs(KEY_LABEL)]
        self._is_published = False
        self._unreadable: set[str] = set()  # ids of reports whose code was logged

    def make(self) -> None:
        """Make a mailbox for each code that has none yet. Raises DatabaseUnavailable."""
        if not self._is_published:
            entry_codes.publish_key(self._database, self._keys[0].public.raw)
            self._is_published = True
        rows = entry_codes.list_held(self._database)
        process_each("entry_codes", rows, self._make_one, ids=lambda row: {"report_id": row.report_id})

    def _make_one(self, row: Any) -> None:
        if pair := self._open(row.report_id, row.sealed):
            mailbox = mailbox_access.mailbox_of(self._cipher, pair)
            entry_codes.save_mailbox(self._database, row.report_id, mailbox)
            self._count("entry_mailboxes_made")
        elif row.report_id not in self._unreadable:  # it stays: the key that opens it may come back
            self._unreadable.add(row.report_id)
            log.error("entry_code_unreadable", report_id=row.report_id)
            self._count("entry_codes_unreadable")

    def _open(self, report_id: str, sealed: bytes) -> tuple[str, str] | None:
        """Return access code and PIN; None if no store key opens them."""
        for key in self._keys:
            try:
                code, _, pin = open_answer(key, self._mode, report_id, entry_codes.CODE_LABEL, sealed).partition(" ")
            except DecryptError:
                continue
            return code, pin
        return None
