"""SMS replies that the answer to the webhook cannot carry: sealed to the worker, which sends them within a second."""

from __future__ import annotations

import json
import uuid

from gateway.messaging.model import Inbound
from gateway.sms.idempotency import idempotency_key
from reports.crypto import PublicKey, RecordCipher, SealContext, seal_body
from reports.crypto.key_files import SENDER_KEY
from reports.escalation.time_limits import SMS_LIFETIME
from reports.store.engine.database import Database
from reports.store.sms.messages import OutgoingSms, enqueue_outgoing
from runtime.queue import SEND_SMS_JOB, JobQueue


class SmsOutbox:
    """Store replies for the SMS worker."""

    def __init__(
        self, database: Database, cipher: RecordCipher, sender_key: PublicKey, job_queue: JobQueue, mode: str
    ) -> None:
        self._database = database
        self._cipher = cipher
        self._key = sender_key
        self._job_queue = job_queue
        self._mode = mode

    def send(self, inbound: Inbound, to: str, text: str, caller_key: bytes) -> None:
        """Queue a reply, once for each inbound message however often it comes. Raises DatabaseUnavailable."""
        message_id = str(uuid.UUID(bytes=self._cipher.mac("reply", *idempotency_key(inbound))[:16]))
        body = {"to": to, "from": inbound.code, "text": text, "link": inbound.link}
        body["caller"] = caller_key.hex()  # so that the worker can record an opt-out that the provider reports
        context = SealContext(self._mode, message_id, 1, SENDER_KEY)
        sealed_body = seal_body(self._key, context, b"", json.dumps(body).encode())
        now = self._database.now()
        enqueue_outgoing(
            self._database,
            OutgoingSms(
                id=message_id,
                channel=inbound.channel,
                mode=self._mode,
                key_id=sealed_body.key_id,
                wrap=sealed_body.wrap,
                sealed=sealed_body.sealed,
                created_at=now,
                expires_at=now + SMS_LIFETIME,
            ),
        )
        self._job_queue.put(SEND_SMS_JOB, message_id, "urgent")
