"""Build a report from the answers of a session, or from a message nobody could parse, and seal it.

`web` seals with the hotlines' public keys and cannot open the result.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from msgspec import Struct

from gateway.sessions.phone_history import SentReport, linked_ids
from gateway.sessions.record import Media, kinds_of
from gateway.sessions.report_ref import ReportRef
from reports.countries.country import Country
from reports.crypto import PublicKey, RecordCipher, SealContext, seal_body
from reports.delivery import RecipientRole
from reports.escalation import PendingKind, Priority
from reports.facts import Completeness, GivenAnswer, derive_facts
from reports.json_bodies import unread_json
from reports.narrative import UnaskedText
from reports.report import (
    CONTACT_CHOICES,
    Report,
    ReportChannel,
    ReportMetadata,
    build_report,
    report_head,
    shows_number,
    to_json,
)
from reports.routing import Recipient, Route, avoided_hotlines, incomplete_hotline
from reports.store.engine.database import Database, DatabaseUnavailable
from reports.store.mailboxes.correspondence import SealedMessage
from reports.store.pending_submissions import schedule_pending
from reports.store.schema.base import new_id
from reports.store.spool import Spool, SpoolEntry, SpoolWriteError
from reports.store.submissions import HELD, CopyRole, SealedCopy, Submission
from runtime.settings import Mode
from runtime.telephony import ChannelKind
from runtime.time_units import DAY, SECOND


class ReportInput(Struct, frozen=True):
    """The input from which a report is built. Times are Unix seconds.

    `repeat_of`: number of earlier reports of this phone in 24 hours. `earlier`: those of them that are remembered.
    """

    given: tuple[GivenAnswer, ...]
    unasked: tuple[UnaskedText, ...]
    words: str | None
    country: Country
    kind: ChannelKind
    channel: ReportChannel
    language: str
    flow_version: int
    msisdn: str | None
    repeat_of: int | None
    now: int
    media: Media = ()
    earlier: tuple[SentReport, ...] = ()
    flow: str = "report"

    @property
    def with_number(self) -> bool:
        """Return whether the complete report will show the phone number to its hotlines."""
        return self.msisdn is not None and derive_facts(self.given).contact in CONTACT_CHOICES


class ReportBuilder:
    """Build and seal reports. `keys`: hotline id → its newest public key."""

    def __init__(self, keys: Mapping[str, PublicKey], mode: Mode) -> None:
        self._keys = keys
        self.mode = mode

    @property
    def live(self) -> frozenset[str]:
        """Return the ids of hotlines that a report can be sealed to."""
        return frozenset(self._keys)

    def seal(
        self,
        content: ReportInput,
        ref: ReportRef,
        revision: int,
        recipients: tuple[Recipient, ...],
        completeness: Completeness,
    ) -> Submission:
        """Seal one revision for each recipient in `recipients`.

        Without recipients the report is sealed to the hotlines of `_held`, until a person decides who gets it.
        """
        report = _report(content, ref, revision, recipients, completeness=completeness, mode=self.mode)
        routed: list[tuple[str, CopyRole, str]] = [
            (recipient.hotline, recipient.role, recipient.why) for recipient in recipients
        ]
        reachable = [recipient for recipient in routed or self._held(content) if recipient[0] in self._keys]
        parts = [self._part(recipient, report, content.earlier) for recipient in reachable]
        return Submission(
            report_id=ref.report_id,
            origin_key=ref.origin_key,
            revision=revision,
            created_at=ref.created_at * 1_000_000,
            country=content.country.iso,
            mode=self.mode,
            priority=report.triage.priority,
            completeness=completeness,
            parts=tuple(parts),
        )

    def _held(self, content: ReportInput) -> list[tuple[str, CopyRole, str]]:
        """Return the hotlines for which a report without a route is held.

        Hotlines that the reporter left out are not among them (S-26), unless all were left out: a report is never lost.
        """
        reachable = [name for name in content.country.hotlines if name in self._keys]
        avoid = avoided_hotlines(content.country, derive_facts(content.given))
        allowed = [name for name in reachable if name not in avoid]
        return [(hotline, HELD, "NEEDS_PERSON") for hotline in allowed or reachable]

    def seal_messages(
        self, report_id: str, message_id: str, hotlines: Sequence[str], data: bytes
    ) -> tuple[SealedMessage, ...]:
        """Seal a message of My report for each of these hotlines that has a key."""
        return tuple(self._seal_message(report_id, message_id, name, data) for name in hotlines if name in self._keys)

    def _seal_message(self, report_id: str, message_id: str, hotline: str, body: bytes) -> SealedMessage:
        context = SealContext.of_message(self.mode, report_id, message_id, hotline)
        sealed_body = seal_body(self._keys[hotline], context, b"", body)
        return SealedMessage(hotline, sealed_body.key_id, sealed_body.wrap, sealed_body.sealed)

    def empty_submission(self, ref: ReportRef, revision: int) -> Submission:
        """Return a submission without content, which stands for the deletion of its report."""
        return Submission(
            report_id=ref.report_id,
            origin_key=ref.origin_key,
            revision=revision,
            created_at=ref.created_at * 1_000_000,
            country="",
            mode=self.mode,
            priority=Priority.P4,
            completeness=Completeness.INCOMPLETE,
            parts=(),
        )

    def _part(
        self, recipient: tuple[str, CopyRole, str], report: Report, earlier: tuple[SentReport, ...]
    ) -> SealedCopy:
        hotline, report_id = recipient[0], report.setting.report_id
        context = SealContext(self.mode, report_id, report.setting.revision, hotline)
        linked = linked_ids(earlier, report_id, hotline, with_number=shows_number(report))
        sealed_body = seal_body(self._keys[hotline], context, report_head(report, linked), to_json(report, hotline))
        return SealedCopy(*recipient, sealed_body.key_id, sealed_body.wrap, sealed_body.head, sealed_body.sealed)


def _report(
    content: ReportInput,
    ref: ReportRef,
    revision: int,
    recipients: tuple[Recipient, ...],
    *,
    completeness: Completeness,
    mode: Mode,
) -> Report:
    complete = completeness == Completeness.COMPLETE
    avoid = avoided_hotlines(content.country, derive_facts(content.given))
    metadata = ReportMetadata(
        report_id=ref.report_id,
        revision=revision,
        mode=mode,
        completeness=completeness,
        created_at=min((ref.created_at, *(answer.at for answer in content.given))),
        updated_at=content.now,
        sent_at=ref.sent_at or content.now if complete else None,
        channel=content.channel,
        language=content.language,
        flow=content.flow,
        flow_version=content.flow_version,
        country=content.country,
        route=Route(recipients, avoid=avoid),
        msisdn=content.msisdn if complete else None,
        first_words=content.words,
        unasked=content.unasked,
        attachments=len(content.media),
        attachment_types=kinds_of(content.media),
        repeat_of=content.repeat_of,
        floor=ref.min_priority,
        words_only=content.words is not None and not complete and not content.given,
    )
    return build_report(content.given, metadata)


# Store authenticated messages that could not be parsed, sealed to the child helpline, for a person to read.


class NotStored(Exception):
    """Neither the database nor the spool stored the message; the provider must send it again."""


class UnparsedStore:
    """Seal and store raw messages, so that no word is lost."""

    def __init__(
        self, database: Database, spool: Spool, cipher: RecordCipher, keys: Mapping[str, PublicKey], mode: Mode
    ) -> None:
        self._database = database
        self._cipher = cipher
        self._spool = spool
        self._keys = keys
        self._mode = mode

    def store(
        self,
        channel: str,
        country: Country,
        raw: bytes,
        content_type: str,
        name: tuple[str, ...] = (),
        *,
        seen_at: int | None = None,
    ) -> None:
        """Store a raw message. Raises NotStored.

        A message is stored once a day; one with the same `name`, or without a name with the same bytes, is the same.
        `seen_at`: when it came, in microseconds; None: now.
        """
        now = self._database.now()
        seen_at = now if seen_at is None else seen_at
        report_id = new_id(now)
        body = unread_json(
            report_id=report_id,
            mode=self._mode,
            country=country.iso,
            channel=channel,
            received_at=seen_at // SECOND,
            content_type=content_type,
            body=raw,
        )
        submission = Submission(
            report_id=report_id,
            # A provider's repeats share this key; the same words on another day are another message.
            origin_key=self._cipher.mac("unread", channel, str(seen_at // DAY), *(name or (raw,))),
            revision=1,
            created_at=now,
            country=country.iso,
            mode=self._mode,
            priority=Priority.P2,
            completeness=Completeness.UNREAD,
            parts=tuple(self._part(*recipient, report_id, body) for recipient in self._recipients(country)),
        )
        try:
            schedule_pending(self._database, submission, PendingKind.UNREAD, now)
        except DatabaseUnavailable:
            self._put_in_spool(submission, now)

    def _put_in_spool(self, submission: Submission, now: int) -> None:
        try:
            self._spool.put(SpoolEntry(submission, PendingKind.UNREAD, due_at=now))
        except SpoolWriteError:
            raise NotStored from None

    def _recipients(self, country: Country) -> list[tuple[str, CopyRole, str]]:
        helpline = incomplete_hotline(country)
        if helpline in self._keys:
            return [(str(helpline), RecipientRole.PRIMARY, "INCOMPLETE_ONLY")]
        return [(hotline, HELD, "NEEDS_PERSON") for hotline in country.hotlines if hotline in self._keys]

    def _part(self, hotline: str, role: CopyRole, reason: str, report_id: str, body: bytes) -> SealedCopy:
        sealed_body = seal_body(self._keys[hotline], SealContext(self._mode, report_id, 1, hotline), b"{}", body)
        return SealedCopy(
            hotline, role, reason, sealed_body.key_id, sealed_body.wrap, sealed_body.head, sealed_body.sealed
        )
