"""An SMS reply that cannot ride in the answer to the webhook: sealed to the worker, and sent by it within a second."""

from __future__ import annotations

import json
import uuid

from gateway.messaging.model import Inbound
from gateway.sms.idempotency import idempotency_key
from reports.keyfolder import SENDER
from reports.periods import TEXT_LIVES
from reports.queue import SEND_SMS, Hurry
from reports.sealing import Context, Public, Vault, seal
from reports.store.engine.database import Database
from reports.store.sms.messages import OutgoingSms, enqueue_outgoing


class SmsOutbox:
    def __init__(self, database: Database, vault: Vault, sender_key: Public, hurry: Hurry, mode: str) -> None:
        self._database = database
        self._vault = vault
        self._key = sender_key
        self._hurry = hurry
        self._mode = mode

    def send(self, inbound: Inbound, to: str, text: str, caller_key: bytes) -> None:
        """Once for each inbound message, however often it comes. Raises DatabaseUnavailable."""
        message_id = str(uuid.UUID(bytes=self._vault.mac("reply", *idempotency_key(inbound))[:16]))
        body = {"to": to, "from": inbound.code, "text": text, "link": inbound.link}
        body["caller"] = caller_key.hex()  # so that the worker can keep an opt-out that the provider tells of
        context = Context(self._mode, message_id, 1, SENDER)
        box = seal(self._key, context, b"", json.dumps(body).encode())
        now = self._database.now()
        enqueue_outgoing(
            self._database,
            OutgoingSms(
                id=message_id,
                channel=inbound.channel,
                mode=self._mode,
                key_id=box.key_id,
                wrap=box.wrap,
                sealed=box.sealed,
                created_at=now,
                expires_at=now + TEXT_LIVES,
            ),
        )
        self._hurry.put(SEND_SMS, message_id, "urgent")
