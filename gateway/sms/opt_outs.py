"""Who wants no SMS that they did not ask for: kept as a keyed hash of the number, in the spool while the database is
away, and obeyed by whoever sends: it is told by which key, sealed to it, and learns no other of ours by that.
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
STOP, START = "optout", "optin"  # in the spool


class OptOuts:
    """`sender_key`: of whoever sends SMS."""

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
        self._introduced = False

    def key(self, number: str) -> bytes:
        return self._cipher.mac(LABEL, number)

    def add(self, number: str) -> None:
        """Raises DatabaseUnavailable where neither the database nor the spool took it: then the provider has to keep
        it.
        """
        try:
            self.introduce()
            opt_outs.add(self._database, self.key(number))
        except DatabaseUnavailable:
            self._spool_it(STOP, number)
        self._journal.record("stop", keys=(self.key(number),))

    def take_back(self, number: str) -> None:
        """Raises DatabaseUnavailable where neither the database nor the spool took it."""
        try:
            opt_outs.remove(self._database, self._cipher.macs(LABEL, number))
            is_last = not self._spool.names()
        except DatabaseUnavailable:
            is_last = False
        if not is_last:
            self._spool_it(START, number)  # a STOP may wait there, and the last word counts
        self._journal.record("start", keys=self._cipher.macs(LABEL, number))

    def introduce(self) -> None:
        """Tell the sender by which keys these hashes are made, once. Raises DatabaseUnavailable."""
        if not self._introduced:
            opt_outs.save_keys(self._database, list(self._keys()))
            self._introduced = True

    def _keys(self) -> Iterator[dict[str, str | bytes]]:
        for key in self._cipher.mac_keys(LABEL):
            id_ = str(uuid.UUID(bytes=keyed_hash(key, "id")[:16]))
            box = seal_body(self._sender_key, SealContext(self._mode, id_, 1, SENDER_KEY), b"", key)
            yield {"id": id_, "mode": self._mode, "key_id": box.key_id, "wrap": box.wrap, "sealed": box.sealed}

    def _spool_it(self, kind: str, number: str) -> None:
        """In the shape of a filing that holds nothing but this key; of one number the last one takes the place of the
        one before.
        """
        id_ = str(uuid.UUID(bytes=self._cipher.mac("optout-id", number)[:16]))
        filing = Submission(id_, self.key(number), 1, self._database.now(), "", self._mode, "P4", "incomplete", ())
        try:
            self._spool.put(SpoolEntry(filing, kind))
        except SpoolWriteError as why:
            raise DatabaseUnavailable(str(why)) from None
