"""Numbers that must not get an SMS they did not ask for.

Each is stored as a keyed hash, in the spool while the database is unavailable. The worker that sends SMS gets the hash
key, sealed to it, and so learns none of our other keys.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator

from reports.crypto import PublicKey, RecordCipher, SealContext, keyed_hash, seal_body
from reports.crypto.key_files import SENDER_KEY
from reports.retention.erasure_journal import ErasureJournal
from reports.store.engine.database import Database, DatabaseUnavailable
from reports.store.sms import opt_outs
from reports.store.spool import Spool, SpoolEntry, SpoolWriteError
from reports.store.submissions import Submission

LABEL = "optout"
STOP, START = "optout", "optin"  # kinds of entries in the spool


class OptOuts:
    """Record and withdraw opt-outs. `sender_key`: the public key of the worker that sends SMS."""

    def __init__(
        self,
        database: Database,
        cipher: RecordCipher,
        spool: Spool,
        sender_key: PublicKey,
        mode: str,
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

    def add(self, number: str) -> None:
        """Record an opt-out.

        Raises DatabaseUnavailable if neither the database nor the spool stored it: then the provider has to send it
        again.
        """
        try:
            self.share_keys()
            opt_outs.add(self._database, self.key(number))
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
        """Store the opt-out in the spool as a submission without content.

        A later one of the same number replaces the one before.
        """
        id_ = str(uuid.UUID(bytes=self._cipher.mac("optout-id", number)[:16]))
        submission = Submission(id_, self.key(number), 1, self._database.now(), "", self._mode, "P4", "incomplete", ())
        try:
            self._spool.put(SpoolEntry(submission, kind))
        except SpoolWriteError as error:
            raise DatabaseUnavailable(str(error)) from None
