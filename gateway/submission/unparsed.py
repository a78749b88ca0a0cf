"""Store authenticated messages that could not be parsed, sealed to the child helpline, for a person to read."""

from __future__ import annotations

from collections.abc import Mapping

from reports.countries.country import Country
from reports.crypto import PublicKey, RecordCipher, SealContext, seal_body
from reports.json_bodies import unread_json
from reports.routing import incomplete_hotline
from reports.store.engine.database import Database, DatabaseUnavailable
from reports.store.schema.base import new_id
from reports.store.spool import Spool, SpoolEntry, SpoolWriteError
from reports.store.submissions import SealedCopy, Submission, schedule_pending
from runtime.time_units import DAY, SECOND


class NotStored(Exception):
    """Neither the database nor the spool stored the message; the provider must send it again."""


class UnparsedStore:
    """Seal and store raw messages, so that no word is lost."""

    def __init__(
        self, database: Database, spool: Spool, cipher: RecordCipher, keys: Mapping[str, PublicKey], mode: str
    ) -> None:
        self._database = database
        self._cipher = cipher
        self._spool = spool
        self._keys = keys
        self._mode = mode

    def keep(self, channel: str, country: Country, raw: bytes, content_type: str, name: tuple[str, ...] = ()) -> None:
        """Store a raw message. Raises NotStored.

        The same message is stored once a day: the same `name`, or without a name the same bytes.
        """
        now = self._database.now()
        report_id = new_id(now)
        body = unread_json(
            report_id=report_id,
            mode=self._mode,
            country=country.iso,
            channel=channel,
            received_at=now // SECOND,
            content_type=content_type,
            body=raw,
        )
        submission = Submission(
            report_id=report_id,
            # The provider repeats it; but the same words on another day are another message.
            origin_key=self._cipher.mac("unread", channel, str(now // DAY), *(name or (raw,))),
            revision=1,
            created_at=now,
            country=country.iso,
            mode=self._mode,
            priority="P2",
            completeness="unread",
            parts=tuple(self._part(*recipient, report_id, body) for recipient in self._recipients(country)),
        )
        try:
            schedule_pending(self._database, submission, "unread", now)
        except DatabaseUnavailable:
            self._put_in_spool(submission, now)

    def _put_in_spool(self, submission: Submission, now: int) -> None:
        try:
            self._spool.put(SpoolEntry(submission, "unread", due_at=now))
        except SpoolWriteError:
            raise NotStored from None

    def _recipients(self, country: Country) -> list[tuple[str, str, str]]:
        helpline = incomplete_hotline(country)
        if helpline in self._keys:
            return [(str(helpline), "primary", "INCOMPLETE_ONLY")]
        return [(hotline, "held", "NEEDS_PERSON") for hotline in country.hotlines if hotline in self._keys]

    def _part(self, hotline: str, role: str, reason: str, report_id: str, body: bytes) -> SealedCopy:
        sealed_body = seal_body(self._keys[hotline], SealContext(self._mode, report_id, 1, hotline), b"{}", body)
        return SealedCopy(
            hotline, role, reason, sealed_body.key_id, sealed_body.wrap, sealed_body.head, sealed_body.sealed
        )
