"""SMS that came while Redis was unavailable: stored sealed, and replayed in order once it is back."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

from msgspec.structs import asdict

from gateway.messaging.model import Inbound
from gateway.sms.idempotency import idempotency_key
from reports.crypto import DecryptError, PhonePepper, RecordCipher
from reports.store.engine.database import Database
from reports.store.sms import messages


class SmsInbox:
    """Store inbound SMS and replay them."""

    def __init__(self, database: Database, cipher: RecordCipher, pepper: PhonePepper) -> None:
        self._database = database
        self._cipher = cipher
        self._pepper = pepper

    def keep(self, inbound: Inbound, sender: str) -> None:
        """Store an inbound SMS. Raises DatabaseUnavailable: then the provider has to send it again."""
        key = self._cipher.mac("inbound", *idempotency_key(inbound))
        sealed = self._cipher.seal("inbound", key, json.dumps(asdict(inbound)).encode())
        messages.save_inbound(self._database, key, self._pepper.pseudonym(sender), sealed)

    def play(self, take: Callable[[Inbound], bool]) -> int:
        """Pass each stored SMS to `take`, oldest first, and return how many it accepted.

        One for which it returns False stays.

        Raises DatabaseUnavailable, and any exception of `take`.
        """
        accepted = 0
        for row, inbound in self._rows():
            # A row sealed with another key cannot be opened; it stays for the operator to see.
            if inbound is not None and take(inbound):
                messages.mark_processed(self._database, row.inbound_key)
                accepted += 1
        return accepted

    def _rows(self) -> Iterator[tuple[Any, Inbound | None]]:
        cursor: tuple[int, bytes] | None = None
        while page := messages.list_inbound(self._database, after=cursor):
            for row in page:
                yield row, self._open(row)
            cursor = (page[-1].seen_at, page[-1].inbound_key)

    def _open(self, row: Any) -> Inbound | None:
        try:
            return Inbound(**json.loads(self._cipher.open("inbound", row.inbound_key, row.waiting)))
        except (DecryptError, ValueError, TypeError):
            return None
