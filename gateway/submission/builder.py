"""From what was told to what can be kept: the report, sealed to each hotline of its route.

`web` seals with the hotlines' public keys and cannot open what it has sealed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from msgspec import Struct

from gateway.messaging.attachments import Media, kinds_of
from gateway.sessions.report_ref import ReportRef
from reports.countries.country import Country
from reports.crypto import PublicKey, SealContext, seal_body
from reports.facts import GivenAnswer, derive_facts
from reports.narrative import UnaskedText
from reports.report import Report, ReportMetadata, build_report, report_head, to_json
from reports.routing import Recipient, Route, avoided_hotlines
from reports.store.mailboxes.correspondence import SealedMessage
from reports.store.submissions import SealedCopy, Submission


class ReportInput(Struct, frozen=True):
    """All that a report is made from. Times are unix seconds."""

    given: tuple[GivenAnswer, ...]
    unasked: tuple[UnaskedText, ...]
    words: str | None
    country: Country
    kind: str  # ussd or sms
    channel: str  # as the report says it: ussd, sms, simulator
    language: str
    flow_version: int
    msisdn: str | None
    repeat_of: int | None
    now: int
    media: Media = ()


class ReportBuilder:
    """`keys`: the newest public key of each hotline that can be reached."""

    def __init__(self, keys: Mapping[str, PublicKey], mode: str) -> None:
        self._keys = keys
        self.mode = mode

    @property
    def live(self) -> frozenset[str]:
        """Hotlines that a report can be sealed to."""
        return frozenset(self._keys)

    def seal(
        self, told: ReportInput, ref: ReportRef, revision: int, legs: tuple[Recipient, ...], completeness: str
    ) -> Submission:
        """Seal one revision, a body for each of `legs`. Without any, it is held for the country's hotlines."""
        report = _report(told, ref, revision, legs, completeness=completeness, mode=self.mode)
        routed = [(leg.hotline, leg.role, leg.why) for leg in legs]
        able = [to for to in routed or self._held(told) if to[0] in self._keys]
        parts = [self._part(to, report, ref.report_id, revision) for to in able]
        return Submission(
            report_id=ref.report_id,
            origin_key=ref.origin_key,
            revision=revision,
            created_at=ref.created_at * 1_000_000,
            country=told.country.iso,
            mode=self.mode,
            priority=report.triage.priority,
            completeness=completeness,
            parts=tuple(parts),
        )

    def _held(self, told: ReportInput) -> list[tuple[str, str, str]]:
        """Not for who was left out (S-26), unless that is everybody: a report is never lost."""
        able = [one for one in told.country.hotlines if one in self._keys]
        avoid = avoided_hotlines(told.country, derive_facts(told.given))
        kept = [one for one in able if one not in avoid]
        return [(hotline, "held", "NEEDS_PERSON") for hotline in kept or able]

    def letters(
        self, report_id: str, message_id: str, hotlines: Sequence[str], data: bytes
    ) -> tuple[SealedMessage, ...]:
        """What was said by My report, for each of these that can read it."""
        return tuple(self._letter(report_id, message_id, one, data) for one in hotlines if one in self._keys)

    def _letter(self, report_id: str, message_id: str, hotline: str, data: bytes) -> SealedMessage:
        context = SealContext.of_message(self.mode, report_id, message_id, hotline)
        box = seal_body(self._keys[hotline], context, b"", data)
        return SealedMessage(hotline, box.key_id, box.wrap, box.sealed)

    def nothing(self, ref: ReportRef, revision: int) -> Submission:
        """Names a report, and holds nothing of it: for its deletion."""
        return Submission(
            report_id=ref.report_id,
            origin_key=ref.origin_key,
            revision=revision,
            created_at=ref.created_at * 1_000_000,
            country="",
            mode=self.mode,
            priority="P4",
            completeness="incomplete",
            parts=(),
        )

    def _part(self, to: tuple[str, str, str], report: Report, report_id: str, revision: int) -> SealedCopy:
        context = SealContext(self.mode, report_id, revision, to[0])
        box = seal_body(self._keys[to[0]], context, report_head(report), to_json(report, to[0]))
        return SealedCopy(*to, box.key_id, box.wrap, box.head, box.sealed)


def _report(
    told: ReportInput, ref: ReportRef, revision: int, legs: tuple[Recipient, ...], *, completeness: str, mode: str
) -> Report:
    complete = completeness == "complete"
    avoid = avoided_hotlines(told.country, derive_facts(told.given))
    setting = ReportMetadata(
        report_id=ref.report_id,
        revision=revision,
        mode=mode,
        completeness=completeness,
        created_at=min((ref.created_at, *(answer.at for answer in told.given))),
        updated_at=told.now,
        sent_at=ref.sent_at or told.now if complete else None,
        channel=told.channel,
        language=told.language,
        flow="report",
        flow_version=told.flow_version,
        country=told.country,
        route=Route(legs, avoid=avoid),
        msisdn=told.msisdn if complete else None,
        first_words=told.words,
        unasked=told.unasked,
        attachments=len(told.media),
        attachment_types=kinds_of(told.media),
        repeat_of=told.repeat_of,
        floor=ref.floor,
        words_only=told.words is not None and not complete and not told.given,
    )
    return build_report(told.given, setting)
