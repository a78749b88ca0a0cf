"""The record of a session between two turns, its attachments, and the drafts that outlive a dropped call.

Stored as arrays without field names, so that the sealed value is small.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Sequence
from typing import Any, Final, TypeVar

from msgspec import DecodeError, Struct, ValidationError, convert, to_builtins
from msgspec.json import Decoder, Encoder
from msgspec.structs import replace

from flows.engine import PackedState, pack, prepend_answers, unpack
from flows.model import FlowBook, FlowState
from gateway.messaging.model import Reply
from gateway.sessions.phone_history import SentReport
from gateway.sessions.report_ref import CodeState, ReportRef, Submitted
from reports.narrative import defang

MAX_REPLIES = 5  # replies in a row to one sender without an accepted answer
# Likewise after danger = now: no machine gives that answer, and a child may text words in place of numbers.
MAX_IN_DANGER = 20
SILENT_SECONDS = 60 * 60  # without replies after too many in a row
FORGET_SECONDS = 30 * 60  # pause after which count and silence end; a machine answers sooner
KINDS = frozenset({"image", "video", "audio"})
MAX_MEDIA = 100  # attachments of one session; more are counted as a hundred

Media = tuple[tuple[str, str], ...]  # kind, address
T = TypeVar("T")

MAX_CHOICES = 60  # continued from earlier sessions; limits the record of a reporter who dials all day
MAX_DRAFTS = 3  # such as siblings who share a phone; each is kept for a quarter of an hour


# Prevent an SMS loop with a machine that answers every message. Pure.


class ReplyLoop(Struct, frozen=True, array_like=True):
    """The state of the guard against reply loops, stored with the session.

    `replies`: replies in a row without an accepted answer. `silent_until`: Unix time until which no reply is sent.
    """

    replies: int = 0
    silent_until: int = 0


def reply_to(loop: ReplyLoop, *, is_reset: bool, now: int, max_replies: int = MAX_REPLIES) -> tuple[bool, ReplyLoop]:
    """Return whether this message may be answered, and the new state.

    `is_reset`: its answer was accepted, or it is HELP, so the count begins anew. Without this rule another
    machine's "we are closed" would be answered for ever.
    """
    if is_reset:
        return True, ReplyLoop()
    if is_silenced(loop, now):  # False if `silent_until` is further ahead than SILENT_SECONDS: our clock was set back
        return False, loop
    replies = 1 if loop.silent_until else loop.replies + 1
    return True, ReplyLoop(replies, now + SILENT_SECONDS if replies >= max_replies else 0)


def after_pause(loop: ReplyLoop, *, seconds: int) -> ReplyLoop:
    """Return the state after `seconds` seconds without a message.

    After a long pause the next message may come from another person, who gets a reply as on any other phone.
    """
    return loop if seconds <= FORGET_SECONDS else ReplyLoop()


def is_silenced(loop: ReplyLoop, now: int) -> bool:
    """Return whether this sender gets no replies now. What they send is read and stored all the same."""
    return 0 < loop.silent_until - now <= SILENT_SECONDS


# Attachments of an SMS: pictures, sounds, any others. They are counted by kind and never downloaded.
#
# The address stays in the sealed session, written so that no program makes it a link: having or passing on such
# material may be a crime, for staff too.


def add_media(media: Media, received: Iterable[tuple[str, str]]) -> Media:
    """Return the attachments with new ones. `received`: content type and address of each, as the provider sent them."""
    return (*media, *((_kind(content_type), defang(address)) for content_type, address in received))[:MAX_MEDIA]


def kinds_of(media: Media) -> tuple[str, ...]:
    """Return each kind of attachment once, in order of arrival."""
    return tuple(dict.fromkeys(kind for kind, _ in media))


def _kind(content_type: str) -> str:
    kind = content_type.partition("/")[0].strip().lower()
    return kind if kind in KINDS else "other"


class LastTurn(Struct, frozen=True, array_like=True):
    """The last turn taken, as the session stores it: of constant size, however long the path has grown."""

    turn_id: str  # its idempotency key; for a path, a digest of the whole path
    path_length: int = 0  # the path's length in characters; else the provider's number of the turn
    prefix_length: int = 0  # how many characters at the path's start are the service code, not a reply
    text: str = ""  # a digest of an SMS, to recognise that it is sent again


class Draft(Struct, frozen=True, array_like=True):
    """An unsent report that a later session of this phone continues unseen, for `DRAFT_SECONDS`."""

    danger: str
    category: str
    state: PackedState
    report: ReportRef
    at: int
    words: str | None = None
    media: Media = ()

    @property
    def is_sent(self) -> bool:
        """Return whether this only names a sent report, so that this phone's next dial submits its gathered answers."""
        return self.report.is_submitted


class Record(Struct, frozen=True):
    """The record of one session.

    `at`: Unix time of the last turn. `words`: a first SMS that was not a keyword. `reports`: number of reports begun
    here.
    """

    state: FlowState
    last: LastTurn
    answer: Reply
    at: int
    report: ReportRef | None = None
    reports: int = 0
    words: str | None = None
    loop: ReplyLoop = ReplyLoop()
    has_ended: bool = False  # left or ended; the next SMS begins anew
    opened_report: str | None = None  # id of the report that was opened with code and PIN
    seed: str = ""  # distinguishes this session from another under the same provider id
    repeat_of: int | None = None  # earlier reports from this number in 24 hours; for staff only
    media: Media = ()
    earlier: tuple[SentReport, ...] = ()  # those reports, as far as they are remembered
    has_wrong_pair: bool = False  # a wrong pair of code and PIN came in this turn; not stored
    just_sent: SentReport | None = None  # the report was sent in this turn; not stored
    number: int | None = None  # of that report among those of this phone; not stored
    recording: str = ""  # id of the recording that begins with this turn's screen; stored with the answer
    words_report: str = ""  # id of the report of words alone that was begun in this call, without code and PIN
    counted_messages: int = 0  # messages of staff when the screen of an opened report last said how many there are
    interrupted: str = ""  # id of the report of this conversation that HELP or a keyword left open, not in danger
    last_recording: str = ""  # id of the last recording of this call: its place may come with the end of the call
    written_at: int = 0  # Unix time at which its newest message was sent; `at` is later if that one waited for Redis


def in_danger(record: Record) -> bool:
    """Return whether danger = now is answered, with a category or words: a dropped call then leads to a report (S-12).

    The wish to be called counts as words. So do words that Back has passed: the screen has promised to deliver them.
    """
    values, state = record.state.values, record.state
    if values.get("danger") != "now":
        return False
    has_content = values.get("category") or values.get("call_hours") or record.words or state.unasked
    return bool(has_content) or any(answer.question == "narrative" and answer.value for answer in state.answers)


def has_waiting_words(record: Record) -> bool:
    """Return whether words of an SMS wait to be sent, and a refusal or a quick exit deletes them.

    Not in danger: there the screen has promised to deliver them.
    """
    return record.words is not None and record.report is not None and not (is_sent(record) or in_danger(record))


def is_sent(record: Record) -> bool:
    """Return whether the report of this session was sent."""
    return record.report is not None and record.report.is_submitted


def has_just_ended(record_before: Record | None, record_after: Record) -> bool:
    """Return whether a call reached "Sent" in this turn, or its last screen without it."""
    was_sent = record_before is not None and is_sent(record_before)
    return not was_sent and (is_sent(record_after) or record_after.has_ended)


def has_open_mailbox(record: Record) -> bool:
    """Return whether code and PIN were right, and the session has not gone back before them."""
    if record.opened_report is None:
        return False
    values = record.state.values
    return bool(values.get("code") and values.get("pin"))


def find_draft(drafts: Sequence[Draft], state: FlowState, not_before: int, interrupted: str = "") -> Draft | None:
    """Return the draft that this session continues; None if there is none.

    It has the same first two answers, and is not older than `not_before` (Unix time). `interrupted`: the id of a report
    that was left open in this conversation. If the danger is now, or has changed for the same category, it is continued
    too: to lose the words of a child in danger is worse than to join what another person began.
    """
    danger, category = state.values.get("danger"), state.values.get("category")
    recent = [draft for draft in drafts if draft.at >= not_before]
    matching = [draft for draft in recent if (draft.danger, draft.category) == (danger, category)]
    matching += [
        draft
        for draft in recent
        if draft.report.report_id == interrupted and (danger == "now" or draft.category == category)
    ]
    return matching[0] if matching else None


def continue_draft(record: Record, draft: Draft, own: ReportRef, book: FlowBook) -> Record | None:
    """Return the record with the answers and words of an earlier draft before its own.

    It holds all words, and the last `MAX_CHOICES` choices. None if the flows have changed since.

    The report keeps this session's own origin key and secret: replayed without Redis, and so without the draft, it
    finds the same report and shows the same code.
    """
    try:
        draft_state = unpack(draft.state, book)
    except ValueError:
        return None
    earlier_answers = draft_state.answers
    choice_indexes = [index for index, answer in enumerate(earlier_answers) if not answer.typed]
    dropped_indexes = set(choice_indexes[:-MAX_CHOICES])
    kept_answers = tuple(answer for index, answer in enumerate(earlier_answers) if index not in dropped_indexes)
    state = replace(prepend_answers(record.state, kept_answers), unasked=draft_state.unasked + record.state.unasked)
    report = replace(draft.report, origin_key=own.origin_key, secret=own.secret, resumed=True)
    report = replace(report, own_revision=0, own_send=False)
    media = (draft.media + record.media)[:MAX_MEDIA]
    return replace(record, state=state, report=report, words=record.words or draft.words, media=media)


def drafts_after(drafts: Sequence[Draft], record: Record) -> list[Draft] | None:
    """Return this phone's drafts after a turn, this session's first; None if they do not change."""
    report, values = record.report, record.state.values
    danger, category = values.get("danger"), values.get("category")
    if report is None or not danger or not category:
        return None
    other_drafts = [draft for draft in drafts if draft.report.report_id != report.report_id]
    if report.is_submitted and report.is_pending and record.state.screen.partition(".")[0] != "home":
        return [_sent_draft(report, record.at), *other_drafts][:MAX_DRAFTS]
    if report.is_submitted:  # answers after Send belong to this call alone
        return other_drafts if len(other_drafts) < len(drafts) else None
    draft = Draft(danger, category, pack(record.state), report, record.at, record.words, record.media)
    return [draft, *other_drafts][:MAX_DRAFTS]


def drafts_after_stop(drafts: Sequence[Draft], continued_at: float = math.inf) -> list[Draft]:
    """Return the drafts that STOP leaves: those of sent reports, and of reports in danger, as after a dropped call.

    `continued_at`: Unix time after STOP, for a STOP that comes late; newer drafts stay too.
    """
    return [draft for draft in drafts if draft.is_sent or draft.danger == "now" or draft.at > continued_at]


def _sent_draft(report: ReportRef, at: int) -> Draft:
    """Return a draft that only names a sent report whose further answers are being gathered; it holds no answers."""
    empty_state = pack(FlowState("home.home"))
    sent_report = ReportRef(report.report_id, b"", 0, Submitted(0, report.sent_at or 0, has_update=True))
    return Draft("", "", empty_state, sent_report, at)


class _StoredRecord(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """A record as it is stored: of the last answer, only what a repeat gets."""

    state: PackedState
    last: LastTurn
    answer: tuple[str, bool]
    at: int
    report: ReportRef | None
    reports: int
    words: str | None
    loop: ReplyLoop
    has_ended: bool
    opened_report: str | None
    seed: str
    repeat_of: int | None
    media: Media
    earlier: tuple[SentReport, ...] = ()  # a session of an earlier release has none
    answer_language: str = ""
    answer_is_typed: bool = False
    answer_recording: tuple[str, int] = ("", 0)  # id and maximum seconds of the recording
    words_report: str = ""
    counted_messages: int = 0
    interrupted: str = ""
    written_at: int = 0
    last_recording: str = ""


_write: Final = Encoder().encode
_RECORD: Final = Decoder(_StoredRecord)
_DRAFTS: Final = Decoder(list[Draft])


def pack_record(r: Record) -> bytes:
    """Encode a record for `Sessions.save`."""
    answer = r.answer.text, r.answer.expects_reply
    later_fields = r.reports, r.words, r.loop, r.has_ended, r.opened_report, r.seed, r.repeat_of, r.media, r.earlier
    spoken = r.answer.language, r.answer.is_typed, (r.answer.recording, r.answer.max_seconds)
    return _written(
        _StoredRecord(
            *(pack(r.state), r.last, answer, r.at, r.report, *later_fields, *spoken),
            *(r.words_report, r.counted_messages, r.interrupted, r.written_at, r.last_recording),
        )
    )


def unpack_record(raw: bytes, book: FlowBook) -> Record | None:
    """Decode a record; None if its shape is unknown, as after an upgrade: the reporter begins anew."""
    try:
        stored = _read(raw, _RECORD)
        state = unpack(stored.state, book)
    except ValueError:
        return None
    if stored.report and stored.report.code is CodeState.SHOWN and not stored.report.secret:
        return None  # without its secret another code would be shown
    later_fields = (
        stored.reports,
        stored.words,
        stored.loop,
        stored.has_ended,
        stored.opened_report,
        stored.seed,
        stored.repeat_of,
        stored.media,
        stored.earlier,
    )
    text, expects_reply = stored.answer
    recording, max_seconds = stored.answer_recording
    answer = Reply(
        text,
        expects_reply,
        language=stored.answer_language,
        is_typed=stored.answer_is_typed,
        recording=recording,
        max_seconds=max_seconds,
    )
    record = Record(state, stored.last, answer, stored.at, stored.report, *later_fields)
    return replace(
        record,
        words_report=stored.words_report,
        counted_messages=stored.counted_messages,
        interrupted=stored.interrupted,
        written_at=stored.written_at,
        last_recording=stored.last_recording,
    )


def pack_drafts(drafts: Sequence[Draft]) -> bytes:
    """Encode drafts; b"" if there are none."""
    return _written(drafts) if drafts else b""


def unpack_drafts(raw: bytes) -> list[Draft]:
    """Decode drafts; an empty list if their shape is unknown."""
    try:
        return _read(raw, _DRAFTS)
    except ValueError:
        return []


def _written(value: Any) -> bytes:
    try:
        return _write(value)
    except UnicodeEncodeError:  # a lone surrogate that a person sent must stay unchanged
        return json.dumps(to_builtins(value)).encode()


def _read(raw: bytes, decoder: Decoder[T]) -> T:
    """Decode JSON. Raises ValueError."""
    try:
        return decoder.decode(raw)
    except DecodeError:
        try:
            return convert(json.loads(raw), decoder.type)
        except ValidationError:
            raise ValueError("not a session record of this release") from None
