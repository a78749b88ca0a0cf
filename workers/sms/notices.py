"""Store and send unsolicited SMS: to duty phones and on-call contacts. They are sealed and sent like all others."""

from __future__ import annotations

import json
import uuid
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import structlog

from reports.crypto import SealContext, seal_body
from reports.crypto.key_files import SENDER_KEY, KeyFileError, load_public_keys
from reports.store.engine.database import Database
from reports.store.sms import messages
from reports.store.sms.answer_notices import NoticePermission
from reports.store.sms.messages import OutgoingSms
from reports.time_limits import SMS_LIFETIME
from runtime.settings import Mode
from runtime.time_units import SECOND
from workers.sms.dispatcher import USSD_SECONDS, Accepted, SmsDispatcher, SmsMessage

USSD_LIFETIME = USSD_SECONDS * SECOND

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class SmsRoute:
    """The channel that sends an SMS, and our number it comes from.

    `ussd`: the text is shown by network-initiated USSD, and `sender` is a service code.
    """

    channel: str
    sender: str
    ussd: bool = False


def seal_sms(
    database: Database,
    keys: Path,
    route: SmsRoute,
    to: str,
    *,
    text: str,
    mode: Mode,
    sms_id: str = "",
    unless: Sequence[bytes] = (),
    permission: NoticePermission | None = None,
) -> OutgoingSms:
    """Return the sealed SMS for the outbox. Raises KeyFileError.

    `sms_id`: the id of the SMS; empty: a new one. `unless`: hashes of the number; the SMS is not sent if one of them
    has opted out. `permission`: the one that must still hold when it is sent.
    """
    sms_id, now = sms_id or str(uuid.uuid4()), database.now()
    body: dict[str, object] = {
        "to": to,
        "from": route.sender,
        "text": text,
        "unless": [number_hash.hex() for number_hash in unless],
    }
    body |= {"yes": asdict(permission)} if permission else {}
    body |= {"ussd": True} if route.ussd else {}
    sealed_body = seal_body(
        load_public_keys(keys, [SENDER_KEY])[SENDER_KEY],
        SealContext(mode, sms_id, 1, SENDER_KEY),
        b"",
        json.dumps(body).encode(),
    )
    expires_at = now + (USSD_LIFETIME if route.ussd else SMS_LIFETIME)
    return OutgoingSms(
        sms_id, route.channel, mode, sealed_body.key_id, sealed_body.wrap, sealed_body.sealed, now, expires_at
    )


@dataclass(frozen=True, slots=True)
class SmsNotifier:
    """Sends SMS to the on-call contacts, and to duty officers and supervisors of hotlines."""

    database: Database
    sms_dispatcher: SmsDispatcher
    keys: Path
    mode: Mode
    route: SmsRoute

    def send(self, to: str, text: str) -> bool:
        """Store the SMS and send it at once. Returns True if a provider has accepted it.

        Otherwise it stays in the outbox and is retried. Raises DatabaseUnavailable.
        """
        try:
            sms = seal_sms(self.database, self.keys, self.route, to, text=text, mode=self.mode)
        except KeyFileError:
            log.error("key_missing")
            return False
        messages.enqueue_outgoing(self.database, sms)
        self.sms_dispatcher.send(sms.id)
        return messages.load_state(self.database, sms.id) == "sent"

    def send_without_database(self, to: str, text: str) -> bool:
        """Send at once and store nothing; return True once a provider has accepted it.

        For alerts about the database itself: `send` needs it.
        """
        sender = self.sms_dispatcher.senders.get(self.route.channel)
        if sender is None:
            return False
        message = SmsMessage(to, self.route.sender, text, id=str(uuid.uuid4()), seconds=SMS_LIFETIME // SECOND)
        return isinstance(sender.send(message), Accepted)
