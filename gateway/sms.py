"""SMS outside of a turn: the inbox used without Redis, replies by the worker, delivery reports, opt-outs."""

from __future__ import annotations

import json
import secrets
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import structlog
from msgspec.structs import asdict

from gateway.messaging.model import Inbound
from reports.crypto import DecryptError, PhonePepper, PublicKey, RecordCipher, SealContext, keyed_hash, seal_body
from reports.crypto.key_files import SENDER_KEY
from reports.erasure_journal import ErasureJournal
from reports.escalation import Priority
from reports.facts import Completeness
from reports.store.engine.database import Database, DatabaseUnavailable
from reports.store.row_isolation import process_each
from reports.store.sms import messages, opt_outs
from reports.store.sms.messages import OutgoingSms, enqueue_outgoing
from reports.store.spool import Spool, SpoolEntry, SpoolWriteError
from reports.store.submissions import Submission
from reports.time_limits import SMS_LIFETIME
from runtime.queue import SEND_SMS_JOB, JobQueue
from runtime.settings import Mode
from runtime.telephony import DeliveryReportStatus
from runtime.time_units import HOUR_SECONDS

log = structlog.get_logger()

AFTER_SECONDS = (5, 60, 600)  # seconds until each retry; if the last one fails, the message is not ours
MAX_EARLY_RECEIPTS = 1000
RETRY_SECONDS = 60  # until an SMS of the inbox that failed is tried again
LABEL = "optout"
STOP, START = "optout", "optin"  # kinds of entries in the spool


# The idempotency key of an SMS, the same for all its redeliveries.


def idempotency_key(inbound: Inbound) -> tuple[str, ...]:
    """Return the key: the provider's id, whatever the words. Without one, the words, the time and the sender.

    If the provider sends neither id nor time, a repeat looks the same as the same words sent again. Then each message
    gets a key of its own: a second reply harms nobody, and a missing one may.
    """
    if inbound.id:
        return ("id", inbound.channel, inbound.id)
    if inbound.sent_at is not None:
        return ("sent", inbound.channel, inbound.sender, inbound.code, str(inbound.sent_at), inbound.text)
    return ("new", secrets.token_hex(16))


class SmsInbox:
    """Store inbound SMS and replay them."""

    def __init__(self, database: Database, cipher: RecordCipher, pepper: PhonePepper) -> None:
        self._database = database
        self._cipher = cipher
        self._pepper = pepper
        self._unreadable = 0
        self._next_warning_at = 0.0
        self._retry_at: dict[bytes, float] = {}  # key of an SMS that failed → monotonic seconds

    def store(self, inbound: Inbound, sender: str) -> bool:
        """Store an inbound SMS; return False if it is a repeat of one that is stored.

        Raises DatabaseUnavailable: then the provider has to send it again.
        """
        key = self._cipher.mac("inbound", *idempotency_key(inbound))
        sealed = self._cipher.seal("inbound", key, json.dumps(asdict(inbound)).encode())
        return messages.save_inbound(self._database, key, self._pepper.pseudonym(sender), sealed)

    def play(self, take: Callable[[Inbound, int], bool], outages: tuple[type[Exception], ...]) -> int:
        """Pass each stored SMS and when it came, in microseconds, to `take`, oldest first; return how many it accepted.

        An SMS that it refuses, or that cannot be opened, stays stored. So does one for which it raises: that is logged,
        the SMS of other senders follow, and this one is tried again a minute later; until then the later ones of its
        sender wait, because their order matters. Raises DatabaseUnavailable and `outages`: these end the round.
        """
        self._unreadable = 0
        self._retry_at = {key: at for key, at in self._retry_at.items() if at > time.monotonic()}
        accepted = process_each(
            "sms_inbox", self._rows(), partial(self._play, take), on_fault=self._postpone, outages=outages
        )
        if self._unreadable and time.monotonic() >= self._next_warning_at:
            log.warning("sms_inbox_unreadable", count=self._unreadable)
            self._next_warning_at = time.monotonic() + HOUR_SECONDS
        return accepted

    def _play(self, take: Callable[[Inbound, int], bool], waiting: tuple[Any, Inbound]) -> bool:
        row, inbound = waiting
        if not take(inbound, row.seen_at):
            return False
        messages.mark_processed(self._database, row.inbound_key)
        return True

    def _postpone(self, waiting: tuple[Any, Inbound]) -> None:
        self._retry_at[waiting[0].inbound_key] = time.monotonic() + RETRY_SECONDS

    def _rows(self) -> Iterator[tuple[Any, Inbound]]:
        cursor: tuple[int, bytes] | None = None
        held: set[str] = set()  # senders of whom an SMS has failed
        while page := messages.list_inbound(self._database, after=cursor):
            for row in page:
                inbound = self._open(row)
                if inbound is None:  # sealed with another key; its words are deleted by nobody but the operator
                    self._unreadable += 1
                    continue
                if row.inbound_key not in self._retry_at and inbound.sender not in held:
                    yield row, inbound
                if row.inbound_key in self._retry_at:  # from an earlier round, or since the yield
                    held.add(inbound.sender)
            cursor = (page[-1].seen_at, page[-1].inbound_key)

    def _open(self, row: Any) -> Inbound | None:
        try:
            return Inbound(**json.loads(self._cipher.open("inbound", row.inbound_key, row.waiting)))
        except (DecryptError, ValueError, TypeError):
            return None


# SMS replies that the answer to the webhook cannot carry: sealed to the worker, which sends them within a second.


class SmsOutbox:
    """Store replies for the SMS worker."""

    def __init__(
        self, database: Database, cipher: RecordCipher, sender_key: PublicKey, job_queue: JobQueue, mode: Mode
    ) -> None:
        self._database = database
        self._cipher = cipher
        self._key = sender_key
        self._job_queue = job_queue
        self._mode = mode

    def send(self, inbound: Inbound, to: str, text: str, caller_key: bytes) -> None:
        """Queue a reply, once for each inbound message however often it comes. Raises DatabaseUnavailable.

        `caller_key`: the keyed hash of the number, as in opt-outs.
        """
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
                phone_key=self._cipher.mac("reply-order", inbound.channel, to),
            ),
        )
        self._job_queue.put(SEND_SMS_JOB, message_id, "urgent")


# Delivery reports that arrive before our own send call returned: their message is not known yet.
#
# Kept in memory only: another user of the provider's account would cause such reports too, and none is essential.


class EarlyReceipts:
    """Retry early delivery reports until their message is known."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._receipts: list[
            tuple[float, int, str, DeliveryReportStatus]
        ] = []  # time of the next try, tries so far, message id, status

    def add(self, id_: str, status: DeliveryReportStatus) -> None:
        """Queue a delivery report for its first retry; drop it if too many wait."""
        with self._lock:
            if len(self._receipts) < MAX_EARLY_RECEIPTS:
                self._receipts.append((self._clock() + AFTER_SECONDS[0], 0, id_, status))

    def try_again(self, note: Callable[[str, DeliveryReportStatus], bool]) -> None:
        """Pass each due report to `note`, which returns whether its message is known.

        An exception of `note` leaves all remaining reports for the next call.
        """
        for receipt in [receipt for receipt in self._receipts if receipt[0] <= self._clock()]:
            _, tries, id_, status = receipt
            is_known = note(id_, status)
            with self._lock:
                self._receipts.remove(receipt)
                if not is_known and tries + 1 < len(AFTER_SECONDS):
                    delay = AFTER_SECONDS[tries + 1] - AFTER_SECONDS[tries]
                    self._receipts.append((self._clock() + delay, tries + 1, id_, status))


# Numbers that must not get an SMS they did not ask for.
#
# Each number is stored as a keyed hash; in the spool while the database is unavailable. The worker that sends SMS gets
# the hash key, sealed to it, and so learns none of our other keys.


class OptOuts:
    """Record and withdraw opt-outs. `sender_key`: the public key of the worker that sends SMS."""

    def __init__(
        self,
        database: Database,
        cipher: RecordCipher,
        spool: Spool,
        sender_key: PublicKey,
        mode: Mode,
        *,
        journal: ErasureJournal,
    ) -> None:
        self._database = database
        self._cipher = cipher
        self._spool = spool
        self._sender_key = sender_key
        self._mode = mode
        self._journal = journal
        self._are_keys_saved = False

    def key(self, number: str) -> bytes:
        """Return the keyed hash of a number."""
        return self._cipher.mac(LABEL, number)

    def has(self, number: str) -> bool:
        """Return whether a number has opted out. Raises DatabaseUnavailable."""
        return opt_outs.is_opted_out(self._database, self._cipher.macs(LABEL, number))

    def add(self, number: str) -> None:
        """Record an opt-out.

        Raises DatabaseUnavailable if neither the database nor the spool stored it: then the provider has to send it
        again.
        """
        try:
            self.share_keys()
            opt_outs.add(self._database, self.key(number), said_at=self._database.now())
        except DatabaseUnavailable:
            self._put_in_spool(STOP, number)
        self._journal.record("stop", keys=(self.key(number),))

    def take_back(self, number: str) -> None:
        """Withdraw an opt-out. Raises DatabaseUnavailable if neither the database nor the spool stored that."""
        try:
            opt_outs.remove(self._database, self._cipher.macs(LABEL, number))
            is_last = not self._spool.names()
        except DatabaseUnavailable:
            is_last = False
        if not is_last:
            self._put_in_spool(START, number)  # a STOP may be queued there, and the last message counts
        self._journal.record("start", keys=self._cipher.macs(LABEL, number))

    def take_back_if_any(self, number: str) -> None:
        """Withdraw the opt-out of a number that has one in the database. Raises DatabaseUnavailable."""
        if self.has(number):
            self.take_back(number)

    def share_keys(self) -> None:
        """Store the hash keys, sealed to the SMS worker, once for each process. Raises DatabaseUnavailable."""
        if not self._are_keys_saved:
            opt_outs.save_keys(self._database, list(self._keys()))
            self._are_keys_saved = True

    def _keys(self) -> Iterator[dict[str, str | bytes]]:
        for key in self._cipher.mac_keys(LABEL):
            id_ = str(uuid.UUID(bytes=keyed_hash(key, "id")[:16]))
            sealed_body = seal_body(self._sender_key, SealContext(self._mode, id_, 1, SENDER_KEY), b"", key)
            yield {
                "id": id_,
                "mode": self._mode,
                "key_id": sealed_body.key_id,
                "wrap": sealed_body.wrap,
                "sealed": sealed_body.sealed,
            }

    def _put_in_spool(self, kind: str, number: str) -> None:
        """Store an opt-out or its withdrawal in the spool, as a submission without content. Raises DatabaseUnavailable.

        A later entry of the same number replaces the one before.
        """
        id_ = str(uuid.UUID(bytes=self._cipher.mac("optout-id", number)[:16]))
        submission = Submission(
            id_, self.key(number), 1, self._database.now(), "", self._mode, Priority.P4, Completeness.INCOMPLETE, ()
        )
        try:
            self._spool.put(SpoolEntry(submission, kind))
        except SpoolWriteError as error:
            raise DatabaseUnavailable(str(error)) from None
