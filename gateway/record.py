"""What is kept of one conversation between two turns, and what outlives a dropped line. Short lists, to seal small."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from flows.engine import carry, pack, unpack
from flows.model import Book, State
from gateway.limits import Loop
from gateway.media import MOST as MOST_MEDIA
from gateway.media import Media
from gateway.message import Turn
from gateway.turns import Last
from reports.routing import Leg

MOST_CHOICES = 60  # of earlier walks, so that who dials all day carries no endless tail
MOST_DRAFTS = 3  # brothers and sisters on one phone, within a quarter of an hour


@dataclass(frozen=True, slots=True)
class Begun:
    """A report that was begun: how it will be known, and how far it has come.

    `revision` is the highest written (0: none); `pending` says that it was left to file itself and may still wait.
    `legs` are the hotlines that the Send screen named: those and no others get it.
    """

    report_id: str
    origin_key: bytes
    created_at: int  # unix seconds
    revision: int = 0
    pending: bool = False
    sent_at: int | None = None  # unix seconds
    code: int | None = None  # which of the report's codes was shown
    floor: str | None = None  # the highest priority reached
    legs: tuple[Leg, ...] = ()
    carried: bool = False  # it goes on from an earlier walk
    unsent: bool = False  # "NOT SENT" was said of it, and a slow disk may have kept it all the same

    @property
    def forgotten(self) -> bool:
        """Walked again without Redis: something may wait, and nobody remembers how far it had come."""
        return self.pending and not self.revision


@dataclass(frozen=True, slots=True)
class Draft:
    """What a walk on the report path leaves for 15 minutes (24 hours by SMS): it carries on the same report, unseen."""

    danger: str
    category: str
    state: State
    begun: Begun
    at: int
    words: str | None = None
    media: Media = ()


@dataclass(frozen=True, slots=True)
class Record:
    """`at`: unix seconds of the last turn. `words`: a first SMS that was no keyword. `reports`: begun in this one."""

    state: State
    last: Last
    answer: Turn
    at: int
    begun: Begun | None = None
    reports: int = 0
    words: str | None = None
    loop: Loop = Loop()
    over: bool = False  # left, or ended: the next SMS begins anew
    opened: str | None = None  # the report whose code and PIN were given
    seed: str = ""  # tells this conversation from another under the same session id
    repeat_of: int | None = None  # reports from this number in the 24 hours before; for staff only
    media: Media = ()


def in_danger(state: State) -> bool:
    """Said, and with a category: from then on a dropped line is heard (S-12)."""
    return state.values.get("danger") == "now" and bool(state.values.get("category"))


def take_up(drafts: Sequence[Draft], state: State, not_before: int) -> Draft | None:
    """The draft that this walk carries on: the same first two answers, and not too long ago."""
    danger, category = state.values.get("danger"), state.values.get("category")
    same = (d for d in drafts if (d.danger, d.category) == (danger, category) and d.at >= not_before)
    return next(same, None)


def carried(record: Record, draft: Draft, origin_key: bytes) -> Record:
    """This walk with the earlier one's answers and words before it: all words, and as many choices as help anybody.

    Under this walk's own key: walked again without Redis, and so without the draft, it finds the same report.
    """
    earlier = draft.state.answers
    choices = [index for index, answer in enumerate(earlier) if not answer.typed]
    old = set(choices[:-MOST_CHOICES])
    kept = tuple(answer for index, answer in enumerate(earlier) if index not in old)
    state = replace(carry(record.state, kept), unasked=draft.state.unasked + record.state.unasked)
    begun = replace(draft.begun, origin_key=origin_key, carried=True)
    media = (draft.media + record.media)[:MOST_MEDIA]
    return replace(record, state=state, begun=begun, words=record.words or draft.words, media=media)


def drafts_after(drafts: Sequence[Draft], record: Record) -> list[Draft] | None:
    """This phone's drafts after a turn, this one in front; None where they stay as they are."""
    begun, values = record.begun, record.state.values
    danger, category = values.get("danger"), values.get("category")
    if begun is None or not danger or not category:
        return None
    others = [draft for draft in drafts if draft.begun.report_id != begun.report_id]
    if begun.sent_at:  # what comes after Send belongs to this call alone
        return others if len(others) < len(drafts) else None
    draft = Draft(danger, category, record.state, begun, record.at, record.words, record.media)
    return [draft, *others][:MOST_DRAFTS]


def pack_record(record: Record) -> list[Any]:
    r = record
    return [
        pack(r.state),
        [r.last.turn, r.last.seen, r.last.skip],
        [r.answer.text, int(r.answer.goes_on)],
        r.at,
        _pack_begun(r.begun) if r.begun else None,
        r.reports,
        r.words,
        [r.loop.replies, r.loop.silent_until],
        int(r.over),
        r.opened,
        r.seed,
        r.repeat_of,
        r.media,
    ]


def unpack_record(data: Any, book: Book) -> Record | None:
    """None for what is not of this shape, as after an upgrade: the caller begins anew."""
    try:
        state, last, answer, at, begun, reports, words, loop, over, opened, seed, repeat_of, media = data
        return Record(
            unpack(state, book),
            Last(*last),
            Turn(answer[0], bool(answer[1])),
            at,
            _unpack_begun(begun) if begun else None,
            reports,
            words,
            Loop(*loop),
            bool(over),
            opened,
            seed,
            repeat_of,
            _unpack_media(media),
        )
    except (ValueError, TypeError, KeyError):
        return None


def pack_drafts(drafts: Sequence[Draft]) -> list[Any]:
    return [[d.danger, d.category, pack(d.state), _pack_begun(d.begun), d.at, d.words, d.media] for d in drafts]


def unpack_drafts(data: Any, book: Book) -> list[Draft]:
    try:
        return [
            Draft(danger, category, unpack(state, book), _unpack_begun(begun), at, words, _unpack_media(media))
            for danger, category, state, begun, at, words, media in data or ()
        ]
    except (ValueError, TypeError, KeyError):
        return []


def _unpack_media(data: list[list[str]]) -> Media:
    return tuple((kind, address) for kind, address in data)


def _pack_begun(b: Begun) -> list[Any]:
    legs = [[leg.hotline, leg.role, leg.why] for leg in b.legs]
    key = base64.b64encode(b.origin_key).decode()
    flags = [int(b.pending), int(b.carried), *([1] if b.unsent else [])]  # others are read by the release before, too
    return [b.report_id, key, b.created_at, b.revision, flags, b.sent_at, b.code, b.floor, legs]


def _unpack_begun(data: list[Any]) -> Begun:
    report_id, key, created_at, revision, (pending, carried, *unsent), sent_at, code, floor, legs = data
    return Begun(
        report_id,
        base64.b64decode(key),
        created_at,
        revision,
        bool(pending),
        sent_at,
        code,
        floor,
        tuple(Leg(*leg) for leg in legs),
        bool(carried),
        bool(unsent),
    )
