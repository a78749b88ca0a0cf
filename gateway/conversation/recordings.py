"""Words that a reporter speaks in a call: the provider records them, and the scheduler fetches the recording.

Nothing is recorded before Send, so each recording belongs to a report that is stored: the one of this call, or the one
that is open under *My report*. Its id is part of the address to which the provider reports. The recording's place at
the provider is sealed to the scheduler, and so is the provider's id of the call, by which the scheduler asks for a
recording that was never reported.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from gateway.conversation.context import TurnRequest
from gateway.conversation.mailbox import turn_of
from gateway.messaging.model import RecordedWords
from gateway.sessions.record import Record, has_open_mailbox
from gateway.submission.submitter import Submitter
from reports.crypto import PublicKey, RecordCipher, SealContext, seal_body
from reports.crypto.key_files import SENDER_KEY
from reports.store.engine.database import Database, DatabaseUnavailable
from reports.store.mailboxes import recordings
from reports.store.mailboxes.recordings import RecordingAtProvider
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
        report_id = _report_of(record)
        if report_id is None:
            return ""
        expected = derived_id(self.cipher.mac("recording", report_id, *turn_of(request, record)))
        inbound = request.inbound
        call = self._sealed(expected, inbound.channel, {"call": inbound.session})
        try:
            is_stored = self.submitter.write(lambda: recordings.expect(self.database, call, report_id))
        except DatabaseUnavailable:
            return ""
        return expected if is_stored else ""

    def arrive(self, channel: str, words: RecordedWords) -> None:
        """Store what the provider reported. A repeat changes nothing. Raises DatabaseUnavailable."""
        if not words.source:
            self.submitter.write(lambda: recordings.note_silence(self.database, words.expected))
            return
        arrived_id = derived_id(self.cipher.mac("recorded", channel, words.source))
        arrived = self._sealed(arrived_id, channel, {"source": words.source})
        self.submitter.write(lambda: recordings.arrive(self.database, words.expected, arrived))

    def _sealed(self, recording_id: str, channel: str, place: Mapping[str, str]) -> RecordingAtProvider:
        """Return where a recording is, or the call in which it is made, sealed to the scheduler."""
        context = SealContext(self.mode, recording_id, 1, SENDER_KEY)
        box = seal_body(self.sender_key, context, b"", json.dumps(place).encode())
        return RecordingAtProvider(recording_id, channel, self.mode, box.key_id, box.wrap, box.sealed)


def _report_of(record: Record) -> str | None:
    """Return the id of the report to which words belong that are spoken now; None if nothing is sent."""
    if has_open_mailbox(record):
        return record.opened_report
    return record.report.report_id if record.report and record.report.is_submitted else None
