"""Words that a reporter speaks in a call: the provider records them, and the scheduler fetches the recording.

Nothing is recorded before Send, so each recording belongs to a report that is stored. Its id is part of the address to
which the provider reports; the recording's place at the provider is sealed to the scheduler.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass

from gateway.conversation.context import TurnRequest
from gateway.conversation.mailbox import turn_of
from gateway.messaging.model import RecordedWords
from gateway.sessions.record import Record
from gateway.submission.submitter import Submitter
from reports.crypto import PublicKey, RecordCipher, SealContext, seal_body
from reports.crypto.key_files import SENDER_KEY
from reports.store.engine.database import Database, DatabaseUnavailable
from reports.store.mailboxes import recordings
from reports.store.mailboxes.recordings import ArrivedRecording
from reports.store.schema.base import derived_id
from runtime.settings import Mode


@dataclass(frozen=True, slots=True)
class SpokenWords:
    """Store that a reporter was asked to speak, and what the provider reported."""

    submitter: Submitter
    database: Database
    cipher: RecordCipher
    sender_key: PublicKey
    mode: Mode
    count: Callable[[str], None]

    def expect(self, request: TurnRequest, record: Record) -> str:
        """Return the id under which the provider is to record; "" if no recording could be stored now.

        A repeat of the turn gets the same id.
        """
        report = record.report
        if report is None or not report.is_submitted:
            return ""
        expected = derived_id(self.cipher.mac("recording", report.report_id, *turn_of(request, record)))
        try:
            is_stored = self.submitter.write(
                lambda: recordings.expect(self.database, expected, report.report_id, request.inbound.channel, self.mode)
            )
        except DatabaseUnavailable:
            return ""
        return expected if is_stored else ""

    def arrive(self, channel: str, words: RecordedWords) -> None:
        """Store what the provider reported. A repeat changes nothing. Raises DatabaseUnavailable."""
        if not words.source:
            self.submitter.write(lambda: recordings.note_silence(self.database, words.expected))
            return
        arrived_id = derived_id(self.cipher.mac("recorded", channel, words.source))
        context = SealContext(self.mode, arrived_id, 1, SENDER_KEY)
        place = seal_body(self.sender_key, context, b"", json.dumps({"source": words.source}).encode())
        arrived = ArrivedRecording(arrived_id, channel, self.mode, place.key_id, place.wrap, place.sealed)
        self.submitter.write(lambda: recordings.arrive(self.database, words.expected, arrived))
