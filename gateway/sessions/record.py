"""What is kept of one conversation between two turns, and what outlives a dropped line. Short lists, to seal small."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, Final, TypeVar

from msgspec import DecodeError, Struct, ValidationError, convert, to_builtins
from msgspec.json import Decoder, Encoder
from msgspec.structs import replace

from flows.engine import prepend_answers
from flows.model import FlowBook, FlowState
from flows.state_codec import PackedState, pack, unpack
from gateway.messaging.attachments import MOST as MOST_MEDIA
from gateway.messaging.attachments import Media
from gateway.messaging.model import Reply
from gateway.sessions.reply_loop import ReplyLoop
from gateway.sessions.report_ref import CodeState, ReportRef, Submitted

T = TypeVar("T")

MOST_CHOICES = 60  # of earlier walks, so that who dials all day carries no endless tail
MOST_DRAFTS = 3  # brothers and sisters on one phone, within a quarter of an hour


class LastTurn(Struct, frozen=True, array_like=True):
    """The last turn taken, as the session keeps it: of one size, however long the path has grown."""

    turn: str  # its key; for a path, a digest of the whole of it
    seen: int = 0  # a path's length in characters; else the provider's number of the turn
    skip: int = 0  # how many characters at a path's start are the service code and no reply


class Draft(Struct, frozen=True, array_like=True):
    """What a walk on the report path leaves for 15 minutes (24 hours by SMS): it carries on the same report, unseen."""

    danger: str
    category: str
    state: PackedState
    report: ReportRef
    at: int
    words: str | None = None
    media: Media = ()

    @property
    def is_sent(self) -> bool:
        """Return whether it only names a sent report, so that the next dial of this phone files what was gathered."""
        return self.report.is_submitted


class Record(Struct, frozen=True):
    """One conversation as its session keeps it.

    `at`: Unix seconds of the last turn. `words`: a first SMS that was no keyword. `reports`: how many were begun here.
    """

    state: FlowState
    last: LastTurn
    answer: Reply
    at: int
    report: ReportRef | None = None
    reports: int = 0
    words: str | None = None
    loop: ReplyLoop = ReplyLoop()
    over: bool = False  # left, or ended: the next SMS begins anew
    opened: str | None = None  # the report whose code and PIN were given
    seed: str = ""  # tells this conversation from another under the same session id
    repeat_of: int | None = None  # reports from this number in the 24 hours before; for staff only
    media: Media = ()
    guessed: bool = False  # a wrong pair of code and PIN came in this turn; it is not stored


def in_danger(state: FlowState) -> bool:
    """Said, and with a category: from then on a dropped line is heard (S-12)."""
    return state.values.get("danger") == "now" and bool(state.values.get("category"))


def take_up(drafts: Sequence[Draft], state: FlowState, not_before: int) -> Draft | None:
    """The draft that this walk carries on: the same first two answers, and not too long ago."""
    danger, category = state.values.get("danger"), state.values.get("category")
    same = (d for d in drafts if (d.danger, d.category) == (danger, category) and d.at >= not_before)
    return next(same, None)


def carried(record: Record, draft: Draft, own: ReportRef, book: FlowBook) -> Record | None:
    """This walk with the earlier one's answers and words before it: all words, and as many choices as help anybody.
    None where the flows are others by now.

    Under this walk's own key and secret: walked again without Redis, and so without the draft, it finds the same
    report and shows the same code.
    """
    try:
        before = unpack(draft.state, book)
    except ValueError:
        return None
    earlier = before.answers
    choices = [index for index, answer in enumerate(earlier) if not answer.typed]
    old = set(choices[:-MOST_CHOICES])
    kept = tuple(answer for index, answer in enumerate(earlier) if index not in old)
    state = replace(prepend_answers(record.state, kept), unasked=before.unasked + record.state.unasked)
    report = replace(draft.report, origin_key=own.origin_key, secret=own.secret, resumed=True)
    media = (draft.media + record.media)[:MOST_MEDIA]
    return replace(record, state=state, report=report, words=record.words or draft.words, media=media)


def drafts_after(drafts: Sequence[Draft], record: Record) -> list[Draft] | None:
    """This phone's drafts after a turn, this one in front; None where they stay as they are."""
    report, values = record.report, record.state.values
    danger, category = values.get("danger"), values.get("category")
    if report is None or not danger or not category:
        return None
    others = [draft for draft in drafts if draft.report.report_id != report.report_id]
    if report.is_submitted and report.is_pending and record.state.screen.partition(".")[0] != "home":
        return [_gathering(report, record.at), *others][:MOST_DRAFTS]
    if report.is_submitted:  # what comes after Send belongs to this call alone
        return others if len(others) < len(drafts) else None
    draft = Draft(danger, category, pack(record.state), report, record.at, record.words, record.media)
    return [draft, *others][:MOST_DRAFTS]


def _gathering(report: ReportRef, at: int) -> Draft:
    """Return the name of a sent report whose further answers are being gathered; nothing that was said is in it."""
    nothing = pack(FlowState("home.home"))
    named = ReportRef(report.report_id, b"", 0, Submitted(0, report.sent_at or 0, has_update=True))
    return Draft("", "", nothing, named, at)


class _StoredRecord(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """A record as it is kept: of the answer, what a repeat gets."""

    state: PackedState
    last: LastTurn
    answer: tuple[str, bool]
    at: int
    report: ReportRef | None
    reports: int
    words: str | None
    loop: ReplyLoop
    over: bool
    opened: str | None
    seed: str
    repeat_of: int | None
    media: Media


_write: Final = Encoder().encode
_RECORD: Final = Decoder(_StoredRecord)
_DRAFTS: Final = Decoder(list[Draft])


def pack_record(r: Record) -> bytes:
    answer = r.answer.text, r.answer.expects_reply
    after = r.reports, r.words, r.loop, r.over, r.opened, r.seed, r.repeat_of, r.media
    return _written(_StoredRecord(pack(r.state), r.last, answer, r.at, r.report, *after))


def unpack_record(raw: bytes, book: FlowBook) -> Record | None:
    """None for what is not of this shape, as after an upgrade: the caller begins anew."""
    try:
        kept = _read(raw, _RECORD)
        state = unpack(kept.state, book)
    except ValueError:
        return None
    if kept.report and kept.report.code is CodeState.SHOWN and not kept.report.secret:
        return None  # without its secret another code would be shown
    after = kept.reports, kept.words, kept.loop, kept.over, kept.opened, kept.seed, kept.repeat_of, kept.media
    return Record(state, kept.last, Reply(*kept.answer), kept.at, kept.report, *after)


def pack_drafts(drafts: Sequence[Draft]) -> bytes:
    """Nothing where there are none."""
    return _written(drafts) if drafts else b""


def unpack_drafts(raw: bytes | None) -> list[Draft]:
    """None at all where they are not of this shape."""
    try:
        return _read(raw, _DRAFTS) if raw else []
    except ValueError:
        return []


def _written(value: Any) -> bytes:
    try:
        return _write(value)
    except UnicodeEncodeError:  # half a character that a person sent must come back as it was
        return json.dumps(to_builtins(value)).encode()


def _read(raw: bytes, decoder: Decoder[T]) -> T:
    """Raises ValueError."""
    try:
        return decoder.decode(raw)
    except DecodeError:
        try:
            return convert(json.loads(raw), decoder.type)
        except ValidationError:
            raise ValueError("of another shape") from None
